/**
 * The price of a node's token budget: it rises while the day's tokens go faster than they would last, and
 * falls while they go slower. Pure.
 */
export interface BudgetPace {
  /** Price of one token, seconds of a job's time. */
  readonly priceS: number;
  /** Tokens used since `sinceMs`. */
  readonly spentTokens: number;
  readonly sinceMs: number;
}

const START_PRICE_S = 0.003;
const LOWEST_PRICE_S = 1e-5;
const HIGHEST_PRICE_S = 0.05;
const STEP = 0.3;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** After a long silence the price moves as for this many minutes. */
const MINUTES_AT_ONCE_MAX = 30;

export const startPace = (nowMs: number): BudgetPace => ({
  priceS: START_PRICE_S,
  spentTokens: 0,
  sinceMs: nowMs,
});

export const spend = (pace: BudgetPace, tokens: number): BudgetPace => ({
  ...pace,
  spentTokens: Math.max(0, pace.spentTokens + tokens),
});

/**
 * Moves the price once for the minutes since it last moved; the same pace when none has passed.
 * `tokensLeft` is what the node may still serve today, a day being a UTC day.
 */
export function movePrice(pace: BudgetPace, tokensLeft: number, nowMs: number): BudgetPace {
  const minutes = Math.floor((nowMs - pace.sinceMs) / MINUTE_MS);
  if (minutes < 1) return minutes < 0 ? { ...pace, sinceMs: nowMs } : pace;
  const minutesLeft = Math.max(1, (DAY_MS - (nowMs % DAY_MS)) / MINUTE_MS);
  const targetTokens = Math.max(1, tokensLeft / minutesLeft);
  const overspent = (pace.spentTokens / minutes - targetTokens) / targetTokens;
  const change = STEP * Math.min(2, Math.max(-1, overspent)) * Math.min(minutes, MINUTES_AT_ONCE_MAX);
  const priceS = Math.min(HIGHEST_PRICE_S, Math.max(LOWEST_PRICE_S, pace.priceS * Math.exp(change)));
  return { priceS, spentTokens: 0, sinceMs: pace.sinceMs + minutes * MINUTE_MS };
}
