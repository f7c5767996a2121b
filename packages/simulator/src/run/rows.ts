import type { JobSpec } from "@coop/core";
import type { Cell } from "./experiment.ts";
import { mean, spread } from "./metrics.ts";
import type { BandMetrics, BudgetUse, RunMetrics } from "./metrics.ts";

/** One cell as a program reads it: means over the seeds. */
export interface Row {
  readonly policy: string;
  /** Share of the fleet's fluid capacity. */
  readonly load: number;
  readonly meanLatencyS: number;
  readonly p50LatencyS: number;
  readonly p99LatencyS: number;
  readonly meanSlowdown: number;
  readonly p99Slowdown: number;
  readonly utilisation: Readonly<Record<string, number>>;
  /** Where there is batch work: it and interactive work apart. */
  readonly bands: Readonly<Record<JobSpec["band"], BandMetrics>> | null;
  readonly jobs: number;
  readonly completed: number;
  /** Requests of the workload that no node could ever serve, and that are no jobs of the run. */
  readonly leftOut: number;
  readonly belowTier: number;
  readonly fairnessGapS: number;
  /** The largest of any seed, against the bound of that seed. */
  readonly fairnessGapOfBound: number;
  /** What the dispatcher's fair order keeps the gap below; other policies keep to no bound. */
  readonly fairnessBoundS: number;
  readonly memberEvenness: number;
  readonly lostAttempts: number;
  readonly cachedShare: number;
  readonly budgets: Readonly<Record<string, BudgetUse>>;
  /** What no policy goes below. */
  readonly bounds: {
    readonly meanLatencyS: number;
    readonly meanLatencyFrom: string;
    readonly meanSlowdown: number;
    readonly meanSlowdownFrom: string;
    /** Mean least time of a job alone. */
    readonly unloadedS: number;
    readonly capacityJobsPerSecond: number;
  };
  /** Standard deviation over the seeds. */
  readonly spread: {
    readonly meanLatencyS: number;
    readonly p99LatencyS: number;
    readonly meanSlowdown: number;
    readonly p99Slowdown: number;
  };
}

export function rowOf({ policy, load, runs }: Cell): Row {
  const over = (of: (metrics: RunMetrics) => number): number => mean(runs.map(({ metrics }) => of(metrics)));
  const spreadOf = (of: (metrics: RunMetrics) => number): number =>
    spread(runs.map(({ metrics }) => of(metrics)));
  const names = Object.keys(runs[0]?.metrics.utilisation ?? {});
  const first = runs[0]?.bounds;
  return {
    policy: policy.name,
    load,
    meanLatencyS: over((metrics) => metrics.meanLatencyS),
    p50LatencyS: over((metrics) => metrics.p50LatencyS),
    p99LatencyS: over((metrics) => metrics.p99LatencyS),
    meanSlowdown: over((metrics) => metrics.meanSlowdown),
    p99Slowdown: over((metrics) => metrics.p99Slowdown),
    utilisation: Object.fromEntries(
      names.map((name) => [name, over(({ utilisation }) => utilisation[name] ?? 0)]),
    ),
    bands: bandsOf(runs.map(({ metrics }) => metrics)),
    jobs: mean(runs.map(({ run }) => run.jobs.length)),
    leftOut: mean(runs.map(({ leftOut }) => leftOut)),
    completed: over((metrics) => metrics.completed),
    belowTier: over((metrics) => metrics.belowTier),
    fairnessGapS: over((metrics) => metrics.fairnessGapS),
    fairnessGapOfBound: Math.max(...runs.map(({ metrics }) => metrics.fairnessGapS / metrics.fairnessBoundS)),
    fairnessBoundS: over((metrics) => metrics.fairnessBoundS),
    memberEvenness: over((metrics) => metrics.memberEvenness),
    lostAttempts: over((metrics) => metrics.lostAttempts),
    cachedShare: over((metrics) => metrics.cachedShare),
    budgets: budgetsOf(runs.map(({ metrics }) => metrics)),
    bounds: {
      meanLatencyS: mean(runs.map(({ bounds }) => bounds.meanLatencyS.least)),
      meanLatencyFrom: first?.meanLatencyS.from ?? "",
      meanSlowdown: mean(runs.map(({ bounds }) => bounds.meanSlowdown.least)),
      meanSlowdownFrom: first?.meanSlowdown.from ?? "",
      unloadedS: mean(runs.map(({ bounds }) => bounds.meanLatencyS.unloaded)),
      capacityJobsPerSecond: mean(runs.map(({ capacity }) => capacity.jobsPerSecond)),
    },
    spread: {
      meanLatencyS: spreadOf((metrics) => metrics.meanLatencyS),
      p99LatencyS: spreadOf((metrics) => metrics.p99LatencyS),
      meanSlowdown: spreadOf((metrics) => metrics.meanSlowdown),
      p99Slowdown: spreadOf((metrics) => metrics.p99Slowdown),
    },
  };
}

function budgetsOf(runs: readonly RunMetrics[]): Record<string, BudgetUse> {
  const names = Object.keys(runs[0]?.budgets ?? {});
  const over = (name: string, of: (use: BudgetUse) => number): number =>
    mean(runs.flatMap(({ budgets }) => (budgets[name] === undefined ? [] : [of(budgets[name])])));
  return Object.fromEntries(
    names.map((name) => [
      name,
      {
        allowedTokens: over(name, (use) => use.allowedTokens),
        usedTokens: over(name, (use) => use.usedTokens),
        spentShare: over(name, (use) => use.spentShare),
        hourlyMostOff: mostOf(runs, name),
      },
    ]),
  );
}

/** The largest of any seed; null when none can tell. */
function mostOf(runs: readonly RunMetrics[], name: string): number | null {
  const known = runs.flatMap(({ budgets }) => budgets[name]?.hourlyMostOff ?? []);
  return known.length === 0 ? null : Math.max(...known);
}

function bandsOf(runs: readonly RunMetrics[]): Row["bands"] {
  if (runs.every(({ bands }) => bands.batch.completed === 0)) return null;
  const of = (band: JobSpec["band"]): BandMetrics => ({
    completed: mean(runs.map(({ bands }) => bands[band].completed)),
    meanLatencyS: mean(runs.map(({ bands }) => bands[band].meanLatencyS)),
    meanSlowdown: mean(runs.map(({ bands }) => bands[band].meanSlowdown)),
  });
  return { interactive: of("interactive"), batch: of("batch") };
}
