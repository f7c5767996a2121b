import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { OperationalError } from "@coop/core";
import { Redis } from "ioredis";
import type { RedisProgram } from "./obtain-redis.ts";

/** Where one private Redis lives: its data, its log, and the socket it listens on. */
export interface RedisPlace {
  readonly directory: string;
  readonly socketPath: string;
}

const pollMs = 10;

/**
 * Starts a private Redis that keeps every acknowledged write and evicts nothing, listening on a unix
 * socket only. It outlives this process. Resolves when it answers, which may take long with much data.
 *
 * @throws OperationalError `redis-exited` with the end of its log when it does not come up.
 */
export async function launchRedis(program: RedisProgram, place: RedisPlace): Promise<void> {
  const log = openSync(logPath(place), "a", 0o600);
  const child = spawn(program.path, redisArguments(place), {
    cwd: place.directory,
    detached: true,
    stdio: ["ignore", log, log],
    env: { LC_ALL: "C", ...(program.libraryPath === null ? {} : { LD_LIBRARY_PATH: program.libraryPath }) },
  });
  closeSync(log);
  child.unref();
  let ended: string | null = null;
  child.once("error", (error) => (ended = error.message));
  child.once("exit", (code, signal) => (ended = signal ?? `exit code ${code}`));
  for (;;) {
    const control = await connectToRedis(place.socketPath);
    if (control !== null) {
      control.disconnect();
      return;
    }
    if (ended !== null) throw await startFailure(program, place, ended);
    await delay(pollMs);
  }
}

function redisArguments({ directory, socketPath }: RedisPlace): readonly string[] {
  const settings: Readonly<Record<string, string>> = {
    port: "0",
    unixsocket: socketPath,
    unixsocketperm: "700",
    dir: directory,
    pidfile: pidPath(directory),
    daemonize: "no",
    appendonly: "yes",
    appendfsync: "always",
    save: "",
    "maxmemory-policy": "noeviction",
    "auto-aof-rewrite-min-size": "512mb",
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

async function startFailure(
  program: RedisProgram,
  place: RedisPlace,
  ended: string,
): Promise<OperationalError> {
  const log = await readFile(logPath(place), "utf8");
  const tail = log.trimEnd().split("\n").slice(-5).join("\n");
  return new OperationalError(
    "redis-exited",
    `${program.path} ended while starting (${ended}) with its data in ${place.directory}. The end of ${logPath(place)}:\n${tail}`,
    { retriable: true },
  );
}

/**
 * One connection to the Redis at a socket that has its data ready; it does not reconnect.
 * Null when nothing listens there or it is not ready yet.
 */
export async function connectToRedis(socketPath: string): Promise<Redis | null> {
  const redis = new Redis({
    path: socketPath,
    lazyConnect: true,
    connectTimeout: 2_000,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  let lastError: unknown = null;
  redis.on("error", (error) => (lastError = error));
  try {
    await redis.connect();
    return redis;
  } catch (error) {
    redis.disconnect();
    const cause = lastError ?? error;
    if (existsSync(socketPath) && cause instanceof Error && "code" in cause && cause.code === "EACCES")
      throw cause;
    return null;
  }
}

/** The process behind a connection. */
export async function redisPid(redis: Redis): Promise<number> {
  const pid = /^process_id:(\d+)/m.exec(await redis.info("server"))?.[1];
  if (pid === undefined) throw new OperationalError("redis-unknown", "Redis does not tell its process id");
  return Number(pid);
}

/** Waits until the process has left; false when it has not after `timeoutMs`. */
export async function waitForExit(pid: number, timeoutMs: number): Promise<boolean> {
  for (let waitedMs = 0; isAlive(pid); waitedMs += pollMs) {
    if (waitedMs >= timeoutMs) return false;
    await delay(pollMs);
  }
  return true;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** The process that a Redis of this data directory left a note of, null when it ended properly. */
export async function notedPid(directory: string): Promise<number | null> {
  if (!existsSync(pidPath(directory))) return null;
  const pid = Number(await readFile(pidPath(directory), "utf8"));
  return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
}

const pidPath = (directory: string): string => join(directory, "redis.pid");
const logPath = (place: RedisPlace): string => join(place.directory, "redis.log");
