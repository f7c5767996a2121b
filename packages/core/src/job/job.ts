import type { Capability, Epoch, JobId, MemberId, NodeId, Privacy, Tier } from "../terms.ts";

/** What a job asks to run on: one model by its engine's name, or any model of at least a tier. */
export type JobTarget =
  | { readonly kind: "model"; readonly model: string }
  | { readonly kind: "tier"; readonly tier: Tier };

export type Endpoint = "chat" | "embeddings";

/** Placement features of a job. Never a prompt: this travels through queues, snapshots and logs. */
export interface JobSpec {
  readonly id: JobId;
  readonly member: MemberId;
  /** The member's weight in the fair order; 1 is an equal share. */
  readonly weight: number;
  readonly endpoint: Endpoint;
  readonly target: JobTarget;
  /** The tier asked for: of a target that is a model, the model's. Caps of a tier count by it. */
  readonly askedTier: Tier;
  readonly privacy: Privacy;
  /** What the model must be able to do. */
  readonly needs: readonly Capability[];
  /** Expected prompt length, tokens. */
  readonly promptTokens: number;
  /** Upper bound of the prompt length that is held against quota and budget, tokens. */
  readonly promptTokensMax: number;
  /** Most output tokens that the job may produce; thinking counts. */
  readonly maxOutputTokens: number;
  /** Batch work waits behind interactive work. */
  readonly band: "interactive" | "batch";
  /** Attached: cancelled when nobody follows it any more. Detached: runs whoever watches. */
  readonly attachment: "attached" | "detached";
  /**
   * Somebody sees output as it comes, so that an attempt which produced any cannot be replaced by another.
   * Otherwise only the whole answer counts.
   */
  readonly streamed: boolean;
  readonly submittedAtMs: number;
  /** When the job expires if it has not finished, milliseconds since the Unix epoch. */
  readonly deadlineMs: number;
  /** Conversation that the job belongs to, for prefix affinity; null when unknown. */
  readonly session: string | null;
}

/** Tokens a job holds against its member's quota: prompt upper bound plus the most it may produce. */
export const holdTokens = (spec: Pick<JobSpec, "promptTokensMax" | "maxOutputTokens">): number =>
  spec.promptTokensMax + spec.maxOutputTokens;

/** What an attempt used, as observed. */
export interface Usage {
  readonly promptTokens: number;
  readonly outputTokens: number;
}

export type FinishReason = "stop" | "length" | "tool_calls";

/** Where the time of an attempt went, milliseconds, as the engine measured it. */
export interface Timings {
  readonly loadMs: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
  readonly totalMs: number;
}

/** Where a job is in its life. A job has exactly one terminal state. */
export type JobState =
  | { readonly state: "queued"; readonly notBeforeMs: number }
  | {
      readonly state: "leased";
      readonly node: NodeId;
      readonly model: string;
      readonly tier: Tier;
      readonly leaseUntilMs: number;
    }
  | {
      readonly state: "running";
      readonly node: NodeId;
      readonly model: string;
      readonly tier: Tier;
      readonly leaseUntilMs: number;
    }
  | {
      readonly state: "succeeded";
      readonly node: NodeId;
      readonly model: string;
      readonly tier: Tier;
      readonly finishReason: FinishReason;
      readonly usage: Usage;
      readonly timings: Timings;
      readonly chargedTokens: number;
      readonly finishedAtMs: number;
    }
  | {
      readonly state: "failed";
      readonly code: string;
      readonly message: string;
      readonly chargedTokens: number;
      readonly finishedAtMs: number;
    }
  | {
      readonly state: "cancelled";
      readonly reason: CancelReason;
      readonly chargedTokens: number;
      readonly finishedAtMs: number;
    }
  | {
      readonly state: "expired";
      readonly reason: string;
      readonly chargedTokens: number;
      readonly finishedAtMs: number;
    };

/**
 * `member`: asked for. The others end attached jobs. `unfollowed`: nobody follows it. `unplaced`: no node took it
 * in the time that an open connection waits. `server-stopped`: the server that its connection was open to.
 * `revoked`: the key that it was asked for with no longer serves, or its member was disabled.
 */
export type CancelReason = "member" | "unfollowed" | "unplaced" | "server-stopped" | "revoked";

export type TerminalState = Extract<JobState, { state: "succeeded" | "failed" | "cancelled" | "expired" }>;

export const isTerminal = (state: JobState): state is TerminalState =>
  state.state === "succeeded" ||
  state.state === "failed" ||
  state.state === "cancelled" ||
  state.state === "expired";

/** A job as its store knows it. */
export interface JobRecord {
  readonly spec: JobSpec;
  readonly state: JobState;
  readonly epoch: Epoch;
  /** Attempts that counted: an assign that was revoked before it was accepted does not. */
  readonly attempts: number;
  /** Nodes that failed this job and are not tried again while another could serve it. */
  readonly excludedNodes: readonly NodeId[];
  /** Output tokens delivered so far by the current attempt. */
  readonly deliveredTokens: number;
  /** Bytes of the deltas kept so far of the current attempt, as JSON. */
  readonly deliveredBytes: number;
  /** Number of the last output frame kept of the current attempt; 0 for none. */
  readonly lastSeq: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** When its member got the whole charge back; null: never. The state keeps what was charged at its end. */
  readonly refundedAtMs: number | null;
}
