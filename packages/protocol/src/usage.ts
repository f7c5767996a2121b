import { USAGE_GROUPINGS } from "@coop/core";
import { z } from "zod";

const count = z.number().int().nonnegative();

/** Sums over jobs and attempts. */
export const usageCountsSchema = z.object({
  /** Jobs that ended, by how they did. */
  succeeded: count,
  failed: count,
  cancelled: count,
  expired: count,
  promptTokens: count,
  outputTokens: count,
  /** Charged to members, less what was given back. */
  chargedTokens: count,
  /** Time of nodes, ms: jobs that ran together on a node have a share of it each. */
  nodeMs: z.number().nonnegative(),
});
export type UsageCountsView = z.infer<typeof usageCountsSchema>;

/** `key`: the day, the model's name, the tier or the node's id; null for jobs that ended without a node. */
export const usageGroupSchema = usageCountsSchema.extend({ key: z.string().nullable() });

/**
 * `GET /v1/usage` and `GET /admin/usage`. A long range comes in pages of months, each with sums of its own:
 * the sums of the whole range are those of all pages together.
 */
export const usagePageSchema = z.object({
  object: z.literal("coop.usage"),
  /** Id of the member; null for all members together. */
  member: z.string().nullable(),
  /** First and last day of this page, `YYYY-MM-DD` in the co-op's time zone: the days on which jobs were asked for. */
  from: z.string(),
  to: z.string(),
  groupBy: z.enum(USAGE_GROUPINGS),
  data: z.array(usageGroupSchema).readonly(),
  /** For groups by node: the nodes' names by id. */
  nodeNames: z.record(z.string(), z.string()),
  total: usageCountsSchema,
  /** Give it as `cursor` for the next page; null on the last. */
  nextCursor: z.string().nullable(),
});
export type UsagePage = z.infer<typeof usagePageSchema>;
