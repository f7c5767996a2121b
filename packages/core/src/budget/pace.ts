/**
 * How a node's token budget is made to last its day and its month. Pure.
 *
 * P1. A plan spends what is left evenly from when it was made to the end of the period, but for a small part that it
 *     lets go at once, for a few jobs that come together. What is left by the plan falls to nothing a little before
 *     the end, so that what was held and not used can be used after all.
 * P2. A job may start while more is expected to be left than by the plan; what is in flight counts as expected, not
 *     as held. So the spending follows the plan within about one job, and what a quiet time left over may be used
 *     later at once. Holds bound what may start besides, so that nothing is ever exceeded.
 * P3. Batch work leaves interactive work some minutes of the plan, which shrink to nothing towards the end.
 */
export interface BudgetPlan {
  readonly fromMs: number;
  readonly endsMs: number;
  /** The owner's limit that it was made for. */
  readonly limitTokens: number;
  /** What was left to spend. */
  readonly tokens: number;
}

export interface BudgetPeriod {
  readonly endsMs: number;
  readonly limitTokens: number;
  /** Neither used nor expected to be used by what is in flight. */
  readonly expectedLeftTokens: number;
}

/** Part of what is left that may be spent ahead of the plan. */
const AHEAD_SHARE = 0.02;
/** Part of a plan's time that is kept for its tail, at most; otherwise as long as some attempts take. */
const TAIL_SHARE = 0.003;
const TAIL_ATTEMPTS = 3;
const BATCH_RESERVE_MS = 600_000;

/** The plan that was made before, or a new one for a new period or another limit. */
export function planFor(known: BudgetPlan | null, period: BudgetPeriod, nowMs: number): BudgetPlan {
  const { endsMs, limitTokens, expectedLeftTokens } = period;
  if (known !== null && known.endsMs === endsMs && known.limitTokens === limitTokens) return known;
  return { fromMs: nowMs, endsMs, limitTokens, tokens: Math.max(0, expectedLeftTokens) };
}

/** When a plan lets the next job start, ms since the Unix epoch, and how many tokens it releases a second. */
export interface Release {
  readonly interactiveMs: number;
  readonly batchMs: number;
  readonly tokensPerSecond: number;
}

/** `attemptMs` is what an attempt takes on the node on average. */
export function releaseOf(
  plan: BudgetPlan,
  { expectedLeftTokens }: Pick<BudgetPeriod, "expectedLeftTokens">,
  attemptMs: number,
  nowMs: number,
): Release {
  const tailMs = Math.min(TAIL_SHARE * (plan.endsMs - plan.fromMs), TAIL_ATTEMPTS * attemptMs);
  const spentByMs = plan.endsMs - tailMs;
  const tokensPerMs = ((1 - AHEAD_SHARE) * plan.tokens) / Math.max(1, spentByMs - plan.fromMs);
  const reserveMs = Math.min(BATCH_RESERVE_MS, Math.max(0, spentByMs - nowMs) / 2);
  const whenMs = (leftTokens: number): number =>
    tokensPerMs > 0 ? spentByMs - Math.max(0, leftTokens) / tokensPerMs : spentByMs;
  return {
    interactiveMs: whenMs(expectedLeftTokens),
    batchMs: whenMs(expectedLeftTokens - reserveMs * tokensPerMs),
    tokensPerSecond: tokensPerMs * 1000,
  };
}

/** The later of two releases, and the slower. */
export const bothReleases = (one: Release, other: Release): Release => ({
  interactiveMs: Math.max(one.interactiveMs, other.interactiveMs),
  batchMs: Math.max(one.batchMs, other.batchMs),
  tokensPerSecond: Math.min(one.tokensPerSecond, other.tokensPerSecond),
});

/**
 * The price of a node's tokens: it rises while jobs wait for its plan and falls while they do not, so that those
 * that could as well run elsewhere leave the tokens to others before the plan makes them wait.
 */
export interface BudgetPrice {
  /** Price of one token, seconds of a job's time. */
  readonly priceS: number;
  readonly sinceMs: number;
  /** Looks at the plan since then, and how many of them found that it let nothing start. */
  readonly looks: number;
  readonly closedLooks: number;
}

const START_PRICE_S = 0.003;
const LOWEST_PRICE_S = 1e-5;
const HIGHEST_PRICE_S = 0.05;
const STEP = 0.3;
const MINUTE_MS = 60_000;
/** After a long silence the price moves as for this many minutes. */
const MINUTES_AT_ONCE_MAX = 30;

export const startPrice = (nowMs: number): BudgetPrice => ({
  priceS: START_PRICE_S,
  sinceMs: nowMs,
  looks: 0,
  closedLooks: 0,
});

/** Notes a look at the plan, and moves the price once for the minutes since it last moved. */
export function movePrice(price: BudgetPrice, isClosed: boolean, nowMs: number): BudgetPrice {
  const looks = price.looks + 1;
  const closedLooks = price.closedLooks + (isClosed ? 1 : 0);
  const minutes = Math.floor((nowMs - price.sinceMs) / MINUTE_MS);
  if (minutes < 0) return { ...price, sinceMs: nowMs };
  if (minutes < 1) return { ...price, looks, closedLooks };
  const balance = (2 * closedLooks) / looks - 1;
  const change = STEP * balance * Math.min(minutes, MINUTES_AT_ONCE_MAX);
  const priceS = Math.min(HIGHEST_PRICE_S, Math.max(LOWEST_PRICE_S, price.priceS * Math.exp(change)));
  return { priceS, sinceMs: price.sinceMs + minutes * MINUTE_MS, looks: 0, closedLooks: 0 };
}
