import { TIERS } from "@coop/core";
import type { Tier } from "@coop/core";
import type { Cell, SeedRun } from "../run/experiment.ts";
import { mean, quantile } from "../run/metrics.ts";
import { rowOf } from "../run/rows.ts";
import type { Row } from "../run/rows.ts";
import type { WorldRun } from "../world/run.ts";

/** What a report shows: plain data, so that a page can be made from a file as well as from a run. */
export interface ReportData {
  /** What was simulated, one line each: workload, fleet, repetitions. */
  readonly setting: readonly string[];
  readonly policies: readonly { readonly name: string; readonly summary: string }[];
  readonly capacity: CapacityData;
  readonly loads: readonly LoadData[];
}

export interface CapacityData {
  readonly jobsPerSecond: number;
  readonly unservableShare: number;
  readonly nodes: readonly {
    readonly name: string;
    /** Machines that are alike. */
    readonly count: number;
    /** Part of their time that is used when the fleet serves all it can. */
    readonly busyShare: number;
    /** Jobs a second that one more such machine would bring at the margin. */
    readonly jobsPerMachineSecond: number;
    readonly jobsPerToken: number;
  }[];
}

export interface LoadData {
  readonly load: number;
  readonly policies: readonly PolicyData[];
}

/** One policy at one load. What runs over time is of the first seed, the rest of all seeds together. */
export interface PolicyData {
  readonly row: Row;
  readonly latencyS: Distribution;
  readonly slowdownByTier: readonly { readonly tier: Tier; readonly jobs: number; readonly mean: number }[];
  /** Part of each bucket of time that each node was in use. */
  readonly use: {
    readonly bucketS: number;
    readonly nodes: readonly { readonly name: string; readonly shares: readonly number[] }[];
  };
  /** Largest gap in service between two waiting members up to each moment. */
  readonly gap: readonly (readonly [atS: number, gapS: number])[];
  /** Of each node with a daily token budget, tokens used in each bucket. */
  readonly spending: readonly {
    readonly node: string;
    readonly tokensPerDay: number;
    readonly bucketS: number;
    readonly tokens: readonly number[];
  }[];
}

export interface Distribution {
  readonly p5: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p95: number;
  readonly p99: number;
  readonly mean: number;
}

/** Points that a line of the gap keeps; more could not be seen. */
const GAP_POINTS_MAX = 160;

export function reportData(cells: readonly Cell[], setting: readonly string[]): ReportData {
  const policies = new Map(cells.map(({ policy }) => [policy.name, policy.summary]));
  const loads = [...new Set(cells.map(({ load }) => load))];
  return {
    setting,
    policies: Array.from(policies, ([name, summary]) => ({ name, summary })),
    capacity: capacityData(cells[0]?.runs[0]),
    loads: loads.map((load) => ({
      load,
      policies: cells.filter((cell) => cell.load === load).map(policyData),
    })),
  };
}

function capacityData(first: SeedRun | undefined): CapacityData {
  if (first === undefined) return { jobsPerSecond: 0, unservableShare: 0, nodes: [] };
  const { jobsPerSecond, unservableShare, nodes, groupOf } = first.capacity;
  return {
    jobsPerSecond,
    unservableShare,
    nodes: nodes.map(({ name, busyShare, jobsPerMachineSecond, jobsPerToken }, index) => ({
      name,
      count: groupOf.filter((group) => group === index).length,
      busyShare,
      jobsPerMachineSecond,
      jobsPerToken,
    })),
  };
}

function policyData(cell: Cell): PolicyData {
  const latencies: number[] = [];
  const slowdowns = new Map<Tier, number[]>(TIERS.map((tier) => [tier, []]));
  for (const { run } of cell.runs) {
    for (const { index, arrivalS, spec } of run.jobs) {
      const latencyS = (run.endS[index] ?? Number.NaN) - arrivalS;
      if (Number.isNaN(latencyS)) continue;
      latencies.push(latencyS);
      slowdowns.get(spec.askedTier)?.push(latencyS / (run.bestS[index] ?? Number.NaN));
    }
  }
  latencies.sort((one, other) => one - other);
  const first = cell.runs[0]?.run;
  return {
    row: rowOf(cell),
    latencyS: {
      p5: quantile(latencies, 0.05),
      p25: quantile(latencies, 0.25),
      p50: quantile(latencies, 0.5),
      p75: quantile(latencies, 0.75),
      p95: quantile(latencies, 0.95),
      p99: quantile(latencies, 0.99),
      mean: mean(latencies),
    },
    slowdownByTier: Array.from(slowdowns, ([tier, values]) => ({
      tier,
      jobs: values.length,
      mean: mean(values),
    })).filter(({ jobs }) => jobs > 0),
    use: useOf(first),
    gap: thinned(first?.fairness.gapOverTime ?? []),
    spending: spendingOf(first),
  };
}

const useOf = (run: WorldRun | undefined): PolicyData["use"] => ({
  bucketS: run?.nodes[0]?.bucketS ?? 1,
  nodes: (run?.nodes ?? []).map(({ name, bucketS, busyByBucketS }) => ({
    name,
    shares: busyByBucketS.map((busyS) => Math.min(1, busyS / bucketS)),
  })),
});

function spendingOf(run: WorldRun | undefined): PolicyData["spending"] {
  return (run?.fleet.nodes ?? []).flatMap(({ name, tokensPerDay }, index) => {
    const record = run?.nodes[index];
    if (tokensPerDay === null || record === undefined) return [];
    const { bucketS, tokensByBucket } = record;
    const silent = Math.max(0, Math.ceil((run?.endedAtS ?? 0) / bucketS) - tokensByBucket.length);
    const tokens = [...tokensByBucket, ...Array.from({ length: silent }, () => 0)];
    return [{ node: name, tokensPerDay, bucketS, tokens }];
  });
}

/** Every so manieth point and the last. */
function thinned(points: PolicyData["gap"]): PolicyData["gap"] {
  const step = Math.ceil(points.length / GAP_POINTS_MAX);
  return points.filter((_, index) => index % step === 0 || index === points.length - 1);
}
