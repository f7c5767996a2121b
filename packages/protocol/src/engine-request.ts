import { z } from "zod";

export const toolCallSchema = z.object({ id: z.string(), name: z.string(), arguments: z.string() });

export const chatMessageSchema = z.object({
  role: z.enum(["system", "user", "assistant", "tool"]),
  content: z.string(),
  /** What the model thought before an answer of its own, for models that read it again. */
  reasoning: z.string().optional(),
  /** Base64, no data URL prefix. */
  images: z.array(z.string()).optional(),
  toolCalls: z.array(toolCallSchema).optional(),
  toolCallId: z.string().optional(),
  toolName: z.string().optional(),
});
export type ChatMessage = z.infer<typeof chatMessageSchema>;

export const toolDefinitionSchema = z.object({
  name: z.string(),
  description: z.string().optional(),
  /** JSON schema. */
  parameters: z.record(z.string(), z.unknown()).optional(),
});

export const samplingSchema = z.object({
  temperature: z.number().optional(),
  topP: z.number().optional(),
  seed: z.number().int().optional(),
  stop: z.array(z.string()).optional(),
  frequencyPenalty: z.number().optional(),
  presencePenalty: z.number().optional(),
});

/** What an engine is asked to do; independent of the dialect that a member spoke. */
export const engineRequestSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("chat"),
    messages: z.array(chatMessageSchema),
    tools: z.array(toolDefinitionSchema).optional(),
    /** The answer must be calls of these tools; left out: the model decides. */
    toolChoice: z.literal("required").optional(),
    /** False: at most one call of a tool an answer. */
    parallelToolCalls: z.boolean().optional(),
    /** How many of the likeliest tokens to tell with each token's log probability; left out: none of it. */
    topLogprobs: z.number().int().min(0).max(20).optional(),
    /** "json" for any JSON object, or a JSON schema. */
    format: z.union([z.literal("json"), z.record(z.string(), z.unknown())]).optional(),
    think: z.union([z.boolean(), z.enum(["low", "medium", "high"])]).optional(),
    sampling: samplingSchema,
    maxOutputTokens: z.number().int().positive(),
  }),
  z.object({
    kind: z.literal("embed"),
    inputs: z.array(z.string()),
    dimensions: z.number().int().positive().optional(),
  }),
]);
export type EngineRequest = z.infer<typeof engineRequestSchema>;
