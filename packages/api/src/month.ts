/** Calendar months in the co-op's time zone. Pure: no I/O. */
export interface Months {
  /** The month of an instant, `YYYY-MM`. */
  of(atMs: number): string;
  /** Time until the next month begins, ms, to the minute. */
  untilNext(atMs: number): number;
}

const LONGEST_MONTH_MS = 32 * 24 * 3_600_000;
const MINUTE_MS = 60_000;

/** @param timeZone IANA name */
export function createMonths(timeZone: string): Months {
  const format = new Intl.DateTimeFormat("en", {
    timeZone,
    calendar: "iso8601",
    year: "numeric",
    month: "2-digit",
  });
  const read = (atMs: number): string => {
    const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
    return `${parts.get("year") ?? ""}-${parts.get("month") ?? ""}`;
  };
  /** The last minute that was asked for: no zone begins a month within one. */
  let last = { minute: Number.NaN, month: "" };
  const of = (atMs: number): string => {
    const minute = Math.floor(atMs / MINUTE_MS);
    if (last.minute !== minute) last = { minute, month: read(atMs) };
    return last.month;
  };
  const untilNext = (atMs: number): number => {
    const month = of(atMs);
    let low = atMs;
    let high = atMs + LONGEST_MONTH_MS;
    while (high - low > MINUTE_MS) {
      const middle = (low + high) / 2;
      if (of(middle) === month) low = middle;
      else high = middle;
    }
    return high - atMs;
  };
  return { of, untilNext };
}
