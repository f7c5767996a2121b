import { CAPABILITIES, CLOSED_REASONS, OWNERS_REASONS } from "@coop/core";
import type { Machine, NodeBudget, NodeReport, OwnersAvailability } from "@coop/core";
import { z } from "zod";

const count = z.number().int().nonnegative();
const tokens = count;
const figure = z.object({ value: z.number().nonnegative(), basis: z.enum(["prior", "measured"]) });

export const modelReportSchema = z.object({
  name: z.string().min(1).max(256),
  digest: z.string().max(128),
  capabilities: z.array(z.enum(CAPABILITIES)),
  contextTokens: tokens,
  parameterCount: z.number().nonnegative().nullable(),
  cloud: z.boolean(),
  loaded: z.boolean(),
  residentBytes: z.number().nonnegative(),
  capacity: z.object({
    fixedMsPerToken: figure,
    effectiveBytesPerSecond: figure,
    prefillTokensPerSecond: figure,
    batchFactor: figure,
    loadMs: figure,
    weightBytesPerToken: z.number().nonnegative(),
    kvBytesPerToken: z.number().nonnegative(),
  }),
});

const availabilityBy = <const Reasons extends readonly [string, ...string[]]>(reasons: Reasons) =>
  z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("open") }),
    z.object({ kind: z.literal("closed"), reason: z.enum(reasons), untilMs: z.number().nullable() }),
  ]);

/** Whether a node's owner lets it take anything new. */
export const availabilitySchema = availabilityBy(OWNERS_REASONS) satisfies z.ZodType<OwnersAvailability>;

export const nodeReportSchema = z.object({
  models: z.array(modelReportSchema).max(512),
  slots: z.number().int().min(0).max(256),
  modelMemoryBytes: z.number().nonnegative(),
  interference: figure,
  pressure: z.enum(["normal", "warning", "critical"]),
  thermal: z.enum(["nominal", "fair", "serious", "critical", "unknown"]),
  power: z.enum(["mains", "battery", "unknown"]),
  tokensPerDay: tokens.nullable(),
  // An older agent does not say these: it has no such limits.
  tokensPerMonth: tokens.nullable().default(null),
  servingSecondsPerDay: z.number().min(0).max(86_400).default(86_400),
  availability: availabilityBy(CLOSED_REASONS).default({ kind: "open" }),
  draining: z.boolean(),
  unhealthy: z.record(z.string(), z.string()),
  agent: z
    .object({
      residentBytes: z.number().nonnegative(),
      eventLoopLagP99Ms: z.number().nonnegative(),
      reconnects: count,
      unconfirmedBytes: z.number().nonnegative(),
    })
    .exactOptional(),
}) satisfies z.ZodType<NodeReport>;

/** What is left of a node's token budget, by the co-op's calendar; null for no limit. */
export const nodeBudgetSchema = z.object({
  dayLeftTokens: z.number().nullable(),
  dayEndsMs: z.number(),
  monthLeftTokens: z.number().nullable(),
  monthEndsMs: z.number(),
}) satisfies z.ZodType<NodeBudget>;

export const machineSchema = z.object({
  chip: z.string().max(200),
  profile: z.string().max(100).nullable(),
  platform: z.string().max(100),
  memoryBytes: z.number().nonnegative(),
  simulated: z.boolean(),
  agentVersion: z.string().max(50),
  engine: z.string().max(100),
}) satisfies z.ZodType<Machine>;
