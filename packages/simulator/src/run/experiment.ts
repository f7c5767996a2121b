import { latencyBounds } from "../bounds/latency-bounds.ts";
import type { LatencyBounds } from "../bounds/latency-bounds.ts";
import type { FleetCapacity } from "../bounds/fleet-capacity.ts";
import type { SimFleet } from "../world/fleet.ts";
import type { PolicyMaker } from "../world/policy.ts";
import type { WorldRun } from "../world/run.ts";
import { runWorld } from "../world/world.ts";
import { atLoad } from "./load.ts";
import { metricsOf } from "./metrics.ts";
import type { RunMetrics } from "./metrics.ts";
import type { DressedJob } from "../workload/jobs.ts";

/** Every policy at every load on every seed: the same jobs for all policies. */
export interface Experiment {
  readonly fleet: SimFleet;
  readonly policies: readonly PolicyMaker[];
  readonly loads: readonly number[];
  readonly seeds: readonly number[];
  /** The jobs of a seed at a load; their times are relative. */
  readonly jobsOf: (seed: number, load: number) => readonly DressedJob[];
  /** Ends every run at this time, seconds; null: when its jobs have ended. */
  readonly untilS: number | null;
}

/** One policy at one load. */
export interface Cell {
  readonly policy: PolicyMaker;
  readonly load: number;
  /** One a seed, in their order. */
  readonly runs: readonly SeedRun[];
}

export interface SeedRun {
  readonly seed: number;
  readonly run: WorldRun;
  readonly metrics: RunMetrics;
  readonly bounds: LatencyBounds;
  readonly capacity: FleetCapacity;
  /** Requests that no node of the fleet could ever serve. */
  readonly leftOut: number;
}

/** @param onRun is told before each run how many are done, of how many. */
export function conduct(
  { fleet, policies, loads, seeds, jobsOf, untilS }: Experiment,
  onRun: (done: number, all: number, what: string) => void,
): readonly Cell[] {
  const runsOf = new Map<string, SeedRun[]>();
  const all = policies.length * loads.length * seeds.length;
  let done = 0;
  for (const load of loads) {
    for (const seed of seeds) {
      const { jobs, capacity, leftOut } = atLoad(fleet, jobsOf(seed, load), load);
      let bounds: LatencyBounds | null = null;
      for (const policy of policies) {
        onRun(done, all, `${policy.name} at load ${load}`);
        const run = runWorld({ fleet, jobs, policy, seed, untilS });
        bounds ??= latencyBounds(fleet, jobs, run.bestS);
        const key = cellKey(policy, load);
        const known = runsOf.get(key) ?? [];
        runsOf.set(key, known);
        known.push({ seed, run, metrics: metricsOf(run), bounds, capacity, leftOut });
        done += 1;
      }
    }
  }
  return loads.flatMap((load) =>
    policies.map((policy) => ({ policy, load, runs: runsOf.get(cellKey(policy, load)) ?? [] })),
  );
}

const cellKey = ({ name }: PolicyMaker, load: number): string => `${name} ${load}`;
