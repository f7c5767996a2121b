import { DAYS_PER_MONTH } from "@coop/core";
import type { Figure } from "@coop/core";

/** What an owner set for a day or a month. */
export type BudgetLimit =
  | { readonly kind: "none" }
  | { readonly kind: "auto" }
  | { readonly kind: "tokens"; readonly tokens: number };

/** The owner's token budget. */
export interface OwnerBudget {
  readonly day: BudgetLimit;
  readonly month: BudgetLimit;
  /** For `auto`: share of what the machine can make that the co-op may use, above 0 and at most 1. */
  readonly share: number;
}

/** Digits that count: a rate that is learned anew with each job is not to move the budget each time. */
const DIGITS = 2;

/**
 * Tokens of a day under `auto`: what the machine makes in its serving hours, times the share, rounded down to two
 * digits. As sure as the throughput is: `prior` from the catalogue, `measured` from the engine's own times.
 */
export function autoTokensPerDay(
  throughputTokensPerSecond: Figure,
  servingSecondsPerDay: number,
  share: number,
): Figure {
  const tokens = throughputTokensPerSecond.value * servingSecondsPerDay * share;
  return { value: roundedDown(tokens), basis: throughputTokensPerSecond.basis };
}

function roundedDown(tokens: number): number {
  if (tokens < 1) return 0;
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(tokens)) + 1 - DIGITS);
  return Math.floor(tokens / unit) * unit;
}

/** The limit in tokens, null for none. `autoPerDay`: what `auto` comes to. */
export function limitTokens(limit: BudgetLimit, span: "day" | "month", autoPerDay: Figure): number | null {
  switch (limit.kind) {
    case "none":
      return null;
    case "tokens":
      return limit.tokens;
    case "auto":
      return span === "day" ? autoPerDay.value : roundedDown(autoPerDay.value * DAYS_PER_MONTH);
  }
}
