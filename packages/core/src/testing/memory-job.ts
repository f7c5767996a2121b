import type { JobRecord, JobSpec, JobState } from "../job/job.ts";
import type { Placement } from "../placement/explanation.ts";
import type { Epoch, NodeId } from "../terms.ts";

/** A hold on a node whose attempt was fenced off, kept until the node says what it used. */
export interface KeptHold {
  readonly node: NodeId;
  readonly day: string;
  readonly overdueAtMs: number;
}

/** A job as the memory store has it; changed in place. */
export interface MemoryJob {
  readonly spec: JobSpec;
  readonly metadata: Readonly<Record<string, string>>;
  readonly month: string;
  readonly hold: number;
  readonly payload: string;
  readonly key: string | null;
  state: JobState;
  epoch: Epoch;
  attempts: number;
  excludedNodes: readonly NodeId[];
  delivered: number;
  bytes: number;
  lastSeq: number;
  /** Output of an earlier attempt is void. */
  restarted: boolean;
  /** Day of the current attempt's node account. */
  day: string;
  leaseFence: number;
  placement: Placement | null;
  /** Until when someone follows; null when detached. */
  followedUntilMs: number | null;
  /** Which node had each epoch. */
  readonly nodes: Map<Epoch, NodeId>;
  readonly keptHolds: Map<Epoch, KeptHold>;
}

export type LiveState = Extract<JobState, { state: "leased" | "running" }>;

/** The state of an attempt that may be running, else null. */
export const liveState = (job: MemoryJob): LiveState | null =>
  job.state.state === "leased" || job.state.state === "running" ? job.state : null;

export const toRecord = (job: MemoryJob): JobRecord => ({
  spec: job.spec,
  state: job.state,
  epoch: job.epoch,
  attempts: job.attempts,
  excludedNodes: job.excludedNodes,
  deliveredTokens: job.delivered,
  deliveredBytes: job.bytes,
  lastSeq: job.lastSeq,
  metadata: job.metadata,
});
