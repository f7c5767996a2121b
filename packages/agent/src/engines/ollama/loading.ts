import type { Timing } from "../../timing.ts";
import type { EngineAnswer } from "../engine.ts";
import { EngineFault } from "./fault.ts";
import type { Transport } from "./transport.ts";
import { embedSchema, loadSchema, psSchema } from "./wire.ts";

/**
 * What is in the engine's memory, and bringing models there.
 *
 * L1. One load per model and context at a time, shared by all who wait for it.
 * L2. A load outlives the jobs that wait for it: the engine would throw away a load whose caller leaves.
 */
export interface Loading {
  /** Whether the model is in memory with this context. A recent success answers without asking. */
  isResident(model: string, contextTokens: number, signal: AbortSignal): Promise<boolean>;
  /** Resolves when the model is in memory, or with why it is not. Never rejects for the engine's faults. */
  load(model: string, contextTokens: number): Promise<EngineAnswer>;
  /** The model just served. */
  served(model: string, contextTokens: number): void;
  /** Nothing is known about the model any more. */
  forget(model: string): void;
  close(): void;
}

/** How long a success vouches for a model's residence, ms: well within the 5 minutes that Ollama keeps one. */
const VOUCHED_MS = 60_000;
/** When a load is given up, ms: well behind Ollama's own limit of 5 minutes without progress. */
const LOAD_MS_MAX = 660_000;

export function createLoading({
  transport,
  timing,
}: {
  readonly transport: Transport;
  readonly timing: Timing;
}): Loading {
  const loads = new Map<string, Promise<EngineAnswer>>();
  const vouched = new Map<string, { readonly contextTokens: number; readonly untilMs: number }>();
  const closing = new AbortController();

  const served = (model: string, contextTokens: number): void => {
    vouched.set(model, { contextTokens, untilMs: timing.monotonicMs() + VOUCHED_MS });
  };

  const loadNow = async (model: string, contextTokens: number): Promise<EngineAnswer> => {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(LOAD_MS_MAX)]);
    try {
      await requestLoad(transport, model, contextTokens, signal);
      served(model, contextTokens);
      return { kind: "ok" };
    } catch (error) {
      if (closing.signal.aborted) return { kind: "aborted" };
      if (signal.aborted) {
        return { kind: "failed", class: "load-timeout", message: `loading took over ${LOAD_MS_MAX} ms` };
      }
      if (error instanceof EngineFault) {
        return { kind: "failed", class: error.failure, message: error.message };
      }
      throw error;
    }
  };

  return {
    async isResident(model, contextTokens, signal) {
      const voucher = vouched.get(model);
      if (voucher?.contextTokens === contextTokens && voucher.untilMs > timing.monotonicMs()) return true;
      const { models } = psSchema.parse(await transport.ask("/api/ps", null, signal));
      const resident = models.find((candidate) => candidate.name === model);
      if (resident === undefined) return false;
      return resident.context_length === undefined || resident.context_length === contextTokens;
    },
    load(model, contextTokens) {
      const key = `${contextTokens} ${model}`;
      const running = loads.get(key);
      if (running !== undefined) return running;
      const load = loadNow(model, contextTokens).finally(() => loads.delete(key));
      loads.set(key, load);
      return load;
    },
    served,
    forget: (model) => void vouched.delete(model),
    close: () => closing.abort(),
  };
}

/** An empty prompt only loads. A model that cannot generate, but embed, loads by embedding nothing. */
async function requestLoad(
  transport: Transport,
  model: string,
  contextTokens: number,
  signal: AbortSignal,
): Promise<void> {
  const options = { num_ctx: contextTokens };
  try {
    loadSchema.parse(
      await transport.ask("/api/generate", { model, prompt: "", stream: false, options }, signal),
    );
  } catch (error) {
    if (!(error instanceof EngineFault) || !/does not support/i.test(error.message)) throw error;
    embedSchema.parse(await transport.ask("/api/embed", { model, input: [], options }, signal));
  }
}
