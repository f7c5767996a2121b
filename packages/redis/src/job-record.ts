import {
  asJobId,
  asMemberId,
  asNodeId,
  CAPABILITIES,
  PRIVACIES,
  TIERS,
  type JobRecord,
  type JobSpec,
  type JobState,
} from "@coop/core";
import { z } from "zod";

const count = z.int().nonnegative();

/** Reads JSON text of a shape. */
const json = <T>(schema: z.ZodType<T>) =>
  z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(schema);

const endpoint = z.enum(["chat", "embeddings"]);
const band = z.enum(["interactive", "batch"]);

/** A job's placement features, as stored and as published in a wake-up. */
export const jobSpecSchema: z.ZodType<JobSpec> = z.object({
  id: z.string().transform(asJobId),
  member: z.string().transform(asMemberId),
  weight: z.number(),
  endpoint,
  target: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("model"), model: z.string() }),
    z.object({ kind: z.literal("tier"), tier: z.enum(TIERS) }),
  ]),
  askedTier: z.enum(TIERS),
  privacy: z.enum(PRIVACIES),
  needs: z.array(z.enum(CAPABILITIES)),
  promptTokens: count,
  promptTokensMax: count,
  maxOutputTokens: count,
  band,
  attachment: z.enum(["attached", "detached"]),
  streamed: z.boolean(),
  submittedAtMs: count,
  deadlineMs: count,
  session: z.string().nullable(),
});

/** The same as the mirror reads it: only what BullMQ has to know is looked at. */
export const queuedSpecSchema = z.looseObject({ endpoint, band, submittedAtMs: count });

export const usageSchema = z.object({ promptTokens: count, outputTokens: count });
export const timingsSchema = z.object({
  loadMs: z.number(),
  prefillMs: z.number(),
  decodeMs: z.number(),
  totalMs: z.number(),
});
export const finishReasonSchema = z.enum(["stop", "length", "tool_calls"]);
export const cancelReasonSchema = z.enum(["member", "unfollowed", "unplaced", "server-stopped", "revoked"]);

const number = z.coerce.number().int();
const common = {
  spec: json(jobSpecSchema),
  metadata: json(z.record(z.string(), z.string())),
  epoch: number,
  attempts: number,
  excluded: z.string().transform((ids) => (ids === "" ? [] : ids.split(",").map(asNodeId))),
  delivered: number,
  bytes: number,
  lastSeq: number,
};
const place = { node: z.string().transform(asNodeId), model: z.string(), tier: z.enum(TIERS) };
const end = { charged: number, finishedAt: number, refundedAt: number.optional() };

const hashSchema = z.discriminatedUnion("state", [
  z.object({ ...common, state: z.literal("queued"), notBefore: number }),
  z.object({ ...common, ...place, state: z.literal("leased"), leaseUntil: number }),
  z.object({ ...common, ...place, state: z.literal("running"), leaseUntil: number }),
  z.object({
    ...common,
    ...place,
    ...end,
    state: z.literal("succeeded"),
    finishReason: finishReasonSchema,
    promptTokens: number,
    outputTokens: number,
    timings: json(timingsSchema),
  }),
  z.object({ ...common, ...end, state: z.literal("failed"), code: z.string(), message: z.string() }),
  z.object({ ...common, ...end, state: z.literal("cancelled"), reason: cancelReasonSchema }),
  z.object({ ...common, ...end, state: z.literal("expired"), reason: z.string() }),
]);

/** A job from its hash; null for no hash. Throws on a hash that no script wrote. */
export function recordFromHash(hash: Readonly<Record<string, string>>): JobRecord | null {
  if (Object.keys(hash).length === 0) return null;
  const job = hashSchema.parse(hash);
  return {
    spec: job.spec,
    state: stateOf(job),
    epoch: job.epoch,
    attempts: job.attempts,
    excludedNodes: job.excluded,
    deliveredTokens: job.delivered,
    deliveredBytes: job.bytes,
    lastSeq: job.lastSeq,
    metadata: job.metadata,
    refundedAtMs: "refundedAt" in job ? (job.refundedAt ?? null) : null,
  };
}

function stateOf(job: z.infer<typeof hashSchema>): JobState {
  switch (job.state) {
    case "queued":
      return { state: job.state, notBeforeMs: job.notBefore };
    case "leased":
    case "running":
      return {
        state: job.state,
        node: job.node,
        model: job.model,
        tier: job.tier,
        leaseUntilMs: job.leaseUntil,
      };
    case "succeeded":
      return {
        state: job.state,
        node: job.node,
        model: job.model,
        tier: job.tier,
        finishReason: job.finishReason,
        usage: { promptTokens: job.promptTokens, outputTokens: job.outputTokens },
        timings: job.timings,
        chargedTokens: job.charged,
        finishedAtMs: job.finishedAt,
      };
    case "failed":
      return {
        state: job.state,
        code: job.code,
        message: job.message,
        chargedTokens: job.charged,
        finishedAtMs: job.finishedAt,
      };
    case "cancelled":
      return {
        state: job.state,
        reason: job.reason,
        chargedTokens: job.charged,
        finishedAtMs: job.finishedAt,
      };
    case "expired":
      return {
        state: job.state,
        reason: job.reason,
        chargedTokens: job.charged,
        finishedAtMs: job.finishedAt,
      };
  }
}

/** The field-value pairs that HGETALL gives to a script, as a hash. */
export function hashFromPairs(pairs: readonly string[]): Record<string, string> {
  const hash: Record<string, string> = {};
  for (let i = 0; i + 1 < pairs.length; i += 2) hash[pairs[i] ?? ""] = pairs[i + 1] ?? "";
  return hash;
}
