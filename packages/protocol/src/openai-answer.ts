import { z } from "zod";
import type { Outgoing } from "./codec.ts";

/** What the OpenAI dialect answers. */

const count = z.number().int().nonnegative();

/** Usage as the OpenAI dialect counts it, tokens. */
export const openaiUsageSchema = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
});
export type OpenaiUsage = Outgoing<z.infer<typeof openaiUsageSchema>>;

const toolCall = z.object({
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});
export type OpenaiToolCall = Outgoing<z.infer<typeof toolCall>>;

const likelyToken = { token: z.string(), logprob: z.number(), bytes: z.array(z.number()).nullable() };
const logprobs = z.object({
  content: z.array(z.object({ ...likelyToken, top_logprobs: z.array(z.object(likelyToken)) })),
  refusal: z.null(),
});
export type OpenaiLogprobs = Outgoing<z.infer<typeof logprobs>>;

const finishReason = z.enum(["stop", "length", "tool_calls"]);

/** What the model thought, apart from its answer, under both names that clients read. */
const reasoning = { reasoning_content: z.string().optional(), reasoning: z.string().optional() };

const head = {
  id: z.string(),
  /** Seconds since the Unix epoch. */
  created: count,
  /** The model that answered. */
  model: z.string(),
};

/** Answer of `POST /v1/chat/completions` without `stream`. */
export const chatCompletionSchema = z.object({
  ...head,
  object: z.literal("chat.completion"),
  choices: z.array(
    z.object({
      index: z.literal(0),
      message: z.object({
        role: z.literal("assistant"),
        content: z.string().nullable(),
        refusal: z.null(),
        ...reasoning,
        tool_calls: z.array(toolCall).optional(),
      }),
      finish_reason: finishReason,
      logprobs: logprobs.nullable(),
    }),
  ),
  usage: openaiUsageSchema,
});
export type ChatCompletion = Outgoing<z.infer<typeof chatCompletionSchema>>;

const chunkDelta = z.object({
  role: z.literal("assistant").optional(),
  content: z.string().optional(),
  ...reasoning,
  tool_calls: z.array(toolCall.extend({ index: count })).optional(),
});
export type ChatChunkDelta = Outgoing<z.infer<typeof chunkDelta>>;

/** One `data:` line of a streamed answer. With `include_usage`, the last one has no choice and the usage. */
export const chatCompletionChunkSchema = z.object({
  ...head,
  object: z.literal("chat.completion.chunk"),
  choices: z.array(
    z.object({
      index: z.literal(0),
      delta: chunkDelta,
      finish_reason: finishReason.nullable(),
      logprobs: logprobs.nullable(),
    }),
  ),
  usage: openaiUsageSchema.nullable().optional(),
});
export type ChatCompletionChunk = Outgoing<z.infer<typeof chatCompletionChunkSchema>>;

/** Answer of `POST /v1/embeddings`; base64 is of little-endian 32-bit floats. */
export const embeddingListSchema = z.object({
  object: z.literal("list"),
  model: z.string(),
  data: z.array(
    z.object({
      object: z.literal("embedding"),
      index: count,
      embedding: z.union([z.array(z.number()), z.string()]),
    }),
  ),
  usage: z.object({ prompt_tokens: count, total_tokens: count }),
});
export type EmbeddingList = Outgoing<z.infer<typeof embeddingListSchema>>;

/** A row of `GET /v1/models`. `coop` is ours: what the fleet knows of the model. */
export const openaiModelSchema = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: count,
  owned_by: z.string(),
  coop: z.object({
    tier: z.string(),
    nodes: z.array(z.string()),
    connected: z.boolean(),
    contextTokens: count,
    capabilities: z.array(z.string()),
  }),
});
export type OpenaiModel = Outgoing<z.infer<typeof openaiModelSchema>>;
export const modelListSchema = z.object({ object: z.literal("list"), data: z.array(openaiModelSchema) });
