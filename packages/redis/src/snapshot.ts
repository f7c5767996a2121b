import { join } from "node:path";
import { OperationalError } from "@coop/core";
import type { StoreSnapshots } from "@coop/core";
import type { Redis } from "ioredis";
import { pause } from "./pause.ts";

const LOOK_MS = 50;
/** Longest that Redis may take for one, ms. */
const LIMIT_MS = 120_000;

/** Snapshots of a Redis that keeps its data on this machine: an RDB file each, in place of the one before. */
export function createSnapshots(redis: Redis): StoreSnapshots {
  return {
    async take() {
      const limit = AbortSignal.timeout(LIMIT_MS);
      const beganS = await laterThanLastSave(redis, limit);
      await redis.bgsave("SCHEDULE");
      for (;;) {
        await pause(LOOK_MS, limit);
        if (limit.aborted) throw failed(`it took longer than ${LIMIT_MS / 1000} s`);
        const { underWay, wellDone, atS } = await lastSave(redis);
        if (!underWay && !wellDone) {
          throw failed("see its log, redis.log in the co-op's home; most likely the disk is full");
        }
        if (underWay || atS < beganS) continue;
        const [, folder] = await redis.config("GET", "dir");
        const [, name] = await redis.config("GET", "dbfilename");
        return join(String(folder), String(name));
      }
    },
  };
}

/** Redis tells when it saved last by the second: waits for the next one, and answers it. */
async function laterThanLastSave(redis: Redis, limit: AbortSignal): Promise<number> {
  for (;;) {
    const [seconds] = await redis.time();
    if (limit.aborted || (await lastSave(redis)).atS < Number(seconds)) return Number(seconds);
    await pause(LOOK_MS, limit);
  }
}

/** What Redis says of its last snapshot. `atS`: seconds since the Unix epoch. */
async function lastSave(
  redis: Redis,
): Promise<{ readonly underWay: boolean; readonly wellDone: boolean; readonly atS: number }> {
  const facts = new Map(
    (await redis.info("persistence")).split("\r\n").map((line) => {
      const [name = "", value = ""] = line.split(":");
      return [name, value];
    }),
  );
  return {
    underWay: facts.get("rdb_bgsave_in_progress") === "1",
    wellDone: facts.get("rdb_last_bgsave_status") === "ok",
    atS: Number(facts.get("rdb_last_save_time")),
  };
}

const failed = (why: string): OperationalError =>
  new OperationalError("snapshot-failed", `Redis could not write a copy of its data: ${why}.`);
