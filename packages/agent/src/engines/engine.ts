import type { Capability, Delta, FailureClass, FinishReason, Timings, Usage } from "@coop/core";
import type { EngineRequest } from "@coop/protocol";

/**
 * What generates on a node. The agent knows engines through this port alone.
 *
 * E1. Expected failures (absent, busy, out of memory, hung, cancelled) are data; a method rejects only on a bug.
 * E2. `generate` yields exactly one outcome, as its last event.
 * E3. When the signal aborts, `generate` yields `aborted` at once and the engine is told to stop generating.
 */
export interface Engine {
  /** What answers, or why it cannot serve. */
  describe(signal: AbortSignal): Promise<EngineDescription>;
  /** Every model the engine has, with whether it is in memory now. */
  models(signal: AbortSignal): Promise<EngineModels>;
  /** Runs one request. Output streams whether or not the member asked for a stream. */
  generate(request: GenerateRequest, signal: AbortSignal, limits: GenerateLimits): AsyncIterable<EngineEvent>;
  /** Brings a model into memory. Concurrent calls for one model share one load, which no job's cancel ends. */
  warm(model: string, contextTokens: number, signal: AbortSignal): Promise<EngineAnswer>;
  /** Asks the engine to drop a model from memory. */
  unload(model: string, signal: AbortSignal): Promise<EngineAnswer>;
  /** Ends whatever the engine still does for this agent and closes its connections. */
  close(): Promise<void>;
}

export type EngineDescription =
  | {
      readonly kind: "ready";
      /** Name and version, such as "ollama 0.35.1". */
      readonly engine: string;
      readonly simulated: SimulatedEngine | null;
    }
  | {
      readonly kind: "refused";
      readonly reason: "absent" | "too-old" | "not-understood";
      readonly message: string;
    };

/** What a simulated machine says about itself; its speed comes from the catalogue's row, its answers say so too. */
export interface SimulatedEngine {
  /** Key of the catalogue's machine row. */
  readonly profile: string;
  readonly chip: string;
  readonly memoryBytes: number;
  readonly slots: number;
  /** How many times faster than the modelled machine it runs. */
  readonly speedup: number;
}

export type EngineModels =
  | { readonly kind: "listed"; readonly models: readonly EngineModel[] }
  | { readonly kind: "unavailable"; readonly message: string };

export interface EngineModel {
  readonly name: string;
  readonly digest: string;
  readonly capabilities: readonly Capability[];
  /** Size of the weights on disk, bytes; 0 when served by a cloud. */
  readonly sizeBytes: number;
  /** Longest context that the model was made for, tokens; null when the engine does not say. */
  readonly contextTokensMax: number | null;
  readonly shape: ModelShape;
  /** Served by a cloud behind the engine. */
  readonly cloud: boolean;
  /** What it occupies now; null when it is not in memory. A hint: engines keep books, not proofs. */
  readonly loaded: {
    readonly residentBytes: number;
    readonly contextTokens: number | null;
    /** When the engine drops it unless it is used again, ms since the Unix epoch; each use moves it. */
    readonly keptUntilMs: number | null;
  } | null;
}

/** What the engine says about a model's architecture; null where it says nothing. */
export interface ModelShape {
  /** Such as "qwen3moe". */
  readonly architecture: string | null;
  readonly parameterCount: number | null;
  readonly layers: number | null;
  readonly kvHeads: number | null;
  /** Length of one head's key vector (taken for the value too), elements. */
  readonly headDimension: number | null;
  /** Experts in all and experts used per token; null for a dense model. */
  readonly experts: { readonly total: number; readonly used: number } | null;
}

/** `contextTokens` is pinned per model on this node: another value would make an engine load the model anew. */
export type GenerateRequest = EngineRequest & { readonly model: string; readonly contextTokens: number };

/** How long each stretch of a generation may take, ms. */
export interface GenerateLimits {
  /** Until the model is in memory. */
  readonly loadMs: number;
  /** From then until the first output. */
  readonly firstTokenMs: number;
  /** Between two pieces of output. */
  readonly idleMs: number;
  /** In all: what is left until the job's deadline. */
  readonly totalMs: number;
}

export type EnginePhase = "loading" | "prefill" | "decode";

/** How a generation ended. `usage` is what the engine counted, or what was seen where it did not get to say. */
export type EngineOutcome =
  | {
      readonly kind: "done";
      readonly finishReason: FinishReason;
      readonly usage: Usage;
      readonly timings: Timings;
      /** Prompt tokens that a cache saved the engine from computing; part of `usage.promptTokens`. */
      readonly promptTokensCached: number;
      /** Mean number of generations of this model that ran at once while this one decoded, itself included. */
      readonly occupancy: number;
      /**
       * Mean number of prompts and models' batches that took turns on the machine while its prompt was processed,
       * and while it decoded; its own included.
       */
      readonly sharers: { readonly prefill: number; readonly decode: number };
    }
  | {
      readonly kind: "failed";
      readonly class: FailureClass;
      readonly message: string;
      readonly usage: Usage;
      readonly phase: EnginePhase;
    }
  | { readonly kind: "aborted"; readonly usage: Usage; readonly phase: EnginePhase };

export type EngineEvent =
  | { readonly kind: "loading" }
  | { readonly kind: "prefill" }
  /** `tokens`: output tokens in this piece, as far as the engine's chunks tell. */
  | { readonly kind: "delta"; readonly delta: Delta; readonly tokens: number }
  | EngineOutcome;

export type EngineAnswer =
  | { readonly kind: "ok" }
  | { readonly kind: "failed"; readonly class: FailureClass; readonly message: string }
  | { readonly kind: "aborted" };
