import type { JobSpec } from "@coop/core";
import { jainIndex } from "../bounds/jain.ts";
import { isBelowTier } from "../world/station.ts";
import type { WorldRun } from "../world/run.ts";

/** One run in numbers. Times are seconds; a job that was never served, or cancelled, has no part in them. */
export interface RunMetrics {
  readonly meanLatencyS: number;
  readonly p50LatencyS: number;
  readonly p99LatencyS: number;
  /** Latency over the least time of the job on the best place, alone. */
  readonly meanSlowdown: number;
  readonly p99Slowdown: number;
  /** By node: part of the time that it was present in which it ran anything. */
  readonly utilisation: Readonly<Record<string, number>>;
  /** Interactive and batch work apart: batch work is meant to wait, so that means over both tell of neither. */
  readonly bands: Readonly<Record<JobSpec["band"], BandMetrics>>;
  readonly completed: number;
  readonly belowTier: number;
  /** Largest difference in service between two members while both waited for the same, reference-seconds. */
  readonly fairnessGapS: number;
  /** What the dispatcher keeps it below. */
  readonly fairnessBoundS: number;
  /** Jain's index of the members' mean slowdowns: 1 when all wait alike. */
  readonly memberEvenness: number;
  readonly lostAttempts: number;
  readonly loads: number;
  /** Part of the prompt tokens that a cached prefix spared. */
  readonly cachedShare: number;
  /** By node with a token budget: tokens used, and as a share of what the budget allowed in the time of the run. */
  readonly budgets: Readonly<Record<string, BudgetUse>>;
}

export interface BandMetrics {
  readonly completed: number;
  /** NaN when none was served. */
  readonly meanLatencyS: number;
  readonly meanSlowdown: number;
}

export interface BudgetUse {
  readonly allowedTokens: number;
  readonly usedTokens: number;
  readonly spentShare: number;
  /**
   * Largest difference of a whole hour's spending, after the first two, to an even plan over the day, as a share of the
   * plan; null for a run that is too short to tell or a node without a daily budget.
   */
  readonly hourlyMostOff: number | null;
}

const DAY_S = 86_400;

export function metricsOf(run: WorldRun): RunMetrics {
  const latencies: number[] = [];
  const slowdowns: number[] = [];
  const byMember = new Map<string, number[]>();
  let belowTier = 0;
  let promptTokens = 0;
  for (const job of run.jobs) {
    const endS = run.endS[job.index] ?? Number.NaN;
    if (Number.isNaN(endS) || job.isCancelled === true) continue;
    const latencyS = endS - job.arrivalS;
    latencies.push(latencyS);
    const slowdown = latencyS / (run.bestS[job.index] ?? Number.NaN);
    slowdowns.push(slowdown);
    const ofMember = byMember.get(job.spec.member) ?? [];
    byMember.set(job.spec.member, ofMember);
    ofMember.push(slowdown);
    promptTokens += job.promptTokens;
    const node = run.fleet.nodes[run.node[job.index] ?? -1];
    if (node !== undefined && isBelowTier(job.spec, node, run.model[job.index] ?? -1)) belowTier += 1;
  }
  latencies.sort((one, other) => one - other);
  slowdowns.sort((one, other) => one - other);
  return {
    meanLatencyS: mean(latencies),
    p50LatencyS: quantile(latencies, 0.5),
    p99LatencyS: quantile(latencies, 0.99),
    meanSlowdown: mean(slowdowns),
    p99Slowdown: quantile(slowdowns, 0.99),
    utilisation: Object.fromEntries(
      run.nodes.map(({ name, busyS, presentS }) => [name, presentS > 0 ? busyS / presentS : 0]),
    ),
    bands: { interactive: bandOf(run, "interactive"), batch: bandOf(run, "batch") },
    completed: latencies.length,
    belowTier,
    fairnessGapS: run.fairness.backloggedGapS,
    fairnessBoundS: run.fairness.boundS,
    memberEvenness: jainIndex(Array.from(byMember.values(), mean)),
    lostAttempts: run.lostAttempts,
    loads: run.loads,
    cachedShare: promptTokens > 0 ? run.cachedTokens / promptTokens : 0,
    budgets: budgetsOf(run),
  };
}

function bandOf(run: WorldRun, band: JobSpec["band"]): BandMetrics {
  const latencies: number[] = [];
  const slowdowns: number[] = [];
  for (const { index, spec, arrivalS, isCancelled } of run.jobs) {
    const latencyS = (run.endS[index] ?? Number.NaN) - arrivalS;
    if (spec.band !== band || isCancelled === true || Number.isNaN(latencyS)) continue;
    latencies.push(latencyS);
    slowdowns.push(latencyS / (run.bestS[index] ?? Number.NaN));
  }
  return { completed: latencies.length, meanLatencyS: mean(latencies), meanSlowdown: mean(slowdowns) };
}

/** A budget counts in full for every day or month that the run has begun. */
function budgetsOf({ fleet, nodes, endedAtS }: WorldRun): Record<string, BudgetUse> {
  const budgets: Record<string, BudgetUse> = {};
  for (const [index, { tokensPerDay, tokensPerMonth, name }] of fleet.nodes.entries()) {
    if (tokensPerDay === null && tokensPerMonth === null) continue;
    const days = Math.max(1, Math.ceil(endedAtS / DAY_S));
    const allowedTokens = Math.min((tokensPerDay ?? Infinity) * days, tokensPerMonth ?? Infinity);
    const usedTokens = nodes[index]?.usedTokens ?? 0;
    const hourlyMostOff =
      tokensPerDay === null ? null : mostOff(nodes[index]?.tokensByHour ?? [], tokensPerDay / 24, endedAtS);
    budgets[name] = { allowedTokens, usedTokens, spentShare: usedTokens / allowedTokens, hourlyMostOff };
  }
  return budgets;
}

/** Of whole hours, the first two of each day left out. */
function mostOff(tokensByHour: readonly number[], planTokens: number, endedAtS: number): number | null {
  let most: number | null = null;
  for (let hour = 0; hour < Math.floor(endedAtS / 3600); hour += 1) {
    if (hour % 24 < 2) continue;
    const off = Math.abs((tokensByHour[hour] ?? 0) - planTokens) / planTokens;
    most = Math.max(most ?? 0, off);
  }
  return most;
}

export const mean = (values: readonly number[]): number =>
  values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;

/** Standard deviation over few samples; 0 for one. */
export function spread(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

/** Of sorted values, by the nearest rank. */
export const quantile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(part * sorted.length) - 1))] ?? Number.NaN;
