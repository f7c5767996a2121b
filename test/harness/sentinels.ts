import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { obtainRedis } from "@coop/redis/testing";
import { Redis } from "ioredis";

const root = resolve(import.meta.dirname, "../..");
const SETTINGS = join(root, "deploy/sentinel");
const MACHINES = 3;
const READY_WITHIN_MS = 30_000;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** A primary, two replicas and three sentinels on this machine, with the settings of `deploy/sentinel`. */
export interface Sentinels extends AsyncDisposable {
  /** As REDIS_URL says it. */
  readonly url: string;
  /** A connection to whichever is the primary; the caller disconnects it. */
  connect(): Redis;
  /** Stops the replicas, as if their machines hung, until the function that it gives is called. */
  freezeReplicas(): Promise<() => void>;
  /** Kills the primary without warning. Resolves with its port once it is gone. */
  killPrimary(): Promise<number>;
}

export async function startSentinels(): Promise<Sentinels> {
  const folder = await mkdtemp(join(tmpdir(), "coop-sentinels-"));
  const program = await obtainRedis(join(root, ".tools/redis"), silent);
  const children = new Map<number, ChildProcess>();
  const ports = await freePorts(2 * MACHINES);
  const [redisPorts, sentinelPorts] = [ports.slice(0, MACHINES), ports.slice(MACHINES)];
  const [primaryPort = 0] = redisPorts;

  const start = async (port: number, settings: string, more: readonly string[]): Promise<void> => {
    const directory = join(folder, String(port));
    await mkdir(directory);
    const place = [`port ${port}`, "bind 127.0.0.1", `dir ${directory}`, `logfile ${join(directory, "log")}`];
    const path = join(directory, "settings.conf");
    await writeFile(path, `${[settings, ...place].join("\n")}\n`);
    const env = program.libraryPath === null ? {} : { LD_LIBRARY_PATH: program.libraryPath };
    children.set(port, spawn(program.path, [path, ...more], { env, stdio: "ignore" }));
    await untilAnswers(port);
  };
  const connect = (): Redis => {
    const redis = new Redis({
      sentinels: sentinelPorts.map((port) => ({ host: "127.0.0.1", port })),
      name: "coop",
      maxRetriesPerRequest: null,
    });
    // A test kills its primary; the connection goes on at the next by itself.
    redis.on("error", () => undefined);
    return redis;
  };

  const primaryNow = async (): Promise<number> => {
    const redis = connect();
    const port = Number(/tcp_port:(\d+)/.exec(await redis.info("server"))?.[1]);
    redis.disconnect();
    return port;
  };

  const redisSettings = await readFile(join(SETTINGS, "redis.conf"), "utf8");
  for (const port of redisPorts) {
    const replicaOf = port === primaryPort ? "" : `\nreplicaof 127.0.0.1 ${primaryPort}`;
    await start(port, redisSettings + replicaOf, []);
  }
  await untilCopied(primaryPort);
  const sentinelSettings = quickened(await readFile(join(SETTINGS, "sentinel.conf"), "utf8"), primaryPort);
  for (const port of sentinelPorts) await start(port, sentinelSettings, ["--sentinel"]);
  await untilWatched(sentinelPorts);
  return {
    url: `redis+sentinel://${sentinelPorts.map((port) => `127.0.0.1:${port}`).join(",")}/coop`,
    connect,
    async freezeReplicas() {
      const primary = await primaryNow();
      const replicas = redisPorts.filter((port) => port !== primary).map((port) => children.get(port));
      for (const replica of replicas) replica?.kill("SIGSTOP");
      return () => {
        for (const replica of replicas) replica?.kill("SIGCONT");
      };
    },
    async killPrimary() {
      const port = await primaryNow();
      const child = children.get(port);
      if (child === undefined) throw new Error(`no Redis of this test has port ${port}`);
      child.kill("SIGKILL");
      await once(child, "exit");
      return port;
    },
    async [Symbol.asyncDispose]() {
      for (const child of children.values()) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        child.kill("SIGKILL");
        await once(child, "exit");
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The settings that are handed out, for this machine and with less patience. */
function quickened(settings: string, primaryPort: number): string {
  const replaced: readonly (readonly [RegExp, string])[] = [
    [/^port .*$/m, ""],
    [/redis1\.example 6379/, `127.0.0.1 ${primaryPort}`],
    [/(down-after-milliseconds coop) \d+/, "$1 1500"],
    [/(failover-timeout coop) \d+/, "$1 6000"],
  ];
  return replaced.reduce((text, [from, to]) => {
    if (!from.test(text)) throw new Error(`deploy/sentinel/sentinel.conf has nothing like ${String(from)}`);
    return text.replace(from, to);
  }, settings);
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}

async function asked(port: number, ask: (redis: Redis) => Promise<boolean>): Promise<boolean> {
  const redis = new Redis({ host: "127.0.0.1", port, lazyConnect: true, retryStrategy: () => null });
  redis.on("error", () => undefined);
  try {
    await redis.connect();
    return await ask(redis);
  } catch {
    // It does not listen yet.
    return false;
  } finally {
    redis.disconnect();
  }
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + READY_WITHIN_MS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`${what}: not in ${READY_WITHIN_MS} ms`);
    await pause(50);
  }
}

const untilAnswers = (port: number): Promise<void> =>
  until(`port ${port} answers`, () => asked(port, async (redis) => (await redis.ping()) === "PONG"));

/** Both replicas have a copy: with `min-replicas-to-write` the primary takes no write before. */
const untilCopied = (primaryPort: number): Promise<void> =>
  until("both replicas follow", () =>
    asked(primaryPort, async (redis) =>
      (await redis.info("replication")).includes(`min_slaves_good_slaves:${MACHINES - 1}`),
    ),
  );

/** Each sentinel knows both replicas and both other sentinels: only then can they choose another primary. */
async function untilWatched(sentinelPorts: readonly number[]): Promise<void> {
  const known = /slaves=2,sentinels=3/;
  for (const port of sentinelPorts)
    await until(`sentinel ${port} knows the others`, () =>
      asked(port, async (redis) => known.test(await redis.info("sentinel"))),
    );
}
