import {
  asNodeId,
  OperationalError,
  parsePosition,
  TIERS,
  type Delta,
  type JobId,
  type OutputEntry,
  type OutputEvent,
} from "@coop/core";
import { z } from "zod";
import { cancelReasonSchema, finishReasonSchema, timingsSchema, usageSchema } from "./job-record.ts";
import type { Vault } from "./vault.ts";

const eventSchema: z.ZodType<OutputEvent> = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("placed"),
    node: z.string().transform(asNodeId),
    nodeName: z.string(),
    model: z.string(),
    tier: z.enum(TIERS),
    restarted: z.boolean(),
  }),
  z.object({
    kind: z.literal("succeeded"),
    finishReason: finishReasonSchema,
    usage: usageSchema,
    timings: timingsSchema,
  }),
  z.object({ kind: z.literal("failed"), code: z.string(), message: z.string(), usage: usageSchema }),
  z.object({ kind: z.literal("cancelled"), reason: cancelReasonSchema, usage: usageSchema }),
  z.object({ kind: z.literal("expired"), reason: z.string(), usage: usageSchema }),
]);

const likelyToken = { token: z.string(), logprob: z.number(), bytes: z.array(z.number()).nullable() };

const deltasSchema: z.ZodType<Delta[]> = z.array(
  z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("content"), text: z.string() }),
    z.object({
      kind: z.literal("logprobs"),
      tokens: z.array(z.object({ ...likelyToken, top: z.array(z.object(likelyToken)) })),
    }),
    z.object({ kind: z.literal("reasoning"), text: z.string() }),
    z.object({
      kind: z.literal("tool-call"),
      index: z.number(),
      call: z.object({ id: z.string(), name: z.string(), arguments: z.string() }),
    }),
    z.object({ kind: z.literal("embedding"), index: z.number(), vector: z.array(z.number()) }),
  ]),
);

/** An entry as the scripts store and publish it: its id, and one field that names the form of its body. */
export interface StoredEntry {
  readonly id: string;
  readonly field: string;
  readonly body: string;
}

/** Reads a stored entry; `deltas` are opened with the vault. Throws on one that no script wrote. */
export function decodeEntry(job: JobId, { id, field, body }: StoredEntry, vault: Vault): OutputEntry {
  const position = parsePosition(id);
  if (position === null) throw new Error(`broken invariant: ${id} is no position of an output entry`);
  if (field === "event") return { job, position, event: eventSchema.parse(JSON.parse(body)) };
  const text = vault.open(body);
  if (text === null) {
    throw new OperationalError(
      "output-unavailable",
      `The output of ${job} is past its retention: its key was deleted.`,
    );
  }
  return { job, position, event: { kind: "deltas", deltas: deltasSchema.parse(JSON.parse(text)) } };
}

/** Takes a message of the output channel apart: `job position field body`. */
export function parseMessage(message: string): { readonly job: string; readonly entry: StoredEntry } {
  const [job = "", id = "", field = ""] = message.split(" ", 3);
  return { job, entry: { id, field, body: message.slice(job.length + id.length + field.length + 3) } };
}
