import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "@coop/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startEmbeddedRedis, type EmbeddedRedis } from "./embedded.ts";
import { connectToRedis, redisPid, waitForExit } from "./redis-process.ts";
import { socketPlace } from "./socket-place.ts";

const cacheDirectory = join(import.meta.dirname, "..", "..", "..", ".tools", "redis");
let directory: string;
let started: EmbeddedRedis[];
let warnings: string[];
const log: Log = {
  debug: () => {},
  info: () => {},
  warn: (_, message) => void warnings.push(message),
  error: (_, message) => void warnings.push(message),
};

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "coop-embedded-"));
  started = [];
  warnings = [];
});

afterEach(async () => {
  for (const redis of started) await redis.stop();
  await rm(directory, { recursive: true, force: true });
});

async function start(): Promise<EmbeddedRedis> {
  const redis = await startEmbeddedRedis({ directory, cacheDirectory, log });
  started.push(redis);
  return redis;
}

async function on<T>(
  redis: Pick<EmbeddedRedis, "socketPath">,
  work: (connection: NonNullable<Awaited<ReturnType<typeof connectToRedis>>>) => Promise<T>,
): Promise<T> {
  const connection = await connectToRedis(redis.socketPath);
  if (connection === null) throw new Error(`nothing answers at ${redis.socketPath}`);
  try {
    return await work(connection);
  } finally {
    connection.disconnect();
  }
}

describe("the embedded Redis", () => {
  test("keeps every acknowledged write, evicts nothing and listens on no port", async () => {
    const redis = await start();
    const settings = await on(redis, async (connection) => {
      const names = ["appendonly", "appendfsync", "maxmemory-policy", "port", "auto-aof-rewrite-min-size"];
      const values = await Promise.all(
        names.map(async (name) => (await connection.config("GET", name)).at(1)),
      );
      return Object.fromEntries(names.map((name, index) => [name, values[index]]));
    });
    expect(settings).toEqual({
      appendonly: "yes",
      appendfsync: "always",
      "maxmemory-policy": "noeviction",
      port: "0",
      "auto-aof-rewrite-min-size": String(512 * 1024 * 1024),
    });
    expect(Buffer.byteLength(redis.socketPath)).toBeLessThanOrEqual(103);
  });

  test("is one, even when two servers start at once", async () => {
    const [first, second] = await Promise.all([start(), start()]);
    expect(second.socketPath).toBe(first.socketPath);
    await first.stop();
    expect(await on(second, redisPid)).toBeGreaterThan(0);
    const pid = await on(second, redisPid);
    await second.stop();
    expect(await waitForExit(pid, 0)).toBe(true);
    expect(await connectToRedis(first.socketPath)).toBeNull();
    expect(warnings).toEqual([]);
    started = [];
  });

  test("starts again on the same socket with its data when it is killed", async () => {
    const redis = await start();
    const pid = await on(redis, async (connection) => {
      await connection.set("kept", "yes");
      return await redisPid(connection);
    });
    process.kill(pid, "SIGKILL");
    await expect
      .poll(async () => {
        const connection = await connectToRedis(redis.socketPath);
        const kept = await connection?.get("kept");
        connection?.disconnect();
        return kept;
      })
      .toBe("yes");
    expect(warnings).toEqual(["Redis went away; starting it again"]);
  });

  test("keeps its data from one start to the next", async () => {
    const first = await start();
    await on(first, async (connection) => await connection.set("kept", "yes"));
    await first.stop();
    started = [];
    const second = await start();
    expect(await on(second, async (connection) => await connection.get("kept"))).toBe("yes");
  });

  test("outlives a killed server, and the next one takes it over", async () => {
    const program = `
      const { startEmbeddedRedis } = await import(${JSON.stringify(join(import.meta.dirname, "embedded.ts"))});
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      await startEmbeddedRedis({ directory: ${JSON.stringify(directory)}, cacheDirectory: ${JSON.stringify(cacheDirectory)}, log });
      process.stdout.write("started");
    `;
    const server = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [said] = await once(server.stdout, "data");
    expect(String(said)).toBe("started");
    const { socketPath } = await socketPlace(directory);
    const before = await on({ socketPath }, async (connection) => {
      await connection.set("kept", "yes");
      return await redisPid(connection);
    });
    const exit = once(server, "exit");
    server.kill("SIGKILL");
    await exit;

    const next = await start();
    expect(next.socketPath).toBe(socketPath);
    expect(await on(next, redisPid)).toBe(before);
    await next.stop();
    expect(await connectToRedis(socketPath)).toBeNull();
    started = [];
  });
});
