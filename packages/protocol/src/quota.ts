import { LIMIT_BOUNDS, TIERS } from "@coop/core";
import { z } from "zod";

/** Whole tokens, from none on. */
const tokens = z.number().int().nonnegative();
const ms = z.number();
const by = z.enum(["operator", "co-op"]);

/** A number of tokens a month that somebody may be given as a limit. */
export const quotaTokensSchema = tokens.max(LIMIT_BOUNDS.tokensPerMonthMost);

/** A calendar month, `YYYY-MM`. */
export const monthSchema = z
  .string()
  .regex(/^\d{4}-(0[1-9]|1[0-2])$/, "must be a month that exists, written YYYY-MM, such as 2026-11");

/** Where a member's tokens of the month come from. */
export const quotaSourceSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("equal-share"),
    /** What the fleet can make in a month. */
    capacityTokens: z.number(),
    /** How much of that is shared out, 1 for all of it. */
    shareOfCapacity: z.number(),
    /** Members who are enabled. */
    members: z.number().int(),
  }),
  /** An equal share of a fleet that nothing is known of yet: no limit. */
  z.object({ kind: z.literal("capacity-unknown") }),
  z.object({ kind: z.literal("set"), by }),
  z.object({ kind: z.literal("unlimited"), by }),
]);
export type QuotaSourceView = z.infer<typeof quotaSourceSchema>;

/** `GET /v1/quota`: the caller's month, and the limits that hold in it. Null: no limit. */
export const quotaSchema = z.object({
  object: z.literal("coop.quota"),
  member: z.string(),
  memberName: z.string(),
  /** `YYYY-MM` in the co-op's time zone. */
  month: z.string(),
  /** Floor and credit together. */
  limitTokens: tokens.nullable(),
  /** The limit before credit. */
  floorTokens: tokens.nullable(),
  source: quotaSourceSchema,
  /** Earned by the member's nodes and granted by operators; below zero when more was taken back. */
  creditTokens: z.number().int(),
  usedTokens: tokens,
  /** Held for jobs that have not ended. */
  heldTokens: tokens,
  /** What neither is used nor held. */
  leftTokens: tokens.nullable(),
  /** When the next month begins, ms since the Unix epoch. */
  resetsAtMs: ms,
  /** The co-op's, whose months count: an IANA name. */
  timeZone: z.string(),
  /** Tokens of jobs that ask for a tier: of each tier that has a cap or was asked for. */
  tiers: z.array(
    z.object({
      tier: z.enum(TIERS),
      limitTokens: tokens.nullable(),
      /** Who set the cap; null where there is none. */
      by: by.nullable(),
      usedTokens: tokens,
      heldTokens: tokens,
      leftTokens: tokens.nullable(),
    }),
  ),
  jobsAtOnce: z.object({ limit: z.number().int().nullable(), unfinished: z.number().int() }),
  requestsPerMinute: z.number().int().nullable(),
  /** Weight in the fair order; 1 is an equal share. */
  weight: z.number(),
  /** What `coop/auto` means for the member. */
  defaultTier: z.enum(TIERS),
});
export type QuotaView = z.infer<typeof quotaSchema>;

/** `POST /admin/members/:id/grants`: quota credit for a month; below zero takes back. `month` left out: this one. */
export const grantRequestSchema = z.strictObject({
  tokens: z
    .number()
    .int()
    .min(-LIMIT_BOUNDS.tokensPerMonthMost)
    .max(LIMIT_BOUNDS.tokensPerMonthMost)
    .refine((value) => value !== 0, "must be another number than 0"),
  month: monthSchema.optional(),
});

/** A grant as it was written down. */
export const grantViewSchema = z.object({
  object: z.literal("coop.grant"),
  member: z.string(),
  memberName: z.string(),
  month: z.string(),
  tokens: z.number().int(),
  /** The same Idempotency-Key granted it before: nothing was added. */
  repeated: z.boolean(),
  /** The month's credit now. */
  creditTokens: z.number().int(),
});
export type GrantView = z.infer<typeof grantViewSchema>;

/** `POST /admin/jobs/:id/refund`: what a job cost, given back to its member. */
export const refundViewSchema = z.object({
  object: z.literal("coop.refund"),
  job: z.string(),
  /** Given back now; 0 when it had been before. */
  tokens,
  repeated: z.boolean(),
});
export type RefundView = z.infer<typeof refundViewSchema>;
