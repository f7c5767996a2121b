import type { Log } from "@coop/core";
import { Redis, type RedisOptions } from "ioredis";
import type { RedisAddress } from "./redis-address.ts";

/**
 * What a connection is for decides what it does while Redis is away.
 *
 * `request`: someone waits for the answer, so each command fails within a second and none is sent late.
 * `steady`: background work that goes on where it was, so commands wait for Redis and are sent again.
 */
export type ConnectionUse = "request" | "steady";

const commandTimeoutMs = 1_000;
const connectTimeoutMs = 5_000;
/** A connection on which an answer is due and nothing comes for so long is replaced: its other end may be gone. */
const silenceMs = 10_000;
const firstRetryMs = 50;
const longestRetryMs = 2_000;

/**
 * Commands of one turn of the event loop leave in one piece: a system call for many, and one append to disk for
 * many in Redis. Their order stays as it was and each has its own answer; nothing waits beyond the turn.
 */
class TurnBatchedRedis extends Redis {
  #held: Redis["stream"] | null = null;

  override sendCommand(...[command, stream]: Parameters<Redis["sendCommand"]>): unknown {
    this.#hold();
    return super.sendCommand(command, stream);
  }

  #hold(): void {
    if (this.#held !== null || this.status !== "ready") return;
    const held = this.stream;
    this.#held = held;
    held.cork();
    setImmediate(() => {
      this.#held = null;
      held.uncork();
    });
  }
}

/** Opens a connection that heals by itself. Losing and regaining it is logged, once each. */
export function openConnection(address: RedisAddress, use: ConnectionUse, name: string, log: Log): Redis {
  const redis = new TurnBatchedRedis(
    Object.assign(addressOptions(address), useOptions(use), {
      connectionName: `coop-${name}`,
      replyMapping: "legacy" as const,
    }),
  );
  let away = false;
  let lastError: unknown = "the connection was closed";
  redis.on("error", (error) => (lastError = error));
  redis.on("reconnecting", () => {
    if (!away)
      log.error({ err: lastError, connection: name }, "no connection to Redis; trying until it is back");
    away = true;
  });
  redis.on("ready", () => {
    if (away) log.info({ connection: name }, "connected to Redis again");
    away = false;
  });
  return redis;
}

function useOptions(use: ConnectionUse): RedisOptions {
  const always = {
    connectTimeout: connectTimeoutMs,
    socketTimeout: silenceMs,
    retryStrategy: (attempt: number) =>
      Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(attempt - 1, 10)),
    lazyConnect: true,
  };
  switch (use) {
    case "request":
      return {
        ...always,
        commandTimeout: commandTimeoutMs,
        enableOfflineQueue: false,
        autoResendUnfulfilledCommands: false,
      };
    case "steady":
      return { ...always, maxRetriesPerRequest: null };
  }
}

function addressOptions(address: RedisAddress): RedisOptions {
  switch (address.kind) {
    case "socket":
      return { path: address.path };
    case "host":
      return {
        host: address.host,
        port: address.port,
        db: address.database,
        ...address.credentials,
        ...(address.tls ? { tls: {} } : {}),
      };
    case "sentinels":
      return {
        sentinels: address.sentinels.map((sentinel) => ({ ...sentinel })),
        name: address.primary,
        db: address.database,
        ...address.credentials,
        ...(address.tls ? { tls: {}, enableTLSForSentinelMode: true } : {}),
      };
  }
}
