import { z } from "zod";
import { labelsSchema } from "./labels.ts";

/**
 * What the OpenAI dialect asks, as far as the co-op answers. Unknown fields are ignored and told to the
 * member in a header. Fields that would change the answer and cannot be honoured are refused by name, never
 * dropped in silence.
 */

const textPart = z.object({ type: z.literal("text"), text: z.string() });
const imagePart = z.object({
  type: z.literal("image_url"),
  image_url: z.object({ url: z.string(), detail: z.enum(["auto", "low", "high"]).nullish() }),
});
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
    /** What the model thought, under either name that clients send back. */
    reasoning_content: z.string().nullish(),
    reasoning: z.string().nullish(),
    tool_calls: z.array(toolCall).max(128).nullish(),
  }),
  z.object({ role: z.literal("tool"), content: textOrParts, tool_call_id: z.string().max(200) }),
]);
export type OpenaiMessage = z.infer<typeof openaiMessageSchema>;

const jsonSchema = z.record(z.string(), z.unknown());

const responseFormat = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text") }),
  z.object({ type: z.literal("json_object") }),
  z.object({
    type: z.literal("json_schema"),
    json_schema: z.object({
      name: z.string().max(200).optional(),
      description: z.string().optional(),
      schema: jsonSchema,
      /** Either way the engine holds the model to the schema. */
      strict: z.boolean().nullish(),
    }),
  }),
]);

const tool = z.object({
  type: z.literal("function", { error: "only tools of type function" }),
  function: z.object({
    name: z.string().min(1).max(200),
    description: z.string().nullish(),
    parameters: jsonSchema.nullish(),
    strict: z.boolean().nullish(),
  }),
});

const toolChoice = z.union(
  [
    z.enum(["none", "auto", "required"]),
    z.object({ type: z.literal("function"), function: z.object({ name: z.string().min(1).max(200) }) }),
  ],
  { error: "none, auto, required, or a function of the tools by its name" },
);

const refusedField = (why: string) => z.null({ error: why }).optional();

/** `POST /v1/chat/completions`. */
export const chatCompletionRequestSchema = z.object({
  model: z.string().min(1).max(256),
  messages: z.array(openaiMessageSchema).min(1).max(10_000),
  stream: z.boolean().nullish(),
  stream_options: z
    .object({ include_usage: z.boolean().nullish(), include_obfuscation: z.boolean().nullish() })
    .nullish(),
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
  /** `none` and `minimal` turn thinking off, the others set its level where the model has levels, else on. */
  reasoning_effort: z.enum(["none", "minimal", "low", "medium", "high", "xhigh"]).nullish(),
  response_format: responseFormat.nullish(),
  tools: z.array(tool).max(256).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  /** Null in the answer where the engine tells none. */
  logprobs: z.boolean().nullish(),
  top_logprobs: z.number().int().min(0).max(20).nullish(),
  n: z.literal(1, { error: "only one choice a request; send several requests instead" }).nullish(),
  user: z.string().max(512).nullish(),
  metadata: labelsSchema.nullish(),
  /** The dialect's own key of a conversation; used to keep it on one node. */
  prompt_cache_key: z.string().max(500).nullish(),
  modalities: z.array(z.literal("text", { error: "only text is answered" })).nullish(),
  logit_bias: z.record(z.string(), z.never({ error: "no engine here takes biases of tokens" })).nullish(),
  functions: refusedField("the old form of tools; use tools"),
  function_call: refusedField("the old form of tool_choice; use tool_choice"),
  audio: refusedField("only text is answered"),
  web_search_options: refusedField("the co-op does not search the web"),
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
  user: z.string().max(512).nullish(),
});
export type EmbeddingsRequest = z.infer<typeof embeddingsRequestSchema>;
