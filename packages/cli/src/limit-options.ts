import { InvalidArgumentError } from "commander";
import { wholeNumber } from "./command-options.ts";

/** How limits are written in a command line. The server knows the bounds and says them. */

export type QuotaOption =
  | { readonly kind: "tokens"; readonly tokens: number }
  | { readonly kind: "default" }
  | { readonly kind: "unlimited" };

/** By tier: tokens, null for no cap, `"default"` for the co-op's. */
export type TierQuotas = Readonly<Record<string, number | null | "default">>;

const isCount = (text: string): boolean => /^\d{1,15}$/.test(text);

/** `N`, `share` or `unlimited`. */
export function quotaOption(text: string): QuotaOption {
  if (text === "share") return { kind: "default" };
  if (text === "unlimited") return { kind: "unlimited" };
  if (isCount(text)) return { kind: "tokens", tokens: Number(text) };
  throw new InvalidArgumentError("It must be a whole number of tokens, share or unlimited.");
}

/** `TIER=N`, `TIER=none` or `TIER=default`, gathered over every time that it is given. */
export function tierQuotaOption(text: string, before: TierQuotas = {}): TierQuotas {
  const [, tier, value] = /^([a-z-]+)=(\w+)$/.exec(text) ?? [];
  if (tier !== undefined && value !== undefined) {
    if (value === "default") return { ...before, [tier]: "default" };
    if (value === "none") return { ...before, [tier]: null };
    if (isCount(value)) return { ...before, [tier]: Number(value) };
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
  const value = Number(text);
  if (/^[+-]?\d{1,15}$/.test(text) && value !== 0) return value;
  throw new InvalidArgumentError("It must be a whole number of tokens; below zero takes back.");
}

export function weightOption(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value > 0) return value;
  throw new InvalidArgumentError("It must be a number above 0; 1 is an equal share.");
}
