import type { AuditEntry, AuditLog } from "@coop/core";
import type { Redis } from "ioredis";
import { z } from "zod";
import type { Keys } from "./keys.ts";
import type { RunScript } from "./script.ts";
import { answered } from "./store-unavailable.ts";

/** Takes what it finds: an entry that somebody spoiled is still to be read, and found by the check of the chain. */
const entrySchema = z.object({
  seq: z.number().catch(0),
  atMs: z.number().catch(0),
  actor: z.string().catch(""),
  key: z.string().nullable().catch(null),
  act: z.string().catch(""),
  target: z.string().nullable().catch(null),
  phase: z.enum(["asked", "done", "refused"]).catch("refused"),
  of: z.number().nullable().catch(null),
  detail: z.string().catch(""),
  previousHash: z.string().catch(""),
  hash: z.string().catch(""),
});

const appendReply = z.enum(["appended", "stale"]);

function parseEntry(text: string): AuditEntry {
  return entrySchema.parse(asObject(text));
}

function asObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** The audit log as a list in Redis, one entry of JSON after another. */
export function createAuditLog(redis: Redis, keys: Keys, run: RunScript): AuditLog {
  return {
    async last() {
      const text = await answered(redis.lindex(keys.audit, -1));
      return text === null ? null : parseEntry(text);
    },
    async append(entry) {
      const before = entry.seq === 1 ? "" : entry.previousHash;
      return appendReply.parse(await run("append-audit", keys.audit, [before, JSON.stringify(entry)]));
    },
    async page(after, limit) {
      return (await answered(redis.lrange(keys.audit, after, after + limit - 1))).map(parseEntry);
    },
  };
}
