import type { Tier } from "../terms.ts";

/** What decoding and memory depend on. */
export interface ModelShape {
  readonly layers: number;
  /** Parameters in all. */
  readonly parameters: number;
  /** Parameters used per token; fewer than all for a mixture of experts. */
  readonly activeParameters: number;
  readonly bitsPerWeight: number;
  /** Layers whose KV cache grows with the whole context (sliding and linear attention do not). */
  readonly kvLayers: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** A model that the co-op knows. */
export interface ModelRow {
  /** Names in the engine's form, without a quantisation suffix; the first is the usual one. */
  readonly names: readonly string[];
  readonly tier: Tier;
  readonly shape: ModelShape;
  /** Judged quality of answers, 0 to 2, hosted at full precision: an upper bound. Null when not judged. */
  readonly score: number | null;
  readonly source: string;
}

/** Bits per weight that Ollama's usual Q4_K_M comes to, embeddings included. */
const Q4_K_M = 4.9;
const CONFIG = "published model configuration";
const JUDGED = "published model configuration; score by two judges over 63 tasks";

const billions = (count: number): number => count * 1e9;

interface DenseShape {
  readonly layers: number;
  readonly billions: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly kvLayers?: number;
  readonly bits?: number;
}

const dense = (shape: DenseShape): ModelShape => ({
  layers: shape.layers,
  parameters: billions(shape.billions),
  activeParameters: billions(shape.billions),
  bitsPerWeight: shape.bits ?? Q4_K_M,
  kvLayers: shape.kvLayers ?? shape.layers,
  kvHeads: shape.kvHeads,
  headDim: shape.headDim,
});

const mixture = (shape: DenseShape & { readonly activeBillions: number }): ModelShape => ({
  ...dense(shape),
  activeParameters: billions(shape.activeBillions),
});

const row = (
  names: readonly string[],
  tier: Tier,
  shape: ModelShape,
  score: number | null,
  source: string,
): ModelRow => ({
  names,
  tier,
  shape,
  score,
  source,
});

export const modelRows: readonly ModelRow[] = [
  // edge
  row(
    ["gemma4:e2b"],
    "edge",
    dense({ layers: 30, billions: 2.3, kvHeads: 1, headDim: 256, kvLayers: 6, bits: 10.4 }),
    1.3,
    "effective parameters and ~3 GB from the score table; layers estimated",
  ),
  row(
    ["gemma3:1b"],
    "edge",
    dense({ layers: 26, billions: 1, kvHeads: 1, headDim: 256, kvLayers: 5, bits: 6.5 }),
    null,
    CONFIG,
  ),
  row(
    ["gemma3:4b"],
    "edge",
    dense({ layers: 34, billions: 4.3, kvHeads: 4, headDim: 256, kvLayers: 6, bits: 6.2 }),
    null,
    CONFIG,
  ),
  row(
    ["llama3.2:1b"],
    "edge",
    dense({ layers: 16, billions: 1.24, kvHeads: 8, headDim: 64, bits: 8.5 }),
    null,
    CONFIG,
  ),
  row(
    ["llama3.2:3b", "llama3.2"],
    "edge",
    dense({ layers: 28, billions: 3.21, kvHeads: 8, headDim: 128, bits: 5 }),
    null,
    CONFIG,
  ),
  row(
    ["qwen3:0.6b"],
    "edge",
    dense({ layers: 28, billions: 0.75, kvHeads: 8, headDim: 128, bits: 5.6 }),
    null,
    CONFIG,
  ),
  row(
    ["qwen3:1.7b"],
    "edge",
    dense({ layers: 28, billions: 2.03, kvHeads: 8, headDim: 128, bits: 5.5 }),
    null,
    CONFIG,
  ),
  row(["qwen3:4b"], "edge", dense({ layers: 36, billions: 4.02, kvHeads: 8, headDim: 128 }), null, CONFIG),
  row(["phi4-mini"], "edge", dense({ layers: 32, billions: 3.84, kvHeads: 8, headDim: 128 }), null, CONFIG),
  row(
    ["nomic-embed-text"],
    "edge",
    dense({ layers: 12, billions: 0.137, kvHeads: 12, headDim: 64, bits: 16 }),
    null,
    CONFIG,
  ),
  row(
    ["mxbai-embed-large"],
    "edge",
    dense({ layers: 24, billions: 0.334, kvHeads: 16, headDim: 64, bits: 16 }),
    null,
    CONFIG,
  ),
  row(
    ["bge-m3"],
    "edge",
    dense({ layers: 24, billions: 0.567, kvHeads: 16, headDim: 64, bits: 16 }),
    null,
    CONFIG,
  ),
  // local-small
  row(
    ["qwen3:8b", "qwen3"],
    "local-small",
    dense({ layers: 36, billions: 8.19, kvHeads: 8, headDim: 128, bits: 5.1 }),
    null,
    CONFIG,
  ),
  row(
    ["llama3.1:8b", "llama3.1"],
    "local-small",
    dense({ layers: 32, billions: 8.03, kvHeads: 8, headDim: 128 }),
    null,
    CONFIG,
  ),
  row(
    ["gemma3:12b"],
    "local-small",
    dense({ layers: 48, billions: 12.2, kvHeads: 8, headDim: 256, kvLayers: 8, bits: 5.3 }),
    null,
    CONFIG,
  ),
  row(
    ["qwen3:14b"],
    "local-small",
    dense({ layers: 40, billions: 14.8, kvHeads: 8, headDim: 128, bits: 5 }),
    1.51,
    JUDGED,
  ),
  row(
    ["phi4", "phi4:14b"],
    "local-small",
    dense({ layers: 40, billions: 14.7, kvHeads: 10, headDim: 128 }),
    null,
    CONFIG,
  ),
  row(
    ["mistral", "mistral:7b"],
    "local-small",
    dense({ layers: 32, billions: 7.25, kvHeads: 8, headDim: 128, bits: 4.8 }),
    null,
    CONFIG,
  ),
  row(
    ["glm-4.7-flash"],
    "local-small",
    mixture({ layers: 47, billions: 30, activeBillions: 3, kvHeads: 1, headDim: 288 }),
    1.64,
    "hosted score; 0.81-1.07 seen locally with thinking off, hence not local-large; latent KV of 576 values a layer",
  ),
  // local-large
  row(
    ["gemma4:26b"],
    "local-large",
    mixture({
      layers: 30,
      billions: 25.2,
      activeBillions: 3.8,
      kvHeads: 2,
      headDim: 512,
      kvLayers: 5,
      bits: 5.4,
    }),
    1.64,
    JUDGED,
  ),
  row(
    ["gemma3:27b"],
    "local-large",
    dense({ layers: 62, billions: 27.4, kvHeads: 16, headDim: 128, kvLayers: 10, bits: 5 }),
    null,
    CONFIG,
  ),
  row(
    ["qwen3:30b", "qwen3:30b-a3b", "qwen3-coder:30b", "qwen3-coder"],
    "local-large",
    mixture({ layers: 48, billions: 30.5, activeBillions: 3.3, kvHeads: 4, headDim: 128 }),
    null,
    CONFIG,
  ),
  row(
    ["qwen3.5:35b", "qwen3.5:35b-a3b"],
    "local-large",
    mixture({
      layers: 40,
      billions: 35,
      activeBillions: 3,
      kvHeads: 2,
      headDim: 256,
      kvLayers: 10,
      bits: 5.3,
    }),
    1.57,
    JUDGED,
  ),
  row(
    ["qwen3:32b"],
    "local-large",
    dense({ layers: 64, billions: 32.8, kvHeads: 8, headDim: 128 }),
    1.62,
    JUDGED,
  ),
  row(
    ["qwen2.5-coder:32b"],
    "local-large",
    dense({ layers: 64, billions: 32.8, kvHeads: 8, headDim: 128 }),
    0.33,
    JUDGED,
  ),
  row(
    ["deepseek-r1:32b"],
    "local-large",
    dense({ layers: 64, billions: 32.8, kvHeads: 8, headDim: 128 }),
    1.35,
    JUDGED,
  ),
  row(
    ["qwen3-coder-next"],
    "local-large",
    mixture({
      layers: 48,
      billions: 80,
      activeBillions: 3,
      kvHeads: 2,
      headDim: 256,
      kvLayers: 12,
      bits: 5.1,
    }),
    1.62,
    JUDGED,
  ),
  row(
    ["llama3.3:70b", "llama3.3"],
    "local-large",
    dense({ layers: 80, billions: 70.6, kvHeads: 8, headDim: 128, bits: 4.8 }),
    1.33,
    JUDGED,
  ),
  row(
    ["gpt-oss:20b", "gpt-oss"],
    "local-large",
    mixture({
      layers: 24,
      billions: 20.9,
      activeBillions: 3.6,
      kvHeads: 8,
      headDim: 64,
      kvLayers: 12,
      bits: 5.2,
    }),
    null,
    CONFIG,
  ),
  row(
    ["gpt-oss:120b"],
    "local-large",
    mixture({
      layers: 36,
      billions: 117,
      activeBillions: 5.1,
      kvHeads: 8,
      headDim: 64,
      kvLayers: 18,
      bits: 4.5,
    }),
    1.89,
    JUDGED,
  ),
  row(
    ["devstral-2", "devstral-2:123b"],
    "local-large",
    dense({ layers: 88, billions: 123, kvHeads: 8, headDim: 128 }),
    1.62,
    JUDGED,
  ),
  row(
    ["nemotron-3-super"],
    "local-large",
    mixture({
      layers: 88,
      billions: 120,
      activeBillions: 12,
      kvHeads: 2,
      headDim: 128,
      kvLayers: 8,
      bits: 5.7,
    }),
    1.51,
    "score and 86 GB from the score table; layers estimated",
  ),
  row(
    ["qwen3:235b"],
    "local-large",
    mixture({ layers: 94, billions: 235, activeBillions: 22, kvHeads: 4, headDim: 128 }),
    1.68,
    JUDGED,
  ),
  row(
    ["minimax-m2.5"],
    "local-large",
    mixture({ layers: 62, billions: 230, activeBillions: 15, kvHeads: 8, headDim: 128 }),
    1.68,
    "score and active parameters from the score table",
  ),
];

const rowsByName = new Map(modelRows.flatMap((model) => model.names.map((name) => [name, model] as const)));

/** The catalogue's row for a name in the engine's form, `:latest` and a quantisation suffix aside; else null. */
export function findModelRow(name: string): ModelRow | null {
  const plain = name.toLowerCase().replace(/:latest$/, "");
  const unquantised = plain.replace(
    /-(?:(?:instruct|it|text|chat|thinking)[\w.]*-)?(?:q\d\w*|fp16|f16|bf16|mxfp4|nvfp4|int4|int8)$/,
    "",
  );
  return rowsByName.get(plain) ?? rowsByName.get(unquantised) ?? null;
}

/** KV cache per token of context at 16 bits, bytes. */
export const kvBytesPerToken = (shape: Pick<ModelShape, "kvLayers" | "kvHeads" | "headDim">): number =>
  shape.kvLayers * 2 * shape.kvHeads * shape.headDim * 2;

/** Size of the weights, bytes. */
export const weightBytes = (shape: Pick<ModelShape, "parameters" | "bitsPerWeight">): number =>
  (shape.parameters * shape.bitsPerWeight) / 8;

/** Weights read per generated token, bytes. */
export const activeWeightBytes = (shape: Pick<ModelShape, "activeParameters" | "bitsPerWeight">): number =>
  (shape.activeParameters * shape.bitsPerWeight) / 8;

/**
 * A shape for a model that the catalogue does not know, from its size alone: dense, with the layers and
 * the grouped-query KV heads that common models of that size have.
 */
export function estimateShape(parameters: number, bitsPerWeight: number = Q4_K_M): ModelShape {
  const layers = Math.round(Math.min(96, Math.max(12, 16 * (parameters / 1e9) ** 0.36)));
  return {
    layers,
    parameters,
    activeParameters: parameters,
    bitsPerWeight,
    kvLayers: layers,
    kvHeads: 8,
    headDim: parameters < 2e9 ? 64 : 128,
  };
}
