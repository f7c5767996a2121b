import { OperationalError, type Log } from "@coop/core";
import type { Redis } from "ioredis";

/** The settings of a Redis that decide whether it may hold the co-op's jobs. */
export interface RedisSettings {
  readonly version: string;
  readonly mode: string;
  readonly evictionPolicy: string;
  readonly appendOnly: boolean;
  /** Null when the Redis does not tell, as managed ones may. */
  readonly appendFsync: string | null;
}

export type Fitness =
  | { readonly kind: "fit"; readonly warnings: readonly string[] }
  | { readonly kind: "unfit"; readonly code: string; readonly reason: string };

/** Pure. Eviction or an old version would break promises silently; weak persistence breaks them on a crash. */
export function judgeSettings(settings: RedisSettings): Fitness {
  const [major = 0, minor = 0] = settings.version.split(".").map(Number);
  if (major < 6 || (major === 6 && minor < 2)) {
    return {
      kind: "unfit",
      code: "redis-old",
      reason: `Redis is version ${settings.version}; version 6.2 or newer is needed`,
    };
  }
  if (settings.mode === "cluster") {
    return {
      kind: "unfit",
      code: "redis-cluster",
      reason:
        "Redis runs in cluster mode, which is not supported; use a single Redis or one behind sentinels",
    };
  }
  if (settings.evictionPolicy !== "noeviction") {
    return {
      kind: "unfit",
      code: "redis-evicts",
      reason: `Redis has maxmemory-policy ${settings.evictionPolicy}, which throws accepted jobs away when memory is short; run: redis-cli config set maxmemory-policy noeviction`,
    };
  }
  return { kind: "fit", warnings: persistenceWarnings(settings) };
}

function persistenceWarnings({ appendOnly, appendFsync }: RedisSettings): readonly string[] {
  if (!appendOnly) {
    return [
      "Redis has appendonly off: ACCEPTED JOBS ARE LOST when it ends; set appendonly yes and appendfsync always",
    ];
  }
  if (appendFsync === null)
    return [
      "Redis does not tell its appendfsync; unless it is always, a crash of Redis can lose accepted jobs",
    ];
  if (appendFsync === "always") return [];
  return [
    `Redis has appendfsync ${appendFsync}: a crash of Redis can lose the last accepted jobs; set appendfsync always`,
  ];
}

/** `weak`: a crash of Redis or of its machine may lose what was accepted. */
export type Persistence = "strong" | "weak";

/**
 * Checks at start that a Redis may hold the co-op's jobs, and warns about what weakens its promises.
 * @throws OperationalError that names the setting to change.
 */
export async function requireFitRedis(redis: Redis, log: Log): Promise<Persistence> {
  const fitness = judgeSettings(await readSettings(redis));
  if (fitness.kind === "unfit") throw new OperationalError(fitness.code, fitness.reason);
  for (const warning of fitness.warnings) log.warn({}, warning);
  return fitness.warnings.length === 0 ? "strong" : "weak";
}

async function readSettings(redis: Redis): Promise<RedisSettings> {
  const info = await redis.info();
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, "m").exec(info)?.[1] ?? "";
  return {
    version: field("redis_version"),
    mode: field("redis_mode"),
    evictionPolicy: field("maxmemory_policy"),
    appendOnly: field("aof_enabled") === "1",
    appendFsync: await readAppendFsync(redis),
  };
}

async function readAppendFsync(redis: Redis): Promise<string | null> {
  try {
    const [, value] = await redis.config("GET", "appendfsync");
    return typeof value === "string" ? value : null;
  } catch (error) {
    if (error instanceof Error && error.name === "ReplyError") return null;
    throw error;
  }
}
