import { bothReleases, fitsHour, movePrice, planFor, releaseOf, startPrice } from "../budget/pace.ts";
import type { BudgetPlan, BudgetPrice, MeanAttempt, Release } from "../budget/pace.ts";
import { holdTokens } from "../job/job.ts";
import type { FleetNode } from "./fleet.ts";

/** How a node keeps to its token budgets of day and month; changed in place. */
export interface NodePace {
  day: BudgetPlan | null;
  month: BudgetPlan | null;
  price: BudgetPrice;
  attempt: MeanAttempt;
}

/** What is assumed of attempts before one has ended. */
const START_ATTEMPT: MeanAttempt = { tookMs: 60_000, tokens: 1_500, unusedTokens: 1_500 };
const ATTEMPT_RATE = 0.1;

export const createNodePace = (nowMs: number): NodePace => ({
  day: null,
  month: null,
  price: startPrice(nowMs),
  attempt: START_ATTEMPT,
});

/** Learns from an attempt that has ended. */
export function noteAttempt(pace: NodePace, ended: MeanAttempt): void {
  const { attempt } = pace;
  const learned = (known: number, seen: number): number => known + ATTEMPT_RATE * (Math.max(0, seen) - known);
  pace.attempt = {
    tookMs: learned(attempt.tookMs, ended.tookMs),
    tokens: learned(attempt.tokens, ended.tokens),
    unusedTokens: learned(attempt.unusedTokens, ended.unusedTokens),
  };
}

/** When the node's budgets let the next job start; null without a budget. */
export function releaseFor(node: FleetNode, nowMs: number): Release | null {
  const { pace, budget, report } = node;
  if (budget.dayLeftTokens === null && budget.monthLeftTokens === null) return null;
  // Holds are far above use: what is in flight counts as what it is expected to use.
  let unusedTokens = 0;
  for (const { spec, expectedTokens } of node.attempts.values())
    unusedTokens += holdTokens(spec) - expectedTokens;
  let release: Release | null = null;
  if (budget.dayLeftTokens !== null) {
    const period = {
      endsMs: budget.dayEndsMs,
      limitTokens: report.tokensPerDay ?? Infinity,
      expectedLeftTokens: budget.dayLeftTokens + unusedTokens,
    };
    pace.day = planFor(pace.day, period, nowMs);
    release = releaseOf(pace.day, period, pace.attempt, nowMs);
  }
  if (budget.monthLeftTokens !== null) {
    const period = {
      endsMs: budget.monthEndsMs,
      limitTokens: report.tokensPerMonth ?? Infinity,
      expectedLeftTokens: budget.monthLeftTokens + unusedTokens,
    };
    pace.month = planFor(pace.month, period, nowMs);
    const ofMonth = releaseOf(pace.month, period, pace.attempt, nowMs);
    release = release === null ? ofMonth : bothReleases(release, ofMonth);
  }
  return release;
}

/** Whether the node's budgets have room this hour for a job of others than its owner that is expected to use as much. */
export function hasHourFor(node: FleetNode, tokens: number, nowMs: number): boolean {
  const release = node.plan?.atMs === nowMs ? node.plan.release : releaseFor(node, nowMs);
  return release === null || fitsHour(release, tokens);
}

/** Price of one of the node's tokens, seconds, by how often its plan let nothing start. */
export function tokenPriceS(node: FleetNode, release: Release | null, nowMs: number): number {
  if (release === null) return 0;
  node.pace.price = movePrice(node.pace.price, release.interactiveMs > nowMs, nowMs);
  return node.pace.price.priceS;
}
