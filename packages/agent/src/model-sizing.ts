import { estimateShape, findModelRow, kvBytesPerToken, weightBytes } from "@coop/core";
import type { ModelShape } from "@coop/core";
import type { EngineModel } from "./engines/engine.ts";

/** Longest context that a generation gets unless the owner says otherwise, tokens. */
export const USUAL_CONTEXT_TOKENS = 8192;
/** A context is not shortened below this for lack of memory: the node then reports that the model does not fit. */
const SHORTEST_CONTEXT_TOKENS = 2048;
const CONTEXT_STEP_TOKENS = 256;
/** Bits per weight of Ollama's usual Q4_K_M, for a model that tells its size on disk only. */
const USUAL_BITS_PER_WEIGHT = 4.9;
/** Fewest parameters that a model is taken to have, whatever it says of itself. */
const SMALLEST_PARAMETERS = 1e7;
/** Share of a mixture's weights that every token uses (attention, router, embeddings). Assumed. */
const SHARED_WEIGHT_SHARE = 0.05;

/**
 * A model's shape: what the engine says of its architecture and its size on disk, filled up with the
 * catalogue's row (which knows active parameters and sliding attention), filled up with what models of that
 * size usually are.
 */
export function shapeOf(model: EngineModel): ModelShape {
  const row = findModelRow(model.name)?.shape ?? null;
  const parameters = Math.max(
    SMALLEST_PARAMETERS,
    model.shape.parameterCount ?? row?.parameters ?? (model.sizeBytes * 8) / USUAL_BITS_PER_WEIGHT,
  );
  const bitsPerWeight = weightBitsOnDisk(model, parameters) ?? row?.bitsPerWeight ?? USUAL_BITS_PER_WEIGHT;
  const usual = row ?? estimateShape(parameters, bitsPerWeight);
  const layers = model.shape.layers ?? usual.layers;
  return {
    layers,
    parameters,
    activeParameters: parameters * activeShare(model, row),
    bitsPerWeight,
    kvLayers: row?.kvLayers ?? layers,
    kvHeads: row?.kvHeads ?? model.shape.kvHeads ?? usual.kvHeads,
    headDim: row?.headDim ?? model.shape.headDimension ?? usual.headDim,
  };
}

/** Null when the file does not hold the weights, as a cloud model's does not. */
function weightBitsOnDisk(model: EngineModel, parameters: number): number | null {
  const bits = (model.sizeBytes * 8) / parameters;
  return !model.cloud && bits >= 1 ? bits : null;
}

function activeShare({ shape: { experts } }: EngineModel, row: ModelShape | null): number {
  if (row !== null) return row.activeParameters / row.parameters;
  if (experts === null) return 1;
  return SHARED_WEIGHT_SHARE + (1 - SHARED_WEIGHT_SHARE) * Math.min(1, experts.used / experts.total);
}

/** What the owner and the machine allow a model. */
export interface Allowance {
  /** The owner's cap on the context, tokens. */
  readonly contextTokensMax: number;
  readonly modelMemoryBytes: number;
  readonly slots: number;
}

/**
 * The context that is pinned for a model on this node: what the model was made for, what the owner allows
 * and what fits beside the weights with every slot full, whichever is least.
 */
export function pinnedContextTokens(model: EngineModel, shape: ModelShape, allowance: Allowance): number {
  const wanted = Math.floor(
    Math.min(model.contextTokensMax ?? Number.POSITIVE_INFINITY, allowance.contextTokensMax),
  );
  if (model.cloud) return wanted;
  const room = allowance.modelMemoryBytes - weightBytes(shape);
  const fitting = room / (kvBytesPerToken(shape) * Math.max(1, allowance.slots));
  const stepped = Math.floor(fitting / CONTEXT_STEP_TOKENS) * CONTEXT_STEP_TOKENS;
  return Math.min(wanted, Math.max(SHORTEST_CONTEXT_TOKENS, stepped));
}

/**
 * Whether the model is in memory with that context; with another it would be loaded anew. An engine may
 * count one generation's context, or that of all slots together.
 */
export function isLoadedWith({ cloud, loaded }: EngineModel, contextTokens: number, slots: number): boolean {
  if (cloud) return true;
  if (loaded === null) return false;
  const counted = loaded.contextTokens ?? contextTokens;
  return counted === contextTokens || counted === contextTokens * slots;
}

/** What the model occupies when it is loaded, bytes: the engine's word if it has it loaded like that, else an estimate. */
export function residentBytesOf(
  model: EngineModel,
  shape: ModelShape,
  contextTokens: number,
  slots: number,
): number {
  if (model.cloud) return 0;
  const saidBytes = isLoadedWith(model, contextTokens, slots) ? (model.loaded?.residentBytes ?? 0) : 0;
  if (saidBytes > 0) return saidBytes;
  return Math.round(weightBytes(shape) + contextTokens * slots * kvBytesPerToken(shape));
}
