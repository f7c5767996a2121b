import { z } from "zod";

const tierTokens = z.object({
  edge: z.number().optional(),
  "local-small": z.number().optional(),
  "local-large": z.number().optional(),
  frontier: z.number().optional(),
});

/** `GET /admin/settings`: what the server read from the co-op's `coop.yaml` when it started. */
export const settingsViewSchema = z.object({
  object: z.literal("coop.settings"),
  name: z.string(),
  timeZone: z.string(),
  quotas: z.object({
    tokensPerMonth: z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("equal-share"), shareOfCapacity: z.number() }),
      z.object({ kind: z.literal("tokens"), tokens: z.number() }),
      z.object({ kind: z.literal("unlimited") }),
    ]),
    tierTokensPerMonth: tierTokens,
    jobsAtOnce: z.number().nullable(),
    requestsPerMinute: z.number().nullable(),
  }),
  contribution: z.object({ creditPerMille: tierTokens.required() }),
  /** 0: until it was delivered. */
  retentionMs: z.number(),
  money: z.object({
    currency: z.string(),
    electricityPerKwh: z.number(),
    hardwareMonths: z.number(),
    otherPerMonth: z.number(),
    machines: z.record(
      z.string(),
      z.object({ price: z.number(), busyWatts: z.number(), idleWatts: z.number() }),
    ),
    cloudPrices: z.array(
      z.object({ name: z.string(), inputPerMillion: z.number(), outputPerMillion: z.number() }),
    ),
  }),
});
export type SettingsView = z.infer<typeof settingsViewSchema>;
