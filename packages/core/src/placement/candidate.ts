import type { JobSpec } from "../job/job.ts";
import type { Need } from "./plan.ts";

/** A place that a job could run at, as far as the filter goes, and what the job needs there. */
export interface PlacementOption extends Need {
  /** The dispatcher's number of the node. */
  readonly node: number;
  /** Index into the node's models. */
  readonly model: number;
}

/** A pending job with its options, for one pass. */
export interface Candidate {
  readonly spec: JobSpec;
  /** Jobs of one kind have the same target, endpoint, privacy and needs. */
  readonly kind: string;
  /** What a second of its delay is worth. */
  readonly weight: number;
  /** Tokens that it is expected to take from a node's budget. */
  readonly tokens: number;
  /** Its time at its best option, alone, seconds. */
  readonly bestS: number;
  readonly options: readonly PlacementOption[];
}
