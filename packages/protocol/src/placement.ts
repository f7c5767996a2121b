import { REFUSAL_REASONS, TIERS } from "@coop/core";
import { z } from "zod";

const seconds = z.number();
/** Tiers, lowest first (`tierSchema.options`). */
export const tierSchema = z.enum(TIERS);

const costTermsSchema = z.object({
  waitS: seconds,
  loadS: seconds,
  prefillS: seconds,
  decodeS: seconds,
  sharingS: seconds,
  coRunnersS: seconds,
  queueS: seconds,
  evictionS: seconds,
  budgetS: seconds,
  totalS: seconds,
});
export type CostTermsView = z.infer<typeof costTermsSchema>;

const optionSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("costed"),
    model: z.string(),
    tier: tierSchema,
    startsNow: z.boolean(),
    cost: costTermsSchema,
  }),
  z.object({
    kind: z.literal("refused"),
    model: z.string().nullable(),
    refusals: z.array(
      z.object({ reason: z.enum(REFUSAL_REASONS), passing: z.boolean(), detail: z.string() }),
    ),
  }),
]);

/** `GET /v1/jobs/:id/placement`: the decision that placed a job, or what it would be now while it waits. */
export const placementSchema = z.object({
  atMs: z.number(),
  decision: z.discriminatedUnion("kind", [
    z.object({
      kind: z.literal("assigned"),
      node: z.string(),
      nodeName: z.string(),
      model: z.string(),
      tier: tierSchema,
    }),
    z.object({
      kind: z.literal("held"),
      forNode: z.string(),
      forNodeName: z.string(),
      model: z.string(),
      expectedWaitS: seconds,
    }),
    z.object({ kind: z.literal("waiting"), why: z.string() }),
    z.object({ kind: z.literal("impossible"), why: z.string() }),
  ]),
  nodes: z.array(
    z.object({
      node: z.string(),
      nodeName: z.string(),
      simulated: z.boolean(),
      options: z.array(optionSchema),
    }),
  ),
});
export type PlacementView = z.infer<typeof placementSchema>;
