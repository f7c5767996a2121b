import { fleetCapacity } from "../bounds/fleet-capacity.ts";
import type { FleetCapacity } from "../bounds/fleet-capacity.ts";
import type { SimFleet } from "../world/fleet.ts";
import type { SimJob } from "../world/job.ts";
import { schedule } from "../workload/jobs.ts";
import type { DressedJob } from "../workload/jobs.ts";

/** Jobs of a workload that arrive at a share of what the fleet could serve at most. */
export interface LoadedWorkload {
  readonly jobs: readonly SimJob[];
  readonly capacity: FleetCapacity;
}

/** @throws OperationalError when the fleet can serve none of the jobs. */
export function atLoad(fleet: SimFleet, dressed: readonly DressedJob[], load: number): LoadedWorkload {
  const natural = schedule(dressed, 1);
  const capacity = fleetCapacity(fleet, natural);
  const spanS = (natural.at(-1)?.arrivalS ?? 0) - (natural[0]?.arrivalS ?? 0);
  const naturalRate = spanS > 0 ? (natural.length - 1) / spanS : 1;
  return { jobs: schedule(dressed, naturalRate / (load * capacity.jobsPerSecond)), capacity };
}
