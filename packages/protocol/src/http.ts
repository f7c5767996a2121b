import { PRIVACIES, TIERS } from "@coop/core";
import { z } from "zod";
import { labelsSchema } from "./labels.ts";
import { nodeBudgetSchema } from "./node-report.ts";

const count = z.number().int().nonnegative();
const ms = z.number();

/** `GET /v1/jobs/:id` and the rows of `GET /v1/jobs`: a job as its member sees it. Times are ms since the Unix epoch. */
export const jobViewSchema = z.object({
  id: z.string(),
  object: z.literal("coop.job"),
  state: z.enum(["queued", "leased", "running", "succeeded", "failed", "cancelled", "expired"]),
  endpoint: z.enum(["chat", "embeddings"]),
  /** As the member wrote it: a model's name or `coop/<tier>`. */
  requested: z.string(),
  privacy: z.enum(PRIVACIES),
  attachment: z.enum(["attached", "detached"]),
  submittedAtMs: ms,
  finishedAtMs: ms.nullable(),
  attempts: count,
  node: z.string().nullable(),
  nodeName: z.string().nullable(),
  model: z.string().nullable(),
  tier: z.enum(TIERS).nullable(),
  /** Output tokens so far while it runs, in all once it ended. */
  outputTokens: count,
  promptTokens: count.nullable(),
  /** What it counts in the month's quota: what was charged at its end, 0 once that was given back. */
  chargedTokens: count,
  /** What an operator gave back of it. */
  refundedTokens: count,
  refundedAtMs: ms.nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  metadata: z.record(z.string(), z.string()),
  /** Only on `GET /v1/jobs/:id` of a job that succeeded, while its retention lasts. */
  result: z
    .object({
      content: z.string(),
      reasoning: z.string().nullable(),
      toolCalls: z.array(z.object({ id: z.string(), name: z.string(), arguments: z.string() })),
      embeddings: z.array(z.array(z.number())),
      finishReason: z.string(),
    })
    .nullable(),
});
export type JobView = z.infer<typeof jobViewSchema>;

/** The longest that a job may wait and run, seconds. */
export const LONGEST_DEADLINE_SECONDS = 7 * 86_400;

/**
 * `POST /v1/jobs`: a job that runs whoever watches. `request` is the body that the endpoint of the OpenAI
 * dialect takes (`stream` in it changes nothing). The answer is 202 with the job's view.
 */
export const submitJobRequestSchema = z.object({
  endpoint: z.enum(["chat", "embeddings"]).default("chat"),
  request: z.unknown(),
  /** Until the job must have finished, seconds from now; a day when left out. */
  deadlineSeconds: z.number().int().positive().max(LONGEST_DEADLINE_SECONDS).optional(),
  /** Batch work waits behind interactive work. */
  band: z.enum(["interactive", "batch"]).default("batch"),
  metadata: labelsSchema.default({}),
});
export type SubmitJobRequest = z.infer<typeof submitJobRequestSchema>;

export const jobListSchema = z.object({
  object: z.literal("list"),
  data: z.array(jobViewSchema),
  nextCursor: z.string().nullable(),
});

/** Events of `GET /v1/jobs/:id/events` (SSE): `event:` is the kind, `id:` the position `epoch-seq`, `data:` the core's OutputEvent as JSON. */

const figureSchema = z.object({ value: z.number(), basis: z.enum(["prior", "measured"]) });

/** A row of `GET /v1/nodes`. */
export const nodeRowSchema = z.object({
  id: z.string(),
  name: z.string(),
  owner: z.string(),
  ownerName: z.string(),
  connected: z.boolean(),
  lastSeenMs: ms,
  draining: z.boolean(),
  machine: z.object({
    chip: z.string(),
    platform: z.string(),
    memoryBytes: z.number(),
    simulated: z.boolean(),
    agentVersion: z.string(),
    engine: z.string(),
  }),
  slots: count,
  active: count,
  pressure: z.string(),
  thermal: z.string(),
  power: z.string(),
  /** Why its owner or an operator lets it take nothing new at present, null while it may; until when, ms since the Unix epoch. */
  closed: z.object({ reason: z.string(), untilMs: z.number().nullable() }).nullable(),
  budget: nodeBudgetSchema,
  models: z.array(
    z.object({
      name: z.string(),
      tier: z.enum(TIERS),
      loaded: z.boolean(),
      contextTokens: count,
      cloud: z.boolean(),
      capabilities: z.array(z.string()),
      /** One generation alone at an empty context, tokens/s. */
      decodeTokensPerSecond: figureSchema,
      prefillTokensPerSecond: figureSchema,
      loadMs: figureSchema,
      unhealthy: z.string().nullable(),
    }),
  ),
});
export type NodeRow = z.infer<typeof nodeRowSchema>;
export const nodeListSchema = z.object({
  object: z.literal("list"),
  data: z.array(nodeRowSchema),
  snapshotAtMs: ms.nullable(),
});

/** `GET /v1/fleet`: totals. */
export const fleetSchema = z.object({
  object: z.literal("coop.fleet"),
  nodes: count,
  connected: count,
  slots: count,
  active: count,
  pendingJobs: count,
  tiers: z.array(
    z.object({
      tier: z.enum(TIERS),
      models: z.array(z.string()),
      nodes: count,
      decodeTokensPerSecond: z.number(),
    }),
  ),
});

/** Longest life that a key may be given: ten years. */
const LONGEST_KEY_SECONDS = 3_650 * 86_400;
/** Longest time that a replaced key may go on beside the new one: 30 days. */
const LONGEST_OVERLAP_SECONDS = 30 * 86_400;

/** `POST /admin/members/:id/keys`; the key is shown once. Without `expiresInSeconds` it serves until it is revoked. */
export const createKeyRequestSchema = z.object({
  defaultPrivacy: z.enum(PRIVACIES).default("coop"),
  expiresInSeconds: z.number().int().positive().max(LONGEST_KEY_SECONDS).optional(),
});
export const createdKeySchema = z.object({
  id: z.string(),
  key: z.string(),
  member: z.string(),
  expiresAtMs: ms.nullable(),
});

export type CreatedKey = z.infer<typeof createdKeySchema>;

/**
 * `POST /admin/keys/:id/rotate`: a new key like the old one, which serves for `overlapSeconds` more, and without
 * them no longer. The answer is the new key.
 */
export const rotateKeyRequestSchema = z.object({
  overlapSeconds: z.number().int().nonnegative().max(LONGEST_OVERLAP_SECONDS).default(0),
});

/** `GET /admin/members/:id/keys`: without the keys themselves, which nobody keeps. */
export const keyListSchema = z.object({
  object: z.literal("list"),
  data: z.array(
    z.object({
      id: z.string(),
      /** How the key begins: by this a person knows it again. */
      prefix: z.string(),
      defaultPrivacy: z.enum(PRIVACIES),
      createdAtMs: ms,
      expiresAtMs: ms.nullable(),
      /** To the minute; null when it was never used. */
      lastUsedAtMs: ms.nullable(),
      revokedAtMs: ms.nullable(),
    }),
  ),
});
export type KeyList = z.infer<typeof keyListSchema>;

/** `POST /admin/join-tokens`. `member`: id or name; left out: the caller. */
export const createJoinTokenRequestSchema = z.object({ member: z.string().optional() });
export const createdJoinTokenSchema = z.object({
  token: z.string(),
  member: z.string(),
  memberName: z.string(),
  expiresAtMs: ms,
  command: z.string(),
});

/** A node's registration, as operators see it. */
export const nodeRegistrationSchema = z.object({
  id: z.string(),
  name: z.string(),
  owner: z.string(),
  joinedAtMs: ms,
  revokedAtMs: ms.nullable(),
  /** Since when it takes nothing new on an operator's word; null while it may. */
  drainedAtMs: ms.nullable(),
});
export type NodeRegistrationRow = z.infer<typeof nodeRegistrationSchema>;

/** `GET /admin/nodes`: every node that ever joined, also those that no longer may connect. */
export const nodeRegistrationListSchema = z.object({
  object: z.literal("list"),
  /** Of the agent that this server hands out; null when it hands out none. */
  agentVersion: z.string().nullable(),
  data: z.array(nodeRegistrationSchema),
});
export type NodeRegistrationList = z.infer<typeof nodeRegistrationListSchema>;

/** Error body of every endpoint that has no dialect of its own, and of the OpenAI dialect. */
export const problemSchema = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    /** The field or header at fault. */
    param: z.string().nullable(),
    code: z.string().nullable(),
    /** For refusals by placement: each node's reasons. */
    nodes: z.array(z.object({ node: z.string(), reasons: z.array(z.string()) })).optional(),
    /** For an unknown model: the nearest names. */
    nearest: z.array(z.string()).optional(),
  }),
});
export type Problem = z.infer<typeof problemSchema>;
