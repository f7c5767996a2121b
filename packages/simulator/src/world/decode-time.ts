import { decodeStepMs } from "@coop/core";
import type { ModelCapacity } from "@coop/core";

/**
 * Decoding in closed form. A step takes longer with every token in the cache, so `n` tokens after a context of
 * `c` take `n * step(c + n / 2)` alone. Work is counted in those seconds, whatever shares the machine.
 */
export const decodeAloneS = (capacity: ModelCapacity, contextTokens: number, outputTokens: number): number =>
  (outputTokens * decodeStepMs(capacity, contextTokens + outputTokens / 2, 1)) / 1000;

/** Tokens that `aloneS` seconds of decoding produce after a context of `contextTokens`. */
export function tokensDecoded(capacity: ModelCapacity, contextTokens: number, aloneS: number): number {
  const stepS = decodeStepMs(capacity, contextTokens, 1) / 1000;
  const growthS = capacity.kvBytesPerToken / capacity.effectiveBytesPerSecond.value;
  if (growthS * aloneS < 1e-9 * stepS * stepS) return aloneS / stepS;
  return (Math.sqrt(stepS * stepS + 2 * growthS * aloneS) - stepS) / growthS;
}
