import {
  asNodeId,
  TIERS,
  WAIT_EDGES_MS,
  type MemberId,
  type MemberUsageSums,
  type UsageCounts,
  type UsageOfDay,
  type UsageOfPlace,
  type UsageReader,
} from "@coop/core";
import { z } from "zod";
import type { Keys } from "./keys.ts";
import type { RunScript } from "./script.ts";

/**
 * Reads the usage that the settling scripts roll up. By expressions and not by schemas: a busy month of a member has
 * a thousand fields, and a report reads every member's while others wait for the server.
 */
export function createUsageReader(keys: Keys, run: RunScript): UsageReader {
  return {
    async month(member, month) {
      const text = await run("read-usage", keys.usage(member, month), []);
      const rows = fieldsOf(String(text)).flatMap(([field, value]) =>
        // Waits of days are kept for the sums.
        field.startsWith("wait|") ? [] : [rowOf(field, value) ?? broken(field, value)],
      );
      return { member, month, rows };
    },
    async sums(members, month) {
      const pairs = members.flatMap((member) => [keys.usageSums(member, month), keys.usage(member, month)]);
      const [first] = pairs;
      if (first === undefined) return [];
      const texts = textsReply.parse(await run("read-sums", first, pairs));
      return members.map((member, index) => sumsOf(member, month, texts[index] ?? ""));
    },
  };
}

const textsReply = z.array(z.string());
/** Fields and values in turn. */
const fieldsReply = z.array(z.string());

function fieldsOf(text: string): readonly (readonly [field: string, value: string])[] {
  const fields = fieldsReply.parse(JSON.parse(text));
  return Array.from({ length: fields.length / 2 }, (_, i) => [fields[i * 2] ?? "", fields[i * 2 + 1] ?? ""]);
}

function broken(field: string, text: string): never {
  throw new Error(`broken invariant: usage has ${JSON.stringify(text)} in ${JSON.stringify(field)}`);
}

/** `row|day` and `row|day|node|tier|model`; a model's name may have a `|` itself. */
const ROW = /^row\|(\d{4}-\d{2}-\d{2})(?:\|([^|]+)\|([^|]+)\|(.+))?$/;
/** The same without the day. */
const PLACE = /^place(?:\|([^|]+)\|([^|]+)\|(.+))?$/;
const DAY = /^day\|(\d{4}-\d{2}-\d{2})$/;
const WAIT = /^wait\|(\d+)$/;
/** Ends by how they were, prompt, output and charged tokens, time of the node: as `rollUp` joins them. */
const COUNTS = /^(\d+),(\d+),(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)$/;

function rowOf(field: string, text: string): (UsageOfDay & UsageOfPlace) | null {
  const [, day, node, tier, model] = ROW.exec(field) ?? [];
  const place = placeOf(node, tier, model);
  const counts = countsOf(text);
  if (day === undefined || place === undefined || counts === null) return null;
  return { day, place, ...counts, nodeMs: Math.round(counts.nodeMs / 1_000) };
}

function sumsOf(member: MemberId, month: string, text: string): MemberUsageSums {
  const days: UsageOfDay[] = [];
  const places: UsageOfPlace[] = [];
  const waits = Array.from({ length: WAIT_EDGES_MS.length + 1 }, () => 0);
  for (const [field, value] of fieldsOf(text)) {
    const counts = countsOf(value);
    const day = DAY.exec(field)?.[1];
    const named = PLACE.exec(field);
    const place = named === null ? undefined : placeOf(named[1], named[2], named[3]);
    const bucket = WAIT.exec(field)?.[1];
    if (counts !== null && day !== undefined) days.push({ ...counts, day });
    else if (counts !== null && place !== undefined) places.push({ ...counts, place });
    else if (Number(bucket) in waits && /^\d+$/.test(value)) waits[Number(bucket)] = Number(value);
    else broken(field, value);
  }
  return { member, month, days, places, waits };
}

/** Undefined for parts that make no place. */
function placeOf(
  node: string | undefined,
  tierName: string | undefined,
  model: string | undefined,
): UsageOfPlace["place"] | undefined {
  if (node === undefined) return null;
  const tier = TIERS.find((one) => one === tierName);
  return tier === undefined || model === undefined ? undefined : { node: asNodeId(node), tier, model };
}

/** The last as it is written. */
function countsOf(text: string): UsageCounts | null {
  const counts = COUNTS.exec(text);
  if (counts === null) return null;
  return {
    succeeded: Number(counts[1]),
    failed: Number(counts[2]),
    cancelled: Number(counts[3]),
    expired: Number(counts[4]),
    promptTokens: Number(counts[5]),
    outputTokens: Number(counts[6]),
    chargedTokens: Number(counts[7]),
    nodeMs: Number(counts[8]),
  };
}
