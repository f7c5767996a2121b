import {
  asMemberId,
  asNodeId,
  CAPABILITIES,
  CLOSED_REASONS,
  TIERS,
  type FleetBoard,
  type FleetSnapshot,
  type NodeReport,
} from "@coop/core";
import type { Redis } from "ioredis";
import { z } from "zod";
import type { Keys } from "./keys.ts";
import type { RunScript } from "./script.ts";
import { answered } from "./store-unavailable.ts";

const figure = z.object({ value: z.number(), basis: z.enum(["prior", "measured"]) });

const report: z.ZodType<NodeReport> = z.object({
  models: z.array(
    z.object({
      name: z.string(),
      digest: z.string(),
      capabilities: z.array(z.enum(CAPABILITIES)),
      contextTokens: z.number(),
      parameterCount: z.number().nullable(),
      cloud: z.boolean(),
      loaded: z.boolean(),
      residentBytes: z.number(),
      capacity: z.object({
        fixedMsPerToken: figure,
        effectiveBytesPerSecond: figure,
        prefillTokensPerSecond: figure,
        batchFactor: figure,
        loadMs: figure,
        weightBytesPerToken: z.number(),
        kvBytesPerToken: z.number(),
      }),
    }),
  ),
  slots: z.number(),
  modelMemoryBytes: z.number(),
  interference: figure,
  pressure: z.enum(["normal", "warning", "critical"]),
  thermal: z.enum(["nominal", "fair", "serious", "critical", "unknown"]),
  power: z.enum(["mains", "battery", "unknown"]),
  tokensPerDay: z.number().nullable(),
  tokensPerMonth: z.number().nullable(),
  servingSecondsPerDay: z.number(),
  availability: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("open") }),
    z.object({
      kind: z.literal("closed"),
      reason: z.enum(CLOSED_REASONS),
      untilMs: z.number().nullable(),
    }),
  ]),
  draining: z.boolean(),
  unhealthy: z.record(z.string(), z.string()),
  agent: z
    .object({
      residentBytes: z.number(),
      eventLoopLagP99Ms: z.number(),
      reconnects: z.number(),
      unconfirmedBytes: z.number(),
    })
    .exactOptional(),
});

const snapshotSchema: z.ZodType<FleetSnapshot> = z.object({
  atMs: z.number(),
  pendingJobs: z.number(),
  queues: z
    .record(z.enum(TIERS), z.object({ jobs: z.number(), oldestMs: z.number().nullable() }))
    .exactOptional(),
  service: z
    .array(z.object({ member: z.string().transform(asMemberId), referenceS: z.number() }))
    .exactOptional(),
  nodes: z.array(
    z.object({
      identity: z.object({
        id: z.string().transform(asNodeId),
        name: z.string(),
        owner: z.string().transform(asMemberId),
      }),
      machine: z.object({
        chip: z.string(),
        profile: z.string().nullable(),
        platform: z.string(),
        memoryBytes: z.number(),
        simulated: z.boolean(),
        agentVersion: z.string(),
        engine: z.string(),
      }),
      report,
      connected: z.boolean(),
      lastSeenMs: z.number(),
      active: z.array(
        z.object({
          job: z.string(),
          model: z.string(),
          phase: z.enum(["assigned", "loading", "prefill", "decode"]),
          startedAtMs: z.number(),
          promptTokens: z.number(),
          maxOutputTokens: z.number(),
          outputTokens: z.number(),
        }),
      ),
      budget: z.object({
        dayLeftTokens: z.number().nullable(),
        dayEndsMs: z.number(),
        monthLeftTokens: z.number().nullable(),
        monthEndsMs: z.number(),
      }),
      tokenPriceS: z.number().exactOptional(),
      tiers: z.record(z.string(), z.enum(TIERS)),
    }),
  ),
});

/** The fleet snapshot as one value in Redis. A leader of the past cannot replace it. */
export function createFleetBoard(redis: Redis, keys: Keys, run: RunScript): FleetBoard {
  let last: { readonly text: string; readonly snapshot: FleetSnapshot | null } | null = null;
  return {
    async publish(fence, snapshot) {
      await run("publish-fleet", keys.fleet, [fence, JSON.stringify(snapshot)]);
    },
    async read() {
      const text = await answered(redis.get(keys.fleet));
      if (text === null) return null;
      // It is read more often than it changes, and a large fleet takes long to check.
      if (last?.text !== text) {
        const parsed = snapshotSchema.safeParse(JSON.parse(text));
        // Another version of the co-op wrote it; the scheduler publishes anew within a second or so.
        last = { text, snapshot: parsed.success ? parsed.data : null };
      }
      return last.snapshot;
    },
  };
}
