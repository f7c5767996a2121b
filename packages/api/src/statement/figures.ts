import type { Amount, Statement, WaitQuantile } from "@coop/core";

/** Figures as people read them on a statement. Pure: no I/O. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const cents = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const significant3 = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const significant = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });

/** Shown where there is nothing to show. */
export const NONE = "–";

/** `12,345`. */
export const count = (value: number): string => whole.format(value);

/** `1 job`, `2 jobs`. */
export const plural = (amount: number, one: string): string =>
  `${count(amount)} ${one}${amount === 1 ? "" : "s"}`;

/** `12,345`, `1.2 million`: for places that have no room for every digit. */
export const roughly = (value: number): string =>
  value >= 1e9
    ? `${significant3.format(value / 1e9)} bn`
    : value >= 1e6
      ? `${significant3.format(value / 1e6)} M`
      : value >= 1e4
        ? `${significant3.format(value / 1e3)} k`
        : count(value);

/** `12.34`; an amount below a cent keeps two digits that say something. */
export const money = (amount: number): string =>
  amount !== 0 && Math.abs(amount) < 0.01 ? significant.format(amount) : cents.format(amount);

/** `12.34 SEK`. */
export const price = (amount: number, currency: string): string => `${money(amount)} ${currency}`;

/** `12.34 SEK without pi`: what is not counted is said with it. */
export function amountText(amount: Amount, currency: string): string {
  if (isUnknown(amount)) return `unknown without the price of ${amount.without.join(", ")}`;
  const text = price(amount.amount, currency);
  return amount.without.length === 0 ? text : `${text} without ${amount.without.join(", ")}`;
}

/** Nothing of it is known: it must not read as nothing. */
export const isUnknown = ({ amount, without }: Amount): boolean => amount === 0 && without.length > 0;

/** `37 %`, `0.4 %`. */
export function percent(share: number | null): string {
  if (share === null) return NONE;
  if (share > 0 && share < 0.0001) return "< 0.01 %";
  return `${share > 0 && share < 0.1 ? significant.format(share * 100) : whole.format(share * 100)} %`;
}

/** `0.8 s`, `41 s`, `12 min`, `3.4 h`. */
export function duration(ms: number): string {
  if (ms === 0) return "0 s";
  if (ms < 1_000) return `${significant3.format(ms)} ms`;
  if (ms < 120_000) return `${significant3.format(ms / 1_000)} s`;
  if (ms < 2 * 3_600_000) return `${whole.format(ms / 60_000)} min`;
  return `${significant3.format(ms / 3_600_000)} h`;
}

/** `120 ms (100 ms to 200 ms)`: the interpolated value, and between what the true one lies. */
export function waitText(wait: WaitQuantile | null): string {
  if (wait === null) return NONE;
  const { ms, atLeastMs, atMostMs } = wait;
  return atMostMs === null
    ? `more than ${duration(atLeastMs)}`
    : `${duration(ms)} (${duration(atLeastMs)} to ${duration(atMostMs)})`;
}

/** `0.42 kWh`, `9.6 Wh`. */
export function energy(kwh: number | null): string {
  if (kwh === null) return NONE;
  return kwh > 0 && kwh < 0.1 ? `${significant3.format(kwh * 1000)} Wh` : `${significant3.format(kwh)} kWh`;
}

/** `November 2026`. */
export const monthName = (month: string): string =>
  new Intl.DateTimeFormat("en", { timeZone: "UTC", month: "long", year: "numeric" }).format(
    Date.parse(`${month}-01T00:00:00Z`),
  );

/** Whose statement it is, and of what month. */
export const titleOf = ({ subject, month }: Statement): string =>
  subject.kind === "member"
    ? `Statement of ${subject.name}, ${monthName(month)}`
    : `The fleet in ${monthName(month)}`;

/** How much of the month it covers. */
export function coverageOf({ complete, untilMs, timeZone, month }: Statement): string {
  if (complete) return `The whole of ${monthName(month)}, time zone ${timeZone}.`;
  const until = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "short" }).format(
    untilMs,
  );
  return `The month is not over: figures up to ${until}, time zone ${timeZone}.`;
}
