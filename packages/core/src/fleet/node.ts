import type { NodeBudget } from "../budget/node-budget.ts";
import type { Capability, MemberId, NodeId, Tier } from "../terms.ts";

/** A capacity figure and where it comes from. `prior`: from catalogue and formula. `measured`: fitted to real jobs. */
export interface Figure {
  readonly value: number;
  readonly basis: "prior" | "measured";
}

/**
 * How fast one node runs one model. Decode time per token at occupancy k is
 * `(fixedMsPerToken + (weightBytesPerToken + context * kvBytesPerToken) / effectiveBytesPerSecond) * (1 + batchFactor * (k - 1))`.
 */
export interface ModelCapacity {
  /** Time per token that bandwidth does not explain (layers x cost per layer), ms. */
  readonly fixedMsPerToken: Figure;
  /** Memory bandwidth that decoding reaches, bytes/s. */
  readonly effectiveBytesPerSecond: Figure;
  /** Prompt processing rate, tokens/s. */
  readonly prefillTokensPerSecond: Figure;
  /** beta: what each further generation in one batch adds to the step time, as a share of it. */
  readonly batchFactor: Figure;
  /** Time to load the model when it is not loaded, ms. */
  readonly loadMs: Figure;
  /** Weights read per generated token (active experts only for an MoE), bytes. */
  readonly weightBytesPerToken: number;
  /** KV cache per token of context, bytes. */
  readonly kvBytesPerToken: number;
}

/** One model as its node reports it. */
export interface ModelReport {
  readonly name: string;
  readonly digest: string;
  readonly capabilities: readonly Capability[];
  /** Tokens of context that one generation gets on this node (the pinned `num_ctx`). */
  readonly contextTokens: number;
  /** Parameters in all, null when the engine does not say. */
  readonly parameterCount: number | null;
  /** Served by a cloud behind the engine: never for `own` or `coop` work. */
  readonly cloud: boolean;
  readonly loaded: boolean;
  /** Weights and KV cache in memory when loaded, bytes. */
  readonly residentBytes: number;
  readonly capacity: ModelCapacity;
}

/** What a machine is. */
export interface Machine {
  /** Such as "Apple M4 Max" or "Raspberry Pi 5 Model B"; as the probe found it. */
  readonly chip: string;
  /** Key of the catalogue's row that the priors come from, null when none fits. */
  readonly profile: string | null;
  readonly platform: string;
  readonly memoryBytes: number;
  /** A simulated machine says so wherever it appears. */
  readonly simulated: boolean;
  readonly agentVersion: string;
  /** Name and version of the engine, such as "ollama 0.35.1". */
  readonly engine: string;
}

/** Full snapshot of a node, sent on change and every 10 s. */
export interface NodeReport {
  readonly models: readonly ModelReport[];
  /** Concurrent generations that the node takes, as measured or capped by its owner. */
  readonly slots: number;
  /** Memory that models may use in all (owner's cap, at most ~70 % of RAM), bytes. */
  readonly modelMemoryBytes: number;
  /** How much one model's decode slows another's on this node: 1 time-sliced, batchFactor one shared batch. */
  readonly interference: Figure;
  readonly pressure: "normal" | "warning" | "critical";
  readonly thermal: "nominal" | "fair" | "serious" | "critical" | "unknown";
  readonly power: "mains" | "battery" | "unknown";
  /** Owner's limit on tokens (prompt and output) served a day, null for none. Days and months are the co-op's. */
  readonly tokensPerDay: number | null;
  /** The same for a calendar month. */
  readonly tokensPerMonth: number | null;
  /** Of an average day, the seconds in which the owner lets it serve; 86,400 without serving hours. */
  readonly servingSecondsPerDay: number;
  /** Whether its owner, and an operator, let it take anything new at present. */
  readonly availability: NodeAvailability;
  /** The agent is stopping. */
  readonly draining: boolean;
  /** Engine faults that make a model unusable now, by model name; empty when healthy. */
  readonly unhealthy: Readonly<Record<string, string>>;
  /** How the agent itself does; an older one does not tell. */
  readonly agent?: AgentFigures;
}

/** What an agent measures of its own process. */
export interface AgentFigures {
  readonly residentBytes: number;
  /** How late its process was at worst in 99 of 100 looks since the last report, ms. */
  readonly eventLoopLagP99Ms: number;
  /** Times that it had to connect anew since it started. */
  readonly reconnects: number;
  /** Output that it keeps because the scheduler has not confirmed it, bytes. */
  readonly unconfirmedBytes: number;
}

/** Why an owner's settings let a node take nothing new. */
export const OWNERS_REASONS = ["paused", "outside-hours", "owner-active"] as const;

/** Why a node takes nothing new: its owner's reasons, and an operator's word, which comes before them. */
export const CLOSED_REASONS = [...OWNERS_REASONS, "drained"] as const;

export type NodeAvailability<Reason = (typeof CLOSED_REASONS)[number]> =
  | { readonly kind: "open" }
  | {
      readonly kind: "closed";
      readonly reason: Reason;
      /** When it is open again, ms since the Unix epoch; null when that is not known. */
      readonly untilMs: number | null;
    };

/** What a node's owner lets it do, as its agent reports it. */
export type OwnersAvailability = NodeAvailability<(typeof OWNERS_REASONS)[number]>;

/** A node as its registration knows it. */
export interface NodeIdentity {
  readonly id: NodeId;
  readonly name: string;
  readonly owner: MemberId;
}

export type AttemptPhase = "assigned" | "loading" | "prefill" | "decode";

/** The part of a running attempt that placement looks at. */
export interface ActiveAttempt {
  readonly job: string;
  readonly model: string;
  readonly phase: AttemptPhase;
  readonly startedAtMs: number;
  readonly promptTokens: number;
  readonly maxOutputTokens: number;
  readonly outputTokens: number;
}

/** A node as it appears in the fleet snapshot: enough to explain a placement and to draw the fleet. */
export interface NodeView {
  readonly identity: NodeIdentity;
  readonly machine: Machine;
  readonly report: NodeReport;
  readonly connected: boolean;
  readonly lastSeenMs: number;
  readonly active: readonly ActiveAttempt[];
  readonly budget: NodeBudget;
  /** What one token of the budget costs in placement, seconds of a job's time; 0 without a budget. */
  readonly tokenPriceS?: number;
  /** Tier that the scheduler gives each model, by model name. */
  readonly tiers: Readonly<Record<string, Tier>>;
}

/** The jobs that wait and asked for one tier. */
export interface TierQueue {
  readonly jobs: number;
  /** When the oldest of them was submitted, ms since the Unix epoch; null when none waits. */
  readonly oldestMs: number | null;
}

/** What a member had of the fleet. */
export interface MemberService {
  readonly member: MemberId;
  /** Work since the scheduler began to lead, over the member's weight, in seconds of the reference machine. */
  readonly referenceS: number;
}

/** What the scheduler publishes at most once a second for admission and display; an older one tells less. */
export interface FleetSnapshot {
  readonly atMs: number;
  readonly nodes: readonly NodeView[];
  readonly pendingJobs: number;
  readonly queues?: Readonly<Record<Tier, TierQueue>>;
  readonly service?: readonly MemberService[];
}
