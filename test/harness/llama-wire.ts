import type { ServerResponse } from "node:http";
import { z } from "zod";

/** Ollama's wire protocol, as far as the engine on llama.cpp understands it. Anything else is refused. */

const options = z
  .object({
    /** Context that a request without it gets, tokens: Ollama's own. */
    num_ctx: z.number().int().positive().default(4096),
    num_predict: z.number().int().positive().default(128),
    temperature: z.number().min(0).default(0.8),
    top_p: z.number().min(0).max(1).default(0.9),
    seed: z.number().int().optional(),
    stop: z.array(z.string()).default([]),
  })
  .prefault({});

/** Flat objects: enough to see that a schema arrives. */
const format = z.object({
  type: z.literal("object"),
  properties: z.record(z.string(), z.object({ type: z.enum(["boolean", "integer", "string"]) })),
});

export const chatBodySchema = z.object({
  model: z.string(),
  messages: z
    .array(z.object({ role: z.enum(["system", "user", "assistant"]), content: z.string() }))
    .nonempty(),
  stream: z.literal(true).default(true),
  truncate: z.literal(false),
  shift: z.literal(false),
  format: format.optional(),
  options,
});
export type ChatBody = z.infer<typeof chatBodySchema>;

/** Loading and unloading; prompts come as chats. */
export const generateBodySchema = z.object({
  model: z.string(),
  prompt: z.literal("").default(""),
  keep_alive: z.number().default(300),
  options,
});

export const embedBodySchema = z.object({
  model: z.string(),
  input: z.union([z.string(), z.array(z.string())]),
  dimensions: z.number().int().positive().optional(),
  truncate: z.literal(false).optional(),
  options,
});
export type EmbedBody = z.infer<typeof embedBodySchema>;

export const showBodySchema = z.object({ model: z.string() });

/** The reply to a request that cannot be served. */
export class WireError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** @throws WireError 400 that names the first thing wrong */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new WireError(400, `invalid request: ${z.prettifyError(parsed.error)}`);
}

export function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
