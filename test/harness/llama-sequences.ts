import type { LlamaContextSequence, Token } from "node-llama-cpp";

/**
 * The sequences of a context, each for one generation at a time.
 *
 * S1. A sequence keeps its cache when it is freed, and a prompt gets the idle one that remembers most of it.
 * S2. Who finds none idle waits in the order of arrival, and leaves the line when its signal aborts.
 */
export interface SequencePool {
  readonly busy: number;
  /** Rejects with the signal's reason. */
  take(prompt: readonly Token[], signal: AbortSignal): Promise<LlamaContextSequence>;
  free(sequence: LlamaContextSequence): void;
}

export function createSequencePool(all: readonly LlamaContextSequence[]): SequencePool {
  const idle = new Set(all);
  const waiting: ((sequence: LlamaContextSequence) => void)[] = [];

  const best = (prompt: readonly Token[]): LlamaContextSequence | null => {
    const known = [...idle].map((sequence) => ({
      sequence,
      length: sequence.compareContextTokens([...prompt]).firstDifferentIndex,
    }));
    const [first] = known.toSorted((a, b) => b.length - a.length);
    return first?.sequence ?? null;
  };
  return {
    get busy() {
      return all.length - idle.size;
    },
    async take(prompt, signal) {
      const found = best(prompt);
      if (found !== null) {
        idle.delete(found);
        return found;
      }
      return await new Promise((resolve, reject) => {
        waiting.push(resolve);
        signal.addEventListener("abort", () => {
          const place = waiting.indexOf(resolve);
          if (place < 0) return;
          waiting.splice(place, 1);
          reject(signal.reason as Error);
        });
      });
    },
    free(sequence) {
      const next = waiting.shift();
      if (next === undefined) idle.add(sequence);
      else next(sequence);
    },
  };
}
