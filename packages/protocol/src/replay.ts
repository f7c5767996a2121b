import { CAPABILITIES, PRIVACIES, TIERS } from "@coop/core";
import { z } from "zod";
import { modelReportSchema } from "./node-report.ts";

/**
 * What a simulation of the co-op's own past needs: sizes and times of jobs, and what machines can do. No prompt, no
 * answer, no label and no conversation is part of it.
 */

const count = z.number().int().nonnegative();
const ms = z.number();
const tier = z.enum(TIERS);

/** A job that has ended, as far as a simulation needs it. */
export const replayJobSchema = z.object({
  member: z.string(),
  weight: z.number().positive(),
  submittedAtMs: ms,
  endedAtMs: ms,
  outcome: z.enum(["succeeded", "failed", "cancelled", "expired"]),
  endpoint: z.enum(["chat", "embeddings"]),
  target: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("model"), model: z.string() }),
    z.object({ kind: z.literal("tier"), tier }),
  ]),
  askedTier: tier,
  privacy: z.enum(PRIVACIES),
  needs: z.array(z.enum(CAPABILITIES)),
  band: z.enum(["interactive", "batch"]),
  /** As counted where it ran, as estimated where it did not. */
  promptTokens: count,
  promptTokensMax: count,
  maxOutputTokens: count,
  /** Null where no attempt ended well. */
  outputTokens: count.nullable(),
});
export type ReplayJob = z.infer<typeof replayJobSchema>;

/** `GET /admin/replay/jobs`: one member's, newest first. */
export const replayJobListSchema = z.object({
  object: z.literal("list"),
  data: z.array(replayJobSchema),
  nextCursor: z.string().nullable(),
});
export type ReplayJobList = z.infer<typeof replayJobListSchema>;

export const replayMachineSchema = z.object({
  name: z.string(),
  owner: z.string(),
  /** Key of the machine catalogue's row, null when none fits. */
  profile: z.string().nullable(),
  slots: count,
  modelMemoryBytes: z.number().nonnegative(),
  /** How much one model's decode slows another's: 1 by turns, towards the batch factor in one batch. */
  interference: z.number().nonnegative(),
  tokensPerDay: count.nullable(),
  tokensPerMonth: count.nullable(),
  models: z.array(
    modelReportSchema
      .pick({
        name: true,
        capabilities: true,
        contextTokens: true,
        parameterCount: true,
        residentBytes: true,
        capacity: true,
      })
      .extend({ tier }),
  ),
});
export type ReplayMachine = z.infer<typeof replayMachineSchema>;

/** `GET /admin/replay/machines`: the fleet as it reported last, models behind a cloud aside. */
export const replayFleetSchema = z.object({
  object: z.literal("coop.replay-fleet"),
  /** Whose days and months token budgets have. */
  timeZone: z.string(),
  machines: z.array(replayMachineSchema),
});
export type ReplayFleet = z.infer<typeof replayFleetSchema>;

/** What the simulator is given. */
export const replayRequestSchema = z.object({
  fleet: replayFleetSchema,
  jobs: z.array(replayJobSchema),
  /** Machines to leave out, by name or by the beginning of their profile's key. */
  without: z.array(z.string()),
  /** Machines of the catalogue to add. */
  add: z.array(z.object({ profile: z.string(), count: z.number().int().min(1).max(1_000) })),
});
export type ReplayRequest = z.infer<typeof replayRequestSchema>;

const replayRunSchema = z.object({
  /** By the tier that was asked for. */
  tiers: z.array(
    z.object({
      tier,
      jobs: count,
      /** That no machine could ever serve. */
      beyond: count,
      /** That some could, and none did in the time. */
      unserved: count,
      meanWaitS: z.number().nullable(),
      p95WaitS: z.number().nullable(),
      meanLatencyS: z.number().nullable(),
      /** Jobs by the tier that served them. */
      servedBy: z.partialRecord(tier, count),
    }),
  ),
  nodes: z.array(
    z.object({
      name: z.string(),
      jobs: count,
      busyShare: z.number(),
      usedTokens: count,
      /** Of what its budgets allowed in the time; null without one. */
      spentShare: z.number().nullable(),
    }),
  ),
});
export type ReplayRun = z.infer<typeof replayRunSchema>;

/** What the simulator answers: the same jobs on the fleet as it is and as it would be. */
export const replayOutcomeSchema = z.object({
  object: z.literal("coop.replay"),
  jobs: count,
  /** Jobs that were cancelled or failed: not replayed. */
  leftOut: count,
  fromMs: ms,
  untilMs: ms,
  /** Mean time from submission to end of the jobs that succeeded, as it really was, seconds. */
  measuredLatencyS: z.number().nullable(),
  before: replayRunSchema,
  after: replayRunSchema,
});
export type ReplayOutcome = z.infer<typeof replayOutcomeSchema>;
