import type { SimFleet } from "./fleet.ts";
import type { SimJob } from "./job.ts";

/** What happened in one run: one policy, one load, one seed. Columns are by the job's index. */
export interface WorldRun {
  readonly fleet: SimFleet;
  readonly jobs: readonly SimJob[];
  /** When the run ended, seconds of the simulation. */
  readonly endedAtS: number;
  /** Start of the attempt that served it, seconds; NaN for a job that was never served. */
  readonly startS: Float64Array;
  /** First token of the output, seconds. */
  readonly firstTokenS: Float64Array;
  /** Last token of the output, seconds. */
  readonly endS: Float64Array;
  /** Place that served it, by index; -1 for a job that was never served. */
  readonly node: Int32Array;
  readonly model: Int32Array;
  /** Least time of the job on the best place of the fleet with nothing else to do and the model in memory, seconds. */
  readonly bestS: Float64Array;
  readonly nodes: readonly NodeRun[];
  readonly fairness: FairnessRun;
  /** Times that an attempt was lost with its node. */
  readonly lostAttempts: number;
  readonly loads: number;
  /** Prompt tokens that a cached prefix spared. */
  readonly cachedTokens: number;
}

/** What one node did, over time in buckets of `bucketS` seconds. */
export interface NodeRun {
  readonly name: string;
  /** Seconds with at least one attempt. */
  readonly busyS: number;
  readonly presentS: number;
  readonly bucketS: number;
  readonly busyByBucketS: readonly number[];
  /** Tokens (prompt and output) used by bucket, counted when the attempt ends. */
  readonly tokensByBucket: readonly number[];
  /** The same by hour of the simulation. */
  readonly tokensByHour: readonly number[];
  readonly usedTokens: number;
}

/** Service over time, for fairness. */
export interface FairnessRun {
  readonly members: readonly string[];
  /** Weighted reference-seconds that each member had in all. */
  readonly servedS: readonly number[];
  /** Largest difference in service between two members over a time in which both waited for the same tier. */
  readonly backloggedGapS: number;
  /** What the dispatcher's fair order keeps it below, with what one member had in flight at most. */
  readonly boundS: number;
  /** The same up to each moment, for a plot: [seconds, gap]. */
  readonly gapOverTime: readonly (readonly [atS: number, gapS: number])[];
}
