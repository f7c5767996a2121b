/** Ollama's wire protocol, as far as a simulated machine speaks it. */
import type { ModelRow } from "@coop/core";
import { z } from "zod";
import { modelFileBytes } from "./physics.ts";

const options = z
  .object({
    num_predict: z.number().int().optional(),
    num_ctx: z.number().int().positive().optional(),
    stop: z.array(z.string()).optional(),
  })
  .default({});
const format = z.union([z.literal("json"), z.literal(""), z.record(z.string(), z.unknown())]).optional();

export const chatRequestSchema = z.object({
  model: z.string(),
  messages: z
    .array(
      z.object({ role: z.string(), content: z.string().default(""), images: z.array(z.string()).optional() }),
    )
    .default([]),
  tools: z
    .array(
      z.object({
        function: z.object({ name: z.string(), parameters: z.record(z.string(), z.unknown()).default({}) }),
      }),
    )
    .default([]),
  stream: z.boolean().default(true),
  format,
  options,
});

export const generateRequestSchema = z.object({
  model: z.string(),
  prompt: z.string().default(""),
  stream: z.boolean().default(true),
  keep_alive: z.union([z.number(), z.string()]).optional(),
  format,
  options,
});

export const embedRequestSchema = z.object({
  model: z.string(),
  input: z.union([z.string(), z.array(z.string())]),
  dimensions: z.number().int().positive().optional(),
  options,
});

export const showRequestSchema = z.object({ model: z.string().optional(), name: z.string().optional() });

/** Context that a request without `num_ctx` gets. */
export const DEFAULT_CONTEXT_TOKENS = 4096;
/** Output limit of a request without `num_predict`. */
export const DEFAULT_OUTPUT_TOKENS = 512;
/** Longest context that the simulated models allow. */
export const MAX_CONTEXT_TOKENS = 131_072;
/** Version of Ollama whose behaviour is simulated. */
export const OLLAMA_VERSION = "0.35.1";
const EMBEDDING_DIMENSIONS = 768;

export const embeddingDimensions = (asked: number | undefined): number =>
  Math.min(asked ?? EMBEDDING_DIMENSIONS, EMBEDDING_DIMENSIONS);

const isEmbedding = (name: string): boolean => name.includes("embed");

/** A stable stand-in for the digest of a model's file. */
export const digestOf = (name: string): string =>
  Buffer.from(name.padEnd(32, "0").slice(0, 32)).toString("hex");

const detailsOf = (model: ModelRow): Record<string, unknown> => ({
  format: "gguf",
  family: "simulated",
  families: ["simulated"],
  parameter_size: `${(model.shape.parameters / 1e9).toFixed(1)}B`,
  quantization_level: `${model.shape.bitsPerWeight} bits`,
});

export const tagOf = (name: string, model: ModelRow): Record<string, unknown> => ({
  name,
  model: name,
  modified_at: "2026-01-01T00:00:00Z",
  size: Math.round(modelFileBytes(model)),
  digest: digestOf(name),
  details: detailsOf(model),
});

/** Answer of `/api/show`; the shape is what a prior of the model's speed is made from. */
export const showOf = (name: string, model: ModelRow): Record<string, unknown> => ({
  details: detailsOf(model),
  model_info: {
    "general.architecture": "simulated",
    "general.parameter_count": model.shape.parameters,
    "simulated.block_count": model.shape.layers,
    "simulated.context_length": MAX_CONTEXT_TOKENS,
    "simulated.attention.head_count_kv": model.shape.kvHeads,
    "simulated.attention.key_length": model.shape.headDim,
    "simulated.attention.value_length": model.shape.headDim,
  },
  capabilities: isEmbedding(name) ? ["embedding"] : ["completion", "tools"],
  modified_at: "2026-01-01T00:00:00Z",
});
