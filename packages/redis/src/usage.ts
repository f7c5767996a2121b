import { asNodeId, TIERS, WAIT_EDGES_MS, type UsageReader, type UsageRow, type WaitsOfDay } from "@coop/core";
import type { Redis } from "ioredis";
import { z } from "zod";
import type { Keys } from "./keys.ts";
import { answered } from "./store-unavailable.ts";

const count = z.coerce.number().int();
const day = z.string().regex(/^\d{4}-\d{2}-\d{2}$/);
/** Ends by how they were, prompt, output and charged tokens, microseconds of the node: as `rollUp` joins them. */
const row = z.preprocess(
  (text) => String(text).split(","),
  z.tuple([count, count, count, count, count, count, count, count]),
);
const placed = z.tuple([z.literal("row"), day, z.string(), z.enum(TIERS), z.string()]);
const unplaced = z.tuple([z.literal("row"), day]);
const waited = z.tuple([z.literal("wait"), day, count]);

/** Reads the usage that the settling scripts roll up. */
export function createUsageReader(redis: Redis, keys: Keys): UsageReader {
  return {
    async month(member, month) {
      const fields = Object.entries(await answered(redis.hgetall(keys.usage(member, month))));
      const ofKind = (kind: string) => fields.filter(([field]) => field.startsWith(`${kind}|`));
      return { member, month, rows: ofKind("row").map(rowOf), waits: waitsOf(ofKind("wait")) };
    },
  };
}

function rowOf([field, text]: readonly [string, string]): UsageRow {
  const [succeeded, failed, cancelled, expired, promptTokens, outputTokens, chargedTokens, nodeUs] =
    row.parse(text);
  return {
    ...placeOf(field),
    succeeded,
    failed,
    cancelled,
    expired,
    promptTokens,
    outputTokens,
    chargedTokens,
    nodeMs: Math.round(nodeUs / 1_000),
  };
}

/** Reads `row|day` and `row|day|node|tier|model`; a model's name may have a `|` itself. */
function placeOf(field: string): Pick<UsageRow, "day" | "place"> {
  const parts = field.split("|");
  if (parts.length === 2) return { day: unplaced.parse(parts)[1], place: null };
  const [, ofDay, node, tier, model] = placed.parse([...parts.slice(0, 4), parts.slice(4).join("|")]);
  return { day: ofDay, place: { node: asNodeId(node), model, tier } };
}

function waitsOf(fields: readonly (readonly [string, string])[]): readonly WaitsOfDay[] {
  const days = new Map<string, number[]>();
  for (const [field, jobs] of fields) {
    const [, ofDay, bucket] = waited.parse(field.split("|"));
    const buckets = days.get(ofDay) ?? Array.from({ length: WAIT_EDGES_MS.length + 1 }, () => 0);
    buckets[bucket] = count.parse(jobs);
    days.set(ofDay, buckets);
  }
  return [...days].map(([ofDay, jobs]) => ({ day: ofDay, jobs }));
}
