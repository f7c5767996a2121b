import { LIMIT_BOUNDS, TIERS } from "@coop/core";
import { z } from "zod";
import { quotaSchema, quotaSourceSchema, quotaTokensSchema } from "./quota.ts";

const count = z.number().int().nonnegative();
const ms = z.number();

const { jobsAtOnceMost, requestsPerMinuteMost, weightLeast, weightMost } = LIMIT_BOUNDS;
const tier = z.enum(TIERS);

/** What is set for one member; what is left open follows the co-op's settings. */
export const memberLimitsSchema = z.object({
  tokensPerMonth: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("default") }),
    z.object({ kind: z.literal("tokens"), tokens: quotaTokensSchema }),
    z.object({ kind: z.literal("unlimited") }),
  ]),
  /** Null: no cap. A tier that is left out follows the co-op's settings. */
  tierTokensPerMonth: z.partialRecord(tier, quotaTokensSchema.nullable()),
  /** Null: the co-op's. */
  jobsAtOnce: z.number().int().min(1).max(jobsAtOnceMost).nullable(),
  /** Null: the co-op's. */
  requestsPerMinute: z.number().int().min(1).max(requestsPerMinuteMost).nullable(),
});

/** A tier's tokens to set: null for no cap, `"default"` for the co-op's again. */
const tierTokensChange = z.union([quotaTokensSchema.nullable(), z.literal("default")], {
  error: `must be a whole number of tokens from 0 to ${LIMIT_BOUNDS.tokensPerMonthMost}, null for no cap, or "default"`,
});

/** Limits to change; what is left out stays. */
const limitsChangeSchema = memberLimitsSchema
  .extend({ tierTokensPerMonth: z.partialRecord(tier, tierTokensChange) })
  .partial()
  .strict();
export type LimitsChange = z.infer<typeof limitsChangeSchema>;

const NAME_LENGTH = "must have 1 to 60 characters";
/** How a member is called: one line, and nothing that could be taken for an id, which names a member too. */
const name = z
  .string()
  .trim()
  .min(1, NAME_LENGTH)
  .max(60, NAME_LENGTH)
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, "must be one line, without invisible characters")
  .refine((given) => !given.startsWith("mem_"), 'must not begin with "mem_", as ids of members do');
const weight = z.number().min(weightLeast).max(weightMost);
/** `coop/auto` cannot mean a tier that nothing here serves. */
const defaultTier = tier.exclude(["frontier"]);

/** `POST /admin/members`. */
export const addMemberRequestSchema = z.strictObject({
  name,
  role: z.enum(["member", "operator"]).default("member"),
  limits: limitsChangeSchema.optional(),
  weight: weight.default(1),
  defaultTier: defaultTier.optional(),
});

/** `PATCH /admin/members/:id`; what is left out stays as it is. */
export const setMemberRequestSchema = z
  .strictObject({ name, limits: limitsChangeSchema, weight, defaultTier })
  .partial()
  .refine((change) => Object.keys(change).length > 0, "must name something to change");

export const memberViewSchema = z.object({
  id: z.string(),
  name: z.string(),
  role: z.enum(["member", "operator"]),
  limits: memberLimitsSchema,
  weight: z.number(),
  defaultTier: tier,
  createdAtMs: ms,
  /** Since when the member's keys are refused; null while they serve. */
  disabledAtMs: ms.nullable(),
  /** Since when only counts are left of the member, whose limits mean nothing then; null while it is one. */
  erasedAtMs: ms.nullable(),
});
export type MemberView = z.infer<typeof memberViewSchema>;

/** `GET /admin/members`: the members with the tokens of the month. */
export const memberListSchema = z.object({
  object: z.literal("list"),
  month: z.string(),
  data: z.array(
    memberViewSchema.extend({
      /** Floor and credit together; null: no limit. */
      limitTokens: count.nullable(),
      source: quotaSourceSchema,
      usedTokens: count,
      heldTokens: count,
    }),
  ),
});
export type MemberRow = z.infer<typeof memberListSchema>["data"][number];

/** `GET /admin/members/:id`: a member with the month. */
export const memberDetailSchema = memberViewSchema.extend({ quota: quotaSchema });
export type MemberDetail = z.infer<typeof memberDetailSchema>;
