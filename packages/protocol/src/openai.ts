import { z } from "zod";

/**
 * The parts of the OpenAI dialect that the co-op speaks. Unknown fields are ignored: tools send many that
 * change nothing here (`store`, `metadata`, `user`, `parallel_tool_calls`). Fields that would change the
 * answer and cannot be honoured are refused by name, never dropped in silence.
 */

const textPart = z.object({ type: z.literal("text"), text: z.string() });
const imagePart = z.object({ type: z.literal("image_url"), image_url: z.object({ url: z.string() }) });
const textOrParts = z.union([z.string(), z.array(textPart)]);

const toolCall = z.object({
  id: z.string().max(200),
  type: z.literal("function"),
  function: z.object({ name: z.string().max(200), arguments: z.string() }),
});

export const openaiMessageSchema = z.discriminatedUnion("role", [
  z.object({ role: z.literal("system"), content: textOrParts }),
  z.object({ role: z.literal("developer"), content: textOrParts }),
  z.object({
    role: z.literal("user"),
    content: z.union([z.string(), z.array(z.discriminatedUnion("type", [textPart, imagePart]))]),
  }),
  z.object({
    role: z.literal("assistant"),
    content: textOrParts.nullish(),
    tool_calls: z.array(toolCall).max(128).optional(),
  }),
  z.object({ role: z.literal("tool"), content: textOrParts, tool_call_id: z.string().max(200) }),
]);
export type OpenaiMessage = z.infer<typeof openaiMessageSchema>;

const jsonSchemaFormat = z.object({
  type: z.literal("json_schema"),
  json_schema: z.object({ schema: z.record(z.string(), z.unknown()) }),
});

/** `POST /v1/chat/completions`. */
export const chatCompletionRequestSchema = z.object({
  model: z.string().min(1).max(256),
  messages: z.array(openaiMessageSchema).min(1).max(10_000),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().optional() }).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z
    .number()
    .int()
    .min(-(2 ** 31))
    .max(2 ** 31 - 1)
    .nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(16)]).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  max_tokens: z.number().int().positive().max(10_000_000).nullish(),
  max_completion_tokens: z.number().int().positive().max(10_000_000).nullish(),
  reasoning_effort: z.enum(["none", "minimal", "low", "medium", "high", "xhigh"]).nullish(),
  response_format: z
    .discriminatedUnion("type", [
      z.object({ type: z.literal("text") }),
      z.object({ type: z.literal("json_object") }),
      jsonSchemaFormat,
    ])
    .nullish(),
  tools: z
    .array(
      z.object({
        type: z.literal("function"),
        function: z.object({
          name: z.string().min(1).max(200),
          description: z.string().nullish(),
          parameters: z.record(z.string(), z.unknown()).nullish(),
        }),
      }),
    )
    .max(256)
    .nullish(),
  tool_choice: z
    .enum(["none", "auto"], { error: "only none and auto: no engine here can be forced to call a tool" })
    .nullish(),
  n: z.literal(1, { error: "only one choice a request; send several requests instead" }).nullish(),
  logprobs: z.literal(false, { error: "log probabilities are not supported; leave it out" }).nullish(),
  functions: z.null({ error: "the old form of tools; use tools" }).optional(),
  /** The dialect's own key of a conversation; used to keep it on one node. */
  prompt_cache_key: z.string().max(500).nullish(),
});
export type ChatCompletionRequest = z.infer<typeof chatCompletionRequestSchema>;

/** `POST /v1/embeddings`. */
export const embeddingsRequestSchema = z.object({
  model: z.string().min(1).max(256),
  input: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(2048)], {
    error: "a text or a list of texts; lists of token numbers are not supported",
  }),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  dimensions: z.number().int().positive().max(100_000).nullish(),
});
export type EmbeddingsRequest = z.infer<typeof embeddingsRequestSchema>;

/** Usage as the OpenAI dialect counts it, tokens. */
export interface OpenaiUsage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

export interface OpenaiToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

/** Answer of `POST /v1/chat/completions` without `stream`. `reasoning_content` is where local engines put thinking. */
export interface ChatCompletion {
  readonly id: string;
  readonly object: "chat.completion";
  /** Seconds since the Unix epoch. */
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: 0;
    readonly message: {
      readonly role: "assistant";
      readonly content: string | null;
      readonly reasoning_content?: string;
      readonly tool_calls?: readonly OpenaiToolCall[];
    };
    readonly finish_reason: "stop" | "length" | "tool_calls";
    readonly logprobs: null;
  }[];
  readonly usage: OpenaiUsage;
}

export interface ChatChunkDelta {
  readonly role?: "assistant";
  readonly content?: string;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly (OpenaiToolCall & { readonly index: number })[];
}

/** One `data:` line of a streamed answer. With `include_usage`, the last one has no choice and the usage. */
export interface ChatCompletionChunk {
  readonly id: string;
  readonly object: "chat.completion.chunk";
  readonly created: number;
  readonly model: string;
  readonly choices: readonly {
    readonly index: 0;
    readonly delta: ChatChunkDelta;
    readonly finish_reason: "stop" | "length" | "tool_calls" | null;
    readonly logprobs: null;
  }[];
  readonly usage?: OpenaiUsage | null;
}

/** Answer of `POST /v1/embeddings`; base64 is of little-endian 32-bit floats. */
export interface EmbeddingList {
  readonly object: "list";
  readonly model: string;
  readonly data: readonly {
    readonly object: "embedding";
    readonly index: number;
    readonly embedding: readonly number[] | string;
  }[];
  readonly usage: { readonly prompt_tokens: number; readonly total_tokens: number };
}

/** A row of `GET /v1/models`. `coop` is ours: what the fleet knows of the model. */
export interface OpenaiModel {
  readonly id: string;
  readonly object: "model";
  readonly created: number;
  readonly owned_by: string;
  readonly coop: {
    readonly tier: string;
    readonly nodes: readonly string[];
    readonly connected: boolean;
    readonly contextTokens: number;
    readonly capabilities: readonly string[];
  };
}
