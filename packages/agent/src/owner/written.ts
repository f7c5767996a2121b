/** What an owner wrote, in a setting or on the command line: understood, or what is wrong with it. */
export type Read<T> =
  | { readonly kind: "read"; readonly value: T }
  /** Goes on after the setting's name: `takes 30m, 2h or 1d, not "soon"`. */
  | { readonly kind: "problem"; readonly problem: string };

export const read = <T>(value: T): Read<T> => ({ kind: "read", value });
export const takes = (what: string, text: string): Read<never> => ({
  kind: "problem",
  problem: `takes ${what}, not "${text}"`,
});

const MULTIPLES: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

/** More than any machine serves in a month: a slip of the finger. */
const TOKENS_MOST = 1e15;

/** A number of tokens: `500000`, `500_000`, `500k`, `2.5M`. */
export function readTokens(text: string): number | null {
  const match = /^(\d[\d_]*(?:\.\d+)?)\s*([kmg]?)$/i.exec(text.trim());
  if (match?.[1] === undefined) return null;
  const tokens = Number(match[1].replaceAll("_", "")) * (MULTIPLES[(match[2] ?? "").toLowerCase()] ?? 1);
  const rounded = Math.round(tokens);
  return Math.abs(tokens - rounded) < 1e-6 * Math.max(1, tokens) && rounded <= TOKENS_MOST ? rounded : null;
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const YEAR_MS = 366 * 86_400_000;

/** A length of time above 0 and within a year: `90s`, `30m`, `2h`, `1h30m`, `1d`; ms. */
export function readDuration(text: string): number | null {
  const parts = text.trim().toLowerCase();
  if (!/^(\d+[smhd]\s*)+$/.test(parts)) return null;
  let ms = 0;
  for (const [, number, unit] of parts.matchAll(/(\d+)([smhd])/g))
    ms += Number(number) * (UNITS_MS[unit ?? ""] ?? 0);
  return ms > 0 && ms <= YEAR_MS ? ms : null;
}

/** A length of time as it is written, such as `1h 30m`. */
export function writeDuration(ms: number): string {
  let rest = ms;
  const parts: string[] = [];
  for (const unit of ["d", "h", "m", "s"]) {
    const unitMs = UNITS_MS[unit] ?? 1;
    const number = Math.floor(rest / unitMs);
    rest -= number * unitMs;
    if (number > 0) parts.push(`${number}${unit}`);
  }
  return parts.length > 0 ? parts.join(" ") : "0s";
}

/** A share above 0 and at most 1: `0.5`, `50%`. */
export function readShare(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(text.trim());
  if (match?.[1] === undefined) return null;
  const share = Number(match[1]) / (match[2] === "%" ? 100 : 1);
  return share > 0 && share <= 1 ? share : null;
}
