import type { FailureClass } from "../job/failure.ts";
import type { CancelReason, FinishReason, JobRecord, JobSpec, Timings, Usage } from "../job/job.ts";
import type { Delta } from "../job/output.ts";
import type { Placement } from "../placement/explanation.ts";
import type { Epoch, JobId, MemberId, NodeId, Tier } from "../terms.ts";

/** Most jobs that may be pending, beyond which admission is refused. */
export interface PendingCaps {
  readonly perMember: number;
  readonly total: number;
}

export interface AdmitRequest {
  readonly spec: JobSpec;
  /** What the engine will run, JSON text; kept apart from the queue and encrypted at rest. */
  readonly payload: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Day of admission in the co-op's time zone, `YYYY-MM-DD`; hold and later charge belong to its month. */
  readonly day: string;
  readonly limits: AdmitLimits;
  readonly caps: PendingCaps;
  /** Same key and same body: the same job. Same key, other body: a conflict. */
  readonly idempotency: { readonly key: string; readonly bodyHash: string } | null;
  /** Attached jobs: until when someone is known to follow, ms since the Unix epoch; null when detached. */
  readonly followedUntilMs: number | null;
  /** Id of the API key that it is asked for with; left out by who needs none. */
  readonly key?: string;
  readonly nowMs: number;
}

/** What a member may use now; null: no limit. */
export interface AdmitLimits {
  /** Tokens of the month before credit; the store adds the credit of the account. */
  readonly tokens: number | null;
  /** Tokens of the month for jobs that ask for the tier that this job asks for. Credit never raises it. */
  readonly tierTokens: number | null;
  /** Most jobs that have not ended. */
  readonly jobsAtOnce: number | null;
  /** Most jobs asked for in a calendar minute. */
  readonly requestsPerMinute: number | null;
}

/** How a member stands in the month after an admission, or at a refusal; tokens. */
export interface QuotaStanding {
  /** Credit included; null: no limit. */
  readonly limitTokens: number | null;
  readonly creditTokens: number;
  readonly usedTokens: number;
  readonly heldTokens: number;
  /** Requests left in this minute; null: no limit. */
  readonly requestsLeft: number | null;
}

/**
 * A minute counts every request but duplicates and those refused for the minute itself. The guards stand in
 * this order: known job, revoked, idempotency key, minute, pending caps, jobs at once, tier, quota.
 */
export type AdmitOutcome =
  | { readonly kind: "admitted"; readonly standing: QuotaStanding }
  | { readonly kind: "duplicate"; readonly job: JobId }
  | { readonly kind: "idempotency-conflict"; readonly job: JobId }
  | { readonly kind: "quota-exceeded"; readonly standing: QuotaStanding }
  | {
      readonly kind: "tier-quota-exceeded";
      readonly tier: Tier;
      readonly limitTokens: number;
      readonly usedTokens: number;
      readonly heldTokens: number;
      readonly standing: QuotaStanding;
    }
  | {
      readonly kind: "too-many-at-once";
      readonly limit: number;
      readonly unfinished: number;
      readonly standing: QuotaStanding;
    }
  /** The calendar minute of `nowMs` is used up; the next one begins anew. */
  | { readonly kind: "too-many-requests"; readonly limit: number; readonly standing: QuotaStanding }
  | { readonly kind: "too-many-pending"; readonly scope: "member" | "co-op" }
  /** The key was revoked, or its member disabled, since the request came. */
  | { readonly kind: "revoked" };

/** Every change by the scheduler carries the leader's fencing number; an older one changes nothing. */
export interface LeaseRequest {
  readonly fence: number;
  readonly job: JobId;
  readonly node: NodeId;
  readonly nodeName: string;
  readonly nodeOwner: MemberId;
  readonly model: string;
  readonly tier: Tier;
  readonly cloud: boolean;
  /** The node's token budgets, null for none. */
  readonly tokensPerDay: number | null;
  readonly tokensPerMonth: number | null;
  /** Day in the co-op's time zone that they count for, `YYYY-MM-DD`, with its month. */
  readonly day: string;
  readonly leaseUntilMs: number;
  readonly placement: Placement;
  readonly nowMs: number;
}

/**
 * Repeating a request whose lease was committed but whose answer was lost (same fence and node, not yet
 * accepted) answers `leased` again with the same epoch.
 */
export type LeaseOutcome =
  | { readonly kind: "leased"; readonly epoch: Epoch; readonly payload: string }
  /** Ended or taken meanwhile: forget it. */
  | { readonly kind: "not-queued" }
  /** The node's budget has no room, or privacy forbids the node. */
  | { readonly kind: "refused"; readonly reason: "budget" | "privacy" }
  | { readonly kind: "fenced" };

export interface AppendRequest {
  readonly fence: number;
  readonly job: JobId;
  readonly epoch: Epoch;
  /** Counts from 1 within the epoch. */
  readonly seq: number;
  readonly deltas: readonly Delta[];
  /** Output tokens in these deltas, as the agent counted the engine's chunks. */
  readonly tokens: number;
}

export type AppendOutcome =
  | { readonly kind: "appended" }
  | { readonly kind: "duplicate" }
  | { readonly kind: "gap"; readonly expectedSeq: number }
  /** The epoch is not the current one, or the job has ended: the agent is to stop. */
  | { readonly kind: "stale" }
  /** The job's output reached its byte cap: stop the attempt; what was delivered stands. */
  | { readonly kind: "capped" }
  | { readonly kind: "fenced" };

/** How an attempt ended, told by its agent or decided by the scheduler. */
export type AttemptEnd =
  | {
      readonly kind: "succeeded";
      readonly finishReason: FinishReason;
      readonly usage: Usage;
      readonly timings: Timings;
    }
  | { readonly kind: "failed"; readonly code: FailureClass; readonly message: string; readonly usage: Usage };

export type FinishOutcome =
  | { readonly kind: "finished"; readonly chargedTokens: number }
  /** Finished before with this epoch: the stored charge. */
  | { readonly kind: "repeated"; readonly chargedTokens: number }
  /** Another epoch, or ended otherwise: the member is not charged; the node's own hold is settled once. */
  | { readonly kind: "stale" }
  | { readonly kind: "fenced" };

export interface RetryRequest {
  readonly fence: number;
  readonly job: JobId;
  readonly epoch: Epoch;
  readonly failure: FailureClass;
  readonly message: string;
  /** What the attempt used, null when unknown: the node's hold then stays (a zombie) until settled or overdue. */
  readonly usage: Usage | null;
  /** Decided by the failure policy. */
  readonly excludeNode: boolean;
  readonly counts: boolean;
  /** Earliest time of the next attempt. */
  readonly notBeforeMs: number;
  readonly maxAttempts: number;
  readonly nowMs: number;
}

export type RetryOutcome =
  | { readonly kind: "requeued"; readonly record: JobRecord }
  /** Out of attempts, or somebody had already seen output. */
  | { readonly kind: "failed"; readonly chargedTokens: number }
  | { readonly kind: "stale" }
  | { readonly kind: "fenced" };

export type CancelOutcome =
  /** `epoch` is the one that was fenced off, with its node, when an attempt was on a node. */
  | { readonly kind: "cancelled"; readonly fenced: { readonly epoch: Epoch; readonly node: NodeId } | null }
  | { readonly kind: "already-ended" }
  | { readonly kind: "not-found" };

export type RenewOutcome =
  /** `lost`: the leases that no longer hold. */
  | { readonly kind: "renewed"; readonly lost: readonly { readonly job: JobId; readonly epoch: Epoch }[] }
  | { readonly kind: "fenced" };

export type SweepOutcome =
  | { readonly kind: "swept"; readonly report: SweepReport }
  | { readonly kind: "fenced" };

/** What the sweep changed; the scheduler tells agents and the dispatcher. */
export interface SweepReport {
  /** Attached jobs that nobody followed, cancelled. */
  readonly unfollowed: readonly JobId[];
  /** Jobs past their deadline, expired. */
  readonly expired: readonly JobId[];
  /** Jobs whose lease lapsed: to be retried with the policy of `node-lost`. */
  readonly lapsed: readonly { readonly job: JobId; readonly epoch: Epoch; readonly node: NodeId }[];
  /** Attempts fenced off by the sweep that an agent may still run. */
  readonly fenced: readonly { readonly job: JobId; readonly epoch: Epoch; readonly node: NodeId }[];
  /** Node holds whose deadline passed without word: charged in full to the node. */
  readonly overdueHolds: number;
}

export interface JobPage {
  readonly jobs: readonly JobRecord[];
  readonly nextCursor: string | null;
}

/** The part of the job store that the api uses. */
export interface JobDesk {
  /** Takes the hold, stores the payload and queues the job, in one atomic step. */
  admit(request: AdmitRequest): Promise<AdmitOutcome>;
  read(job: JobId): Promise<JobRecord | null>;
  /** Newest first. */
  list(member: MemberId, page: { readonly limit: number; readonly cursor: string | null }): Promise<JobPage>;
  /** The explanation stored with the latest lease; null before the first. */
  placement(job: JobId): Promise<Placement | null>;
  /** Ends a job wherever it is. `member` null: whoever owns it. */
  cancel(job: JobId, member: MemberId | null, reason: CancelReason, nowMs: number): Promise<CancelOutcome>;
  /**
   * Cancels a member's attached jobs for the reason `revoked`. `key`: only those asked for with this key.
   * Answers how many.
   */
  cancelAttached(member: MemberId, key: string | null, nowMs: number): Promise<number>;
  /** Says that attached jobs are still followed. */
  follow(jobs: readonly JobId[], untilMs: number): Promise<void>;
}

/** Tokens by which a node's budgets are spent. */
export interface NodeAccount {
  readonly day: { readonly usedTokens: number; readonly heldTokens: number };
  readonly month: { readonly usedTokens: number; readonly heldTokens: number };
}

/** The part of the job store that the scheduler uses. Each call is atomic, idempotent and fenced. */
export interface AttemptStore {
  lease(request: LeaseRequest): Promise<LeaseOutcome>;
  /** The agent took the assign: leased becomes running. */
  accept(fence: number, job: JobId, epoch: Epoch): Promise<"running" | "stale" | "fenced">;
  append(request: AppendRequest): Promise<AppendOutcome>;
  renew(
    fence: number,
    leases: readonly { readonly job: JobId; readonly epoch: Epoch }[],
    leaseUntilMs: number,
  ): Promise<RenewOutcome>;
  finish(fence: number, job: JobId, epoch: Epoch, end: AttemptEnd, nowMs: number): Promise<FinishOutcome>;
  /** Ends an attempt without ending the job, where the rules allow another. */
  expire(request: RetryRequest): Promise<RetryOutcome>;
  /** Settles the node's hold of a fenced-off epoch with what it used; once. `unknown`: this node never held it. */
  settleNode(
    node: NodeId,
    job: JobId,
    epoch: Epoch,
    usage: Usage,
    nowMs: number,
  ): Promise<"settled" | "repeated" | "unknown">;
  /**
   * Settles in full the holds that a node kept for fenced-off epochs and no longer speaks for: its agent was
   * restarted, and nobody else knows what they used. Answers how many.
   */
  settleAbsent(
    node: NodeId,
    named: readonly { readonly job: JobId; readonly epoch: Epoch }[],
    nowMs: number,
  ): Promise<number>;
  /** `amnesty`: nothing lapses or expires (the first 60 s of a new leader). */
  sweep(fence: number, nowMs: number, amnesty: boolean): Promise<SweepOutcome>;
  read(job: JobId): Promise<JobRecord | null>;
  /** All pending jobs, for a scheduler that starts; oldest first, in pages. */
  pending(): AsyncIterable<readonly JobRecord[]>;
  /** Tokens that the node has used and holds, of a day `YYYY-MM-DD` and of its month. */
  nodeAccount(node: NodeId, day: string): Promise<NodeAccount>;
}

/** What wakes the scheduler. A lost message costs at most one scan. */
export type Wake =
  | { readonly kind: "admitted"; readonly spec: JobSpec }
  | {
      readonly kind: "cancelled";
      readonly job: JobId;
      readonly fenced: { readonly epoch: Epoch; readonly node: NodeId } | null;
    }
  | { readonly kind: "node-revoked"; readonly node: NodeId }
  /** An operator drained the node, or lets it serve again: its registration says which. */
  | { readonly kind: "node-drained"; readonly node: NodeId };

export interface WakeUps {
  /**
   * Calls back for each message, and resolves when the signal aborts. `onGap` once subscribed, and again
   * after each reconnection: messages of the time before may be lost, so it is the time for a scan.
   */
  subscribe(onWake: (wake: Wake) => void, onGap: () => void, signal: AbortSignal): Promise<void>;
}
