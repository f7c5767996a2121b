import { fleetCapacity } from "../bounds/fleet-capacity.ts";
import type { FleetCapacity } from "../bounds/fleet-capacity.ts";
import { schedule } from "../workload/jobs.ts";
import type { DressedJob } from "../workload/jobs.ts";
import type { SimFleet } from "../world/fleet.ts";
import type { SimJob } from "../world/job.ts";
import { bestUnloadedS } from "../world/unloaded.ts";

/**
 * Jobs of a workload that arrive at a share of what the fleet could serve at most. Load 1 counts no cache: what a
 * policy gains by sending conversations where they are cached is its own gain.
 */
export interface LoadedWorkload {
  readonly jobs: readonly SimJob[];
  /** Requests that no node of the fleet could ever serve: too long for every context, or of a tier that it has not. */
  readonly leftOut: number;
  readonly capacity: FleetCapacity;
}

/** @throws OperationalError when the fleet can serve none of the jobs. */
export function atLoad(fleet: SimFleet, dressed: readonly DressedJob[], load: number): LoadedWorkload {
  const { servable, capacity } = servableOf(fleet, dressed);
  const spanS = (servable.at(-1)?.atS ?? 0) - (servable[0]?.atS ?? 0);
  const naturalRate = spanS > 0 ? (servable.length - 1) / spanS : 1;
  const stretch = naturalRate / (load * capacity.jobsPerSecond);
  return { jobs: schedule(servable, stretch), leftOut: dressed.length - servable.length, capacity };
}

/** The jobs that the fleet could serve, numbered anew, and how many like them a second at most. */
export function servableOf(
  fleet: SimFleet,
  dressed: readonly DressedJob[],
): { readonly servable: readonly DressedJob[]; readonly capacity: FleetCapacity } {
  const all = schedule(dressed, 1);
  const isServable = all.map((job) => bestUnloadedS(job, fleet) < Infinity);
  const servable = dressed.filter((_, index) => isServable[index]).map((job, index) => ({ ...job, index }));
  const uncached = all.filter((_, index) => isServable[index]).map((job) => ({ ...job, sharedTokens: 0 }));
  return { servable, capacity: fleetCapacity(fleet, uncached.length > 0 ? uncached : all) };
}
