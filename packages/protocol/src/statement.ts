import { z } from "zod";
import { usageCountsSchema, usageGroupSchema } from "./usage.ts";

const tokens = z.number().int();
const ms = z.number();

/** An amount of money; `without` names the nodes whose part is not in it because their price is missing. */
const amountSchema = z.object({ amount: z.number(), without: z.array(z.string()).readonly() });

/** A quantile from a histogram: interpolated, with the edges between which the true value lies. */
const waitQuantileSchema = z.object({ ms, atLeastMs: ms, atMostMs: ms.nullable() });
const waitsSchema = z.object({
  jobs: z.number().int(),
  p50: waitQuantileSchema.nullable(),
  p95: waitQuantileSchema.nullable(),
});

const quotaFiguresSchema = z.object({
  usedTokens: tokens,
  heldTokens: tokens,
  creditTokens: tokens,
  /** Before credit, and with it; null for no limit. */
  floorTokens: tokens.nullable(),
  limitTokens: tokens.nullable(),
});

const fixedCostsSchema = z.object({
  sharedBy: z.number().int(),
  hardware: amountSchema,
  idleElectricity: amountSchema,
  other: z.number(),
  total: amountSchema,
});

const nodeMonthSchema = z.object({
  node: z.string(),
  name: z.string(),
  ownerName: z.string(),
  machine: z.string().nullable(),
  simulated: z.boolean(),
  servingMs: ms,
  busyMs: ms,
  utilisation: z.number().nullable(),
  busyKwh: z.number().nullable(),
  busyCost: z.number().nullable(),
  hardwareCost: z.number().nullable(),
  idleCost: z.number().nullable(),
});

/** `GET /v1/statement` and `GET /admin/statement`: a month of a member, or of the fleet. Amounts are in `currency`. */
export const statementSchema = z.object({
  object: z.literal("coop.statement"),
  coop: z.string(),
  subject: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("member"), member: z.string(), name: z.string() }),
    z.object({ kind: z.literal("fleet"), members: z.number().int() }),
  ]),
  /** `YYYY-MM` in the time zone. */
  month: z.string(),
  timeZone: z.string(),
  /** False while the month runs: costs then count up to `untilMs`. */
  complete: z.boolean(),
  untilMs: ms,
  currency: z.string(),
  usage: usageCountsSchema,
  waits: waitsSchema,
  /** Null for the fleet. */
  quota: quotaFiguresSchema.nullable(),
  days: z.array(usageGroupSchema).readonly(),
  tiers: z.array(usageGroupSchema).readonly(),
  models: z.array(usageGroupSchema).readonly(),
  nodes: z
    .array(
      usageGroupSchema.extend({
        name: z.string().nullable(),
        simulated: z.boolean(),
        energyKwh: z.number().nullable(),
        energyCost: z.number().nullable(),
      }),
    )
    .readonly(),
  costs: z.object({
    energyKwh: z.number(),
    energy: amountSchema,
    fixed: fixedCostsSchema,
    total: amountSchema,
    perMillionTokens: amountSchema.nullable(),
    cloud: z
      .array(
        z.object({
          name: z.string(),
          inputPerMillion: z.number(),
          outputPerMillion: z.number(),
          cost: z.number(),
        }),
      )
      .readonly(),
  }),
  /** All members and nodes together. */
  fleet: z.object({
    tokens,
    servingMs: ms,
    busyMs: ms,
    /** Busy by serving time; null where no node could serve. */
    utilisation: z.number().nullable(),
    cost: amountSchema,
    perMillionTokens: amountSchema.nullable(),
    nodes: z.array(nodeMonthSchema).readonly(),
  }),
  missingPrices: z
    .array(
      z.object({ node: z.string(), name: z.string(), machine: z.string().nullable(), remedy: z.string() }),
    )
    .readonly(),
  /** One a member; empty on a member's own statement. */
  members: z
    .array(
      usageCountsSchema.extend({
        member: z.string(),
        name: z.string(),
        waits: waitsSchema,
        quota: quotaFiguresSchema,
        energy: amountSchema,
        fixedShare: amountSchema,
        total: amountSchema,
      }),
    )
    .readonly(),
});
export type StatementView = z.infer<typeof statementSchema>;
