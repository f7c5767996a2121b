/**
 * How a node's token budget is made to last its day and its month. Pure.
 *
 * P1. A plan spends what is left evenly from when it was made to the end of the period, but for a small part that it
 *     lets go at once, for a few jobs that come together.
 * P2. A job may start while more is expected to be left than by the plan; what is in flight counts as expected, not
 *     as held. So the spending follows the plan within about one job, and what a quiet time left over may be used
 *     later at once. Holds bound what may start besides, so that nothing is ever exceeded.
 * P3. A job starts only if it is expected to do with what the plan gives until the end of the hour: a large one would
 *     make that hour's spending too much and the next one's too little. One that needs more than an hour's tokens
 *     goes by P2 alone.
 * P4. Holds are far above use, so that in the end something is left that no hold fits into. About as much is kept back
 *     all along, or the last hour alone would lack it, and is released with all else a little before the end.
 * P5. Batch work leaves interactive work some minutes of the plan, which shrink to nothing towards the end of the hour.
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

/** What attempts on a node come to, on average. */
export interface MeanAttempt {
  readonly tookMs: number;
  readonly tokens: number;
  /** What was held for it and not used. */
  readonly unusedTokens: number;
}

const HOUR_MS = 3_600_000;
/** Part of what is left that may be spent ahead of the plan. */
const AHEAD_SHARE = 0.02;
/** Part of what an attempt holds and does not use that is kept back, and part of a plan's tokens, at most. */
const KEPT_UNUSED_SHARE = 0.5;
const KEPT_SHARE = 0.005;
/** Part of a plan's time in which all is released, at most; otherwise as long as some attempts take. */
const TAIL_SHARE = 0.003;
const TAIL_ATTEMPTS = 3;
/** An hour with tokens for fewer attempts cannot be even: no job waits for its end. */
const HOUR_ATTEMPTS_MIN = 3;
const BATCH_RESERVE_MS = 600_000;
/** Part of the time until the end that batch work leaves, at most. */
const BATCH_RESERVE_SHARE = 1 / 3;

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
  /** What there is for this hour: one for each plan that has enough for an hour to be even. */
  readonly hours: readonly PlannedHour[];
}

export interface PlannedHour {
  readonly endsMs: number;
  /** What a whole hour gives. */
  readonly tokens: number;
  /** What is expected to be left of this one's. */
  readonly leftTokens: number;
}

export function releaseOf(
  plan: BudgetPlan,
  { expectedLeftTokens }: Pick<BudgetPeriod, "expectedLeftTokens">,
  attempt: MeanAttempt,
  nowMs: number,
): Release {
  const { fromMs, endsMs } = plan;
  const leftTokens = Math.max(0, expectedLeftTokens);
  const keptTokens = Math.min(KEPT_UNUSED_SHARE * attempt.unusedTokens, KEPT_SHARE * plan.tokens);
  const tokensPerMs = ((1 - AHEAD_SHARE) * (plan.tokens - keptTokens)) / Math.max(1, endsMs - fromMs);
  const tailMs = Math.min(TAIL_SHARE * (endsMs - fromMs), TAIL_ATTEMPTS * attempt.tookMs);
  const whenMs = (tokens: number): number =>
    Math.min(endsMs - tailMs, tokensPerMs > 0 ? endsMs - (tokens - keptTokens) / tokensPerMs : endsMs);

  const hourEndsMs = endsMs - Math.max(0, Math.ceil((endsMs - nowMs) / HOUR_MS) - 1) * HOUR_MS;
  const laterTokens = hourEndsMs < endsMs ? keptTokens + (endsMs - hourEndsMs) * tokensPerMs : 0;
  const hour = {
    endsMs: hourEndsMs,
    tokens: tokensPerMs * HOUR_MS,
    leftTokens: leftTokens - laterTokens,
  };
  const isEven = hour.tokens >= HOUR_ATTEMPTS_MIN * attempt.tokens;
  const untilMs = Math.max(0, (isEven ? hourEndsMs : endsMs) - nowMs);
  const reserveMs = Math.min(BATCH_RESERVE_MS, BATCH_RESERVE_SHARE * untilMs);
  return {
    interactiveMs: whenMs(leftTokens),
    batchMs: whenMs(leftTokens - reserveMs * tokensPerMs),
    tokensPerSecond: tokensPerMs * 1000,
    hours: isEven ? [hour] : [],
  };
}

/** Whether a job that is expected to use as many tokens may start, as far as the hour goes. */
export const fitsHour = ({ hours }: Pick<Release, "hours">, jobTokens: number): boolean =>
  hours.every(({ tokens, leftTokens }) => jobTokens <= leftTokens || jobTokens > tokens);

/** The later of two releases, and the slower. */
export const bothReleases = (one: Release, other: Release): Release => ({
  interactiveMs: Math.max(one.interactiveMs, other.interactiveMs),
  batchMs: Math.max(one.batchMs, other.batchMs),
  tokensPerSecond: Math.min(one.tokensPerSecond, other.tokensPerSecond),
  hours: [...one.hours, ...other.hours],
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
