import type { MachineRow } from "../catalogue/machines.ts";
import { activeWeightBytes, kvBytesPerToken, weightBytes } from "../catalogue/models.ts";
import type { ModelShape } from "../catalogue/models.ts";
import type { Figure, ModelCapacity } from "../fleet/node.ts";

/** Part of a load that the size does not explain, ms. Assumed. */
const LOAD_CONSTANT_MS = 1000;

const prior = (value: number): Figure => ({ value, basis: "prior" });

/** How fast a machine should run a model, before anything was measured. Every figure says `prior`. */
export function priorCapacity(machine: MachineRow, shape: ModelShape): ModelCapacity {
  const isMixture = shape.activeParameters < shape.parameters;
  return {
    fixedMsPerToken: prior(shape.layers * machine.fixedMsPerLayer),
    effectiveBytesPerSecond: prior(machine.effectiveBytesPerSecond),
    prefillTokensPerSecond: prior(machine.prefillParametersPerSecond / shape.activeParameters),
    batchFactor: prior(isMixture ? machine.batchFactor.mixtureOfExperts : machine.batchFactor.dense),
    loadMs: prior(LOAD_CONSTANT_MS + (weightBytes(shape) / machine.diskBytesPerSecond) * 1000),
    weightBytesPerToken: activeWeightBytes(shape),
    kvBytesPerToken: kvBytesPerToken(shape),
  };
}

/** Memory that a loaded model takes, bytes: its weights and the KV cache of each slot's whole context. */
export const residentBytesOf = (shape: ModelShape, contextTokens: number, slots: number): number =>
  weightBytes(shape) + contextTokens * slots * kvBytesPerToken(shape);
