import { z } from "zod";

/** What Ollama says on the wire, as far as the agent reads it. Unknown keys pass; a wrong type is a fault. */

const count = z.number().int().nonnegative();
const bytes = z.number().nonnegative();
/** Durations on the wire are nanoseconds. */
const nanoseconds = z.number().nonnegative();

export const versionSchema = z.object({
  version: z.string(),
  simulated: z
    .object({
      profile: z.string(),
      chip: z.string(),
      memoryBytes: bytes,
      slots: z.number().int().positive(),
      speedup: z.number().positive(),
    })
    .optional(),
});

const cloudMarks = { remote_model: z.string().optional(), remote_host: z.string().optional() };

export const tagsSchema = z.object({
  models: z.array(
    z.object({ name: z.string().min(1), digest: z.string(), size: bytes.default(0), ...cloudMarks }),
  ),
});

export const psSchema = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      size: bytes.default(0),
      context_length: count.optional(),
      /** When the engine drops it unless it is used again. */
      expires_at: z.string().optional(),
    }),
  ),
});

export const showSchema = z.object({
  capabilities: z.array(z.string()).default([]),
  model_info: z.record(z.string(), z.unknown()).default({}),
  details: z.object({ parameter_size: z.string().optional() }).optional(),
  ...cloudMarks,
});
export type Show = z.infer<typeof showSchema>;

const counters = {
  load_duration: nanoseconds.optional(),
  prompt_eval_count: count.optional(),
  /** Part of `prompt_eval_count` that came from the prefix cache. */
  prompt_eval_cached_count: count.optional(),
  prompt_eval_duration: nanoseconds.optional(),
  eval_count: count.optional(),
  eval_duration: nanoseconds.optional(),
};

const message = z.object({
  content: z.string().nullish(),
  thinking: z.string().nullish(),
  tool_calls: z
    .array(
      z.object({
        id: z.string().optional(),
        function: z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) }),
      }),
    )
    .nullish(),
});

const likelyToken = {
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.number()).nullable().default(null),
};
const logprobs = z
  .array(z.object({ ...likelyToken, top_logprobs: z.array(z.object(likelyToken)).nullish() }))
  .nullish();

/** One line of a chat: a piece of output, or the end with its counters. */
export const chatLineSchema = z.discriminatedUnion("done", [
  z.object({ done: z.literal(false), message, logprobs }),
  z.object({
    done: z.literal(true),
    message: message.optional(),
    logprobs,
    done_reason: z.string().optional(),
    ...counters,
  }),
]);
export type ChatLine = z.infer<typeof chatLineSchema>;
export type ChatEnd = Extract<ChatLine, { done: true }>;

export const embedSchema = z.object({
  embeddings: z.array(z.array(z.number())),
  prompt_eval_count: count.optional(),
  total_duration: nanoseconds.optional(),
  load_duration: nanoseconds.optional(),
});

export const loadSchema = z.object({ done: z.literal(true) });

export const nanosecondsToMs = (value: number | undefined): number => (value ?? 0) / 1e6;
