import { mkdir, realpath, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { OperationalError, type Log } from "@coop/core";
import type { Redis } from "ioredis";
import { withExclusiveLock } from "./exclusive-lock.ts";
import { obtainRedis, type RedisProgram } from "./obtain-redis.ts";
import { pause } from "./pause.ts";
import {
  connectToRedis,
  launchRedis,
  notedPid,
  redisPid,
  waitForExit,
  type RedisPlace,
} from "./redis-process.ts";
import { socketPlace } from "./socket-place.ts";

/**
 * The Redis that a co-op runs for itself.
 *
 * E1 One data directory has at most one Redis: starting, restarting and stopping happen under a lock.
 * E2 It outlives a killed server, and the next server takes it over with everything in it.
 * E3 Every server that uses it is known to it by name; the last one to stop shuts it down.
 * E4 One that dies is started again on the same socket, so that connections heal by themselves.
 */
export interface EmbeddedRedis {
  readonly socketPath: string;
  /** Leaves it; shuts it down, with every write on disk, unless another server uses it. */
  stop(): Promise<void>;
}

export interface EmbeddedRedisOptions {
  /** Holds the data, the log and the lock; created when missing. */
  readonly directory: string;
  /** Where a fetched Redis program is kept; a folder in `directory` unless given. */
  readonly cacheDirectory?: string;
  readonly log: Log;
}

const supervisorName = "coop-server";
const firstRestartDelayMs = 100;
const longestRestartDelayMs = 5_000;
/** How long one that no longer answers may take to leave before its place is taken. */
const lingerMs = 2_000;
const exitTimeoutMs = 30_000;

/**
 * Starts the Redis of a data directory, or takes over the one that runs there, and keeps it running.
 * @throws OperationalError when there is no Redis to run, or it does not start.
 */
export async function startEmbeddedRedis(options: EmbeddedRedisOptions): Promise<EmbeddedRedis> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  const directory = await realpath(options.directory);
  const program = await obtainRedis(options.cacheDirectory ?? join(directory, "program"), options.log);
  const stopping = new AbortController();
  const first = await ensureRunning(program, directory, options.log);
  const { place } = first;
  let control = first.control;

  const supervise = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await closed(control, stopping.signal);
      if (stopping.signal.aborted) return;
      options.log.warn({ directory }, "Redis went away; starting it again");
      control = await restart(program, directory, options.log, stopping.signal, control);
    }
  };
  const supervision = supervise();

  const stop = async (): Promise<void> => {
    stopping.abort();
    await supervision;
    await withLock(directory, async () => leave(place, control, options.log));
  };
  return { socketPath: place.socketPath, stop };
}

interface Running {
  readonly place: RedisPlace;
  /** Named connection that tells when Redis goes, and tells Redis who uses it. */
  readonly control: Redis;
}

const withLock = async <T>(directory: string, work: () => Promise<T>): Promise<T> =>
  await withExclusiveLock(join(directory, "lock"), work);

async function ensureRunning(program: RedisProgram, directory: string, log: Log): Promise<Running> {
  return await withLock(directory, async () => {
    const place = await socketPlace(directory);
    const existing = await takeOver(place);
    if (existing !== null) {
      log.info({ directory }, "took over the Redis that runs already");
      return { place, control: existing };
    }
    const previous = await notedPid(directory);
    if (previous !== null) await waitForExit(previous, lingerMs);
    await launchRedis(program, place);
    const control = await takeOver(place);
    if (control === null)
      throw new OperationalError("redis-lost", `Redis left right after its start in ${directory}`, {
        retriable: true,
      });
    return { place, control };
  });
}

/** Whatever answers at the socket is ours only if it keeps its data in our directory. */
async function takeOver({ directory, socketPath }: RedisPlace): Promise<Redis | null> {
  const control = await connectToRedis(socketPath);
  if (control === null) return null;
  const [, itsDirectory] = await control.config("GET", "dir");
  if (itsDirectory !== directory) {
    control.disconnect();
    throw new OperationalError(
      "redis-foreign",
      `The Redis at ${socketPath} keeps its data in ${String(itsDirectory)}, not in ${directory}. Stop it, or remove ${join(directory, "socket.json")}.`,
    );
  }
  await control.client("SETNAME", supervisorName);
  return control;
}

async function closed(control: Redis, signal: AbortSignal): Promise<void> {
  if (control.status === "end" || signal.aborted) return;
  await new Promise<void>((resolve) => {
    control.once("end", resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

async function restart(
  program: RedisProgram,
  directory: string,
  log: Log,
  signal: AbortSignal,
  old: Redis,
): Promise<Redis> {
  for (
    let delayMs = 0;
    ;
    delayMs = Math.min(longestRestartDelayMs, Math.max(firstRestartDelayMs, delayMs * 2))
  ) {
    await pause(delayMs, signal);
    if (signal.aborted) return old;
    try {
      const { control } = await ensureRunning(program, directory, log);
      log.info({ directory }, "Redis runs again");
      return control;
    } catch (error) {
      log.error({ err: error, directory }, "Redis could not be started; trying again");
    }
  }
}

/** Under the lock, so that no server can take it over while it shuts down. */
async function leave(place: RedisPlace, control: Redis, log: Log): Promise<void> {
  if (control.status !== "ready") return;
  const clients = String(await control.client("LIST"));
  const servers = clients.split("\n").filter((line) => line.includes(` name=${supervisorName} `)).length;
  if (servers > 1) {
    log.info({ directory: place.directory }, "leaving Redis to the other server that uses it");
    control.disconnect();
    return;
  }
  const pid = await redisPid(control);
  await Promise.allSettled([control.shutdown()]);
  if (!(await waitForExit(pid, exitTimeoutMs))) {
    throw new OperationalError(
      "redis-stays",
      `Redis (process ${pid}) did not shut down within ${exitTimeoutMs / 1000} s; its data in ${place.directory} is safe`,
    );
  }
  await rm(dirname(place.socketPath), { recursive: true, force: true });
}
