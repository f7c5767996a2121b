import { InvalidArgumentError } from "commander";
import { wholeNumber } from "./command-options.ts";

/** How limits are written in a command line. The server knows the bounds and says them. */

export type QuotaOption =
  | { readonly kind: "tokens"; readonly tokens: number }
  | { readonly kind: "default" }
  | { readonly kind: "unlimited" };

/** By tier: tokens, null for no cap, `"default"` for the co-op's. */
export type TierQuotas = Readonly<Record<string, number | null | "default">>;

const MULTIPLES: Readonly<Record<string, number>> = { "": 1, k: 1_000, M: 1_000_000, G: 1_000_000_000 };

/** `20000000`, `20_000_000`, `20M`, as owners and coop.yaml write them too; null for anything else. */
function tokensIn(text: string): number | null {
  const [, digits, unit] = /^(\d{1,15}|\d{1,3}(?:_\d{3})+)([kMG]?)$/.exec(text) ?? [];
  if (digits === undefined) return null;
  const tokens = Number(digits.replaceAll("_", "")) * (MULTIPLES[unit ?? ""] ?? 1);
  return Number.isSafeInteger(tokens) ? tokens : null;
}

/** Tokens, `share` or `unlimited`. */
export function quotaOption(text: string): QuotaOption {
  if (text === "share") return { kind: "default" };
  if (text === "unlimited") return { kind: "unlimited" };
  const tokens = tokensIn(text);
  if (tokens !== null) return { kind: "tokens", tokens };
  throw new InvalidArgumentError("It must be a whole number of tokens (20000000, 20M), share or unlimited.");
}

/** `TIER=N`, `TIER=none` or `TIER=default`, gathered over every time that it is given. */
export function tierQuotaOption(text: string, before: TierQuotas = {}): TierQuotas {
  const [, tier, value] = /^([a-z-]+)=(\w+)$/.exec(text) ?? [];
  if (tier !== undefined && value !== undefined) {
    if (value === "default") return { ...before, [tier]: "default" };
    if (value === "none") return { ...before, [tier]: null };
    const tokens = tokensIn(value);
    if (tokens !== null) return { ...before, [tier]: tokens };
  }
  throw new InvalidArgumentError(
    "It must be a tier and its tokens, such as local-large=5000000, local-large=none or local-large=default.",
  );
}

/** `N`, or `default` for the co-op's. */
export const countOrDefault = (text: string): number | "default" =>
  text === "default" ? text : wholeNumber(text);

/** Tokens to grant; below zero takes back. */
export function grantedTokens(text: string): number {
  const takesBack = text.startsWith("-");
  const tokens = tokensIn(text.replace(/^[+-]/, ""));
  if (tokens !== null && tokens !== 0) return takesBack ? -tokens : tokens;
  throw new InvalidArgumentError(
    "It must be a whole number of tokens (500000, 500k); below zero takes back.",
  );
}

export function weightOption(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value > 0) return value;
  throw new InvalidArgumentError("It must be a number above 0; 1 is an equal share.");
}
