import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asJobId, START_OF_OUTPUT, type Log } from "@coop/core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openConnection } from "./connection.ts";
import { createOutputLog } from "./output-log.ts";
import { startSilentRelay } from "./testing/silent-relay.ts";
import { startTestRedis, type TestRedis } from "./testing/test-redis.ts";
import { createVault } from "./vault.ts";

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const prefix = "{coop}";
const job = asJobId("job_1");
let server: TestRedis;
let secrets: string;

beforeEach(async () => {
  server = await startTestRedis();
  secrets = await mkdtemp(join(tmpdir(), "coop-output-"));
});
afterEach(async () => {
  await server.stop();
  await rm(secrets, { recursive: true, force: true });
});

test("a follower goes on after the subscriber's connection fell silent without a word", async () => {
  const redis = server.connect();
  await using relay = await startSilentRelay(server.socketPath);
  const subscriber = openConnection({ kind: "socket", path: relay.path }, "steady", "output", silent);
  subscriber.options.socketTimeout = 200;
  await subscriber.connect();
  const vault = createVault({ directory: secrets, clock: Date });
  const log = createOutputLog({ redis, subscriber, prefix, vault, askEveryMs: 50 });
  const placed = { kind: "placed", node: "n", nodeName: "n", model: "m", tier: "edge", restarted: false };
  const say = async (epoch: number): Promise<void> => {
    const body = JSON.stringify(placed);
    await redis.hset(`${prefix}:job:${job}`, "state", "leased");
    await redis.xadd(`${prefix}:out:${job}`, `${epoch}-0`, "event", body);
    await redis.publish(`${prefix}:output`, `${job} ${epoch}-0 event ${body}`);
  };
  await say(1);
  const over = new AbortController();
  const entries = log.follow(job, START_OF_OUTPUT, over.signal)[Symbol.asyncIterator]();
  expect((await entries.next()).value).toMatchObject({ position: { epoch: 1 } });
  const second = entries.next();
  await expect.poll(async () => (await redis.pubsub("NUMSUB", `${prefix}:output`))[1]).toBe(1);
  relay.silence();
  await say(2);
  expect((await second).value).toMatchObject({ position: { epoch: 2 } });
  over.abort();
  subscriber.disconnect();
});
