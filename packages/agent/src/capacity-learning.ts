import { createCapacityEstimate, forgetSlowly, learnedCapacity, observeAttempt } from "@coop/core";
import type { CapacityEstimate, ModelCapacity } from "@coop/core";
import type { CapacityStore } from "./capacity-store.ts";
import type { EngineOutcome } from "./engines/engine.ts";
import type { CancelTimer, Timing } from "./timing.ts";

/** How long what was learned may wait to be kept, ms. */
const KEEP_AFTER_MS = 30_000;

/** Learns from real attempts how fast each model runs here, and keeps it across restarts. */
export interface CapacityLearning {
  /** The capacity to report for a model whose prior is this. A prior other than the last starts anew. */
  capacity(model: ModelIdentity, prior: ModelCapacity): ModelCapacity;
  /** Takes in a generation that went well. */
  observe(model: string, outcome: Extract<EngineOutcome, { kind: "done" }>): void;
  /** Takes in what another program of this machine measured and handed over. */
  takeOver(): Promise<void>;
  /** Heat or power changed: what was measured gives way faster. */
  conditionsChanged(): void;
  /** Keeps what was learned. */
  close(): Promise<void>;
}

export interface ModelIdentity {
  readonly name: string;
  readonly digest: string;
}

/** A load faster than this was none: engines report some ms for a model that was in memory. */
const LOAD_MS_MIN = 250;

export async function startCapacityLearning({
  store,
  timing,
}: {
  readonly store: CapacityStore;
  readonly timing: Timing;
}): Promise<CapacityLearning> {
  const estimates = new Map(await store.read());
  let keeping: CancelTimer | null = null;
  let writing: Promise<void> = Promise.resolve();

  const keep = (): void => {
    keeping?.();
    keeping = null;
    const entries = new Map(estimates);
    writing = writing.then(() => store.write(entries));
  };

  return {
    capacity({ name, digest }, prior) {
      const known = estimates.get(name);
      if (known?.digest === digest && samePrior(known.estimate.prior, prior)) {
        return learnedCapacity(known.estimate);
      }
      const estimate = createCapacityEstimate(prior);
      estimates.set(name, { digest, estimate });
      return learnedCapacity(estimate);
    },
    observe(model, outcome) {
      const known = estimates.get(model);
      if (known === undefined) return;
      estimates.set(model, { ...known, estimate: observed(known.estimate, outcome) });
      keeping ??= timing.after(KEEP_AFTER_MS, keep);
    },
    async takeOver() {
      const measured = await store.takeOver();
      for (const [name, known] of measured) estimates.set(name, known);
      if (measured.size > 0) keep();
    },
    conditionsChanged() {
      for (const [name, known] of estimates) {
        estimates.set(name, { ...known, estimate: forgetSlowly(known.estimate) });
      }
    },
    async close() {
      if (keeping !== null) keep();
      await writing;
    },
  };
}

function observed(
  estimate: CapacityEstimate,
  { usage, timings, promptTokensCached, occupancy, sharers }: Extract<EngineOutcome, { kind: "done" }>,
): CapacityEstimate {
  return observeAttempt(estimate, {
    promptTokens: usage.promptTokens - promptTokensCached,
    prefillMs: timings.prefillMs,
    outputTokens: usage.outputTokens,
    decodeMs: timings.decodeMs,
    loadMs: timings.loadMs >= LOAD_MS_MIN ? timings.loadMs : null,
    occupancy,
    prefillSharers: sharers.prefill,
    decodeSharers: sharers.decode,
    contextTokens: usage.promptTokens + usage.outputTokens / 2,
  });
}

const samePrior = (a: ModelCapacity, b: ModelCapacity): boolean => JSON.stringify(a) === JSON.stringify(b);
