import { asNodeId, TIERS, WAIT_EDGES_MS, type UsageReader, type UsageRow } from "@coop/core";
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
      const rows: UsageRow[] = [];
      const waits = new Map<string, number[]>();
      const fields = fieldsReply.parse(
        JSON.parse(String(await run("read-usage", keys.usage(member, month), []))),
      );
      for (let at = 0; at + 1 < fields.length; at += 2) {
        const [field = "", text = ""] = [fields[at], fields[at + 1]];
        const row = rowOf(field, text);
        if (row !== null) rows.push(row);
        else if (!addWait(waits, field, text))
          throw new Error(`broken invariant: usage has ${JSON.stringify(text)} in ${JSON.stringify(field)}`);
      }
      return { member, month, rows, waits: [...waits].map(([day, jobs]) => ({ day, jobs })) };
    },
  };
}

/** Fields and values in turn. */
const fieldsReply = z.array(z.string());

/** `row|day` and `row|day|node|tier|model`; a model's name may have a `|` itself. */
const ROW = /^row\|(\d{4}-\d{2}-\d{2})(?:\|([^|]+)\|([^|]+)\|(.+))?$/;
/** Ends by how they were, prompt, output and charged tokens, microseconds of the node: as `rollUp` joins them. */
const COUNTS = /^(\d+),(\d+),(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)$/;
const WAIT = /^wait\|(\d{4}-\d{2}-\d{2})\|(\d+)$/;

function rowOf(field: string, text: string): UsageRow | null {
  const named = ROW.exec(field);
  const counts = COUNTS.exec(text);
  const day = named?.[1];
  if (day === undefined || counts === null) return null;
  const [node, model] = [named?.[2], named?.[4]];
  const tier = TIERS.find((one) => one === named?.[3]);
  const isPlaced = node !== undefined && tier !== undefined && model !== undefined;
  if (node !== undefined && !isPlaced) return null;
  return {
    day,
    place: isPlaced ? { node: asNodeId(node), tier, model } : null,
    succeeded: Number(counts[1]),
    failed: Number(counts[2]),
    cancelled: Number(counts[3]),
    expired: Number(counts[4]),
    promptTokens: Number(counts[5]),
    outputTokens: Number(counts[6]),
    chargedTokens: Number(counts[7]),
    nodeMs: Math.round(Number(counts[8]) / 1_000),
  };
}

/** False for a field that is no wait. */
function addWait(waits: Map<string, number[]>, field: string, text: string): boolean {
  const [, day, bucket] = WAIT.exec(field) ?? [];
  if (day === undefined) return false;
  const jobs = waits.get(day) ?? Array.from({ length: WAIT_EDGES_MS.length + 1 }, () => 0);
  const index = Number(bucket);
  if (!(index in jobs) || !/^\d+$/.test(text)) return false;
  jobs[index] = Number(text);
  waits.set(day, jobs);
  return true;
}
