import type { JobRecord, JobSpec, JobState } from "../job/job.ts";
import type { Placement } from "../placement/explanation.ts";
import type { Epoch, MemberId, NodeId, Tier } from "../terms.ts";

/** A hold on a node whose attempt was fenced off, kept until the node says what it used. */
export interface KeptHold {
  readonly node: NodeId;
  readonly day: string;
  readonly overdueAtMs: number;
}

/** An attempt, for the accounts. */
export interface MemoryAttempt {
  readonly node: NodeId;
  readonly owner: MemberId;
  readonly model: string;
  readonly tier: Tier;
  /** Day of the node's account. */
  readonly day: string;
  readonly leasedAtMs: number;
  /** Of the node's clock. */
  readonly startUs: number;
}

/** A job as the memory store has it; changed in place. */
export interface MemoryJob {
  readonly spec: JobSpec;
  readonly metadata: Readonly<Record<string, string>>;
  /** Day of admission; hold and charge belong to its month. */
  readonly admittedOn: string;
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
  /** The current attempt, or the one that ended the job; null when no attempt did. */
  attempt: MemoryAttempt | null;
  refundedAtMs: number | null;
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
  refundedAtMs: job.refundedAtMs,
});
