import { REFERENCE_MACHINE } from "../catalogue/machines.ts";
import type { ModelCapacity } from "../fleet/node.ts";

/**
 * Service in reference-seconds: the time that the same work would take on one reference machine. A token of
 * a 70B model counts for about twenty of a 3B model, wherever each ran, and no member pays for a slow node.
 */

/** Fixed time per token of a model of middling depth, ms. */
const FIXED_MS = 32 * REFERENCE_MACHINE.fixedMsPerLayer;
/** Bytes of weights per parameter at 4 bits and a little: what the reference machine's prompt rate was measured with. */
const BYTES_PER_PARAMETER = 0.567;

type Weights = Pick<ModelCapacity, "weightBytesPerToken">;

/** Time of one decode step on the reference machine, ms. */
export const referenceStepMs = (model: Weights): number =>
  FIXED_MS + (model.weightBytesPerToken / REFERENCE_MACHINE.effectiveBytesPerSecond) * 1000;

/** What processing a prompt and producing an output come to, reference-seconds. */
export function referenceSeconds(model: Weights, promptTokens: number, outputTokens: number): number {
  const parameters = model.weightBytesPerToken / BYTES_PER_PARAMETER;
  const prefillS = (promptTokens * parameters) / REFERENCE_MACHINE.prefillParametersPerSecond;
  return prefillS + (outputTokens * referenceStepMs(model)) / 1000;
}
