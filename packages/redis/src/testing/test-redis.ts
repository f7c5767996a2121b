import { randomBytes } from "node:crypto";
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Redis } from "ioredis";
import { assert, type Log } from "@coop/core";
import { obtainRedis } from "../obtain-redis.ts";
import { connectToRedis, launchRedis, redisPid, waitForExit } from "../redis-process.ts";
import { socketPlace } from "../socket-place.ts";

/** A real Redis of a test's own, with the settings of the embedded one but without its supervision. */
export interface TestRedis extends AsyncDisposable {
  readonly socketPath: string;
  /** A key prefix that no other test of this Redis uses: `{coop-…}`. */
  prefix(): string;
  /** A connection that reconnects and waits; closed by `stop`. */
  connect(): Redis;
  /** Removes everything in it. */
  flush(): Promise<void>;
  /** Kills it without warning and waits until it is gone. */
  kill9(): Promise<void>;
  /** Stops it from answering, with its connections open, until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** Starts it again on the same data and socket. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/** Fetched once for all tests, beside the other tools of the repository. */
const cacheDirectory = join(import.meta.dirname, "..", "..", "..", "..", ".tools", "redis");

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Starts one in a temporary folder: about 50 ms once the program is there. */
export async function startTestRedis(log: Log = silent): Promise<TestRedis> {
  const directory = await realpath(await mkdtemp(join(tmpdir(), "coop-test-redis-")));
  const program = await obtainRedis(cacheDirectory, log);
  const place = await socketPlace(directory);
  await launchRedis(program, place);
  let pid = await pidAt(place.socketPath);
  const connections: Redis[] = [];

  const connect = (): Redis => {
    const redis = new Redis({ path: place.socketPath, maxRetriesPerRequest: null, retryStrategy: () => 20 });
    redis.on("error", (error) => log.debug({ err: error }, "test connection"));
    connections.push(redis);
    return redis;
  };
  const kill9 = async (): Promise<void> => {
    process.kill(pid, "SIGKILL");
    assert(await waitForExit(pid, 10_000), "a killed Redis leaves");
  };
  const stop = async (): Promise<void> => {
    for (const connection of connections) connection.disconnect();
    if (!(await waitForExit(pid, 0))) await kill9();
    await rm(directory, { recursive: true, force: true });
    await rm(dirname(place.socketPath), { recursive: true, force: true });
  };
  return {
    socketPath: place.socketPath,
    prefix: () => `{coop-${randomBytes(4).toString("hex")}}`,
    connect,
    flush: async () => {
      const redis = await connectToRedis(place.socketPath);
      assert(redis !== null, "the test's Redis runs");
      await redis.flushall();
      redis.disconnect();
    },
    kill9,
    freeze: () => void process.kill(pid, "SIGSTOP"),
    thaw: () => void process.kill(pid, "SIGCONT"),
    restart: async () => {
      await launchRedis(program, place);
      pid = await pidAt(place.socketPath);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function pidAt(socketPath: string): Promise<number> {
  const redis = await connectToRedis(socketPath);
  assert(redis !== null, "the test's Redis runs");
  const pid = await redisPid(redis);
  redis.disconnect();
  return pid;
}
