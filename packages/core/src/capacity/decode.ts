import type { ModelCapacity } from "../fleet/node.ts";

type StepFigures = Pick<
  ModelCapacity,
  "fixedMsPerToken" | "effectiveBytesPerSecond" | "batchFactor" | "weightBytesPerToken" | "kvBytesPerToken"
>;

/** Time of one decode step of one generation, ms, with `contextTokens` in its cache and `occupancy` generations in the batch. */
export function decodeStepMs(capacity: StepFigures, contextTokens: number, occupancy: number): number {
  const bytes = capacity.weightBytesPerToken + contextTokens * capacity.kvBytesPerToken;
  const aloneMs = capacity.fixedMsPerToken.value + (bytes / capacity.effectiveBytesPerSecond.value) * 1000;
  return aloneMs * (1 + capacity.batchFactor.value * (Math.max(1, occupancy) - 1));
}

/** Rate of each generation, tokens/s. */
export const decodeTokensPerSecond = (
  capacity: StepFigures,
  contextTokens: number,
  occupancy: number,
): number => 1000 / decodeStepMs(capacity, contextTokens, occupancy);

/** Time to process a prompt alone, ms. */
export const prefillMs = (
  capacity: Pick<ModelCapacity, "prefillTokensPerSecond">,
  promptTokens: number,
): number => (promptTokens / capacity.prefillTokensPerSecond.value) * 1000;
