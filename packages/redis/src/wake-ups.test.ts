import type { Log, Wake } from "@coop/core";
import { buildJobSpec } from "@coop/core/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openConnection } from "./connection.ts";
import { startSilentRelay } from "./testing/silent-relay.ts";
import { startTestRedis, type TestRedis } from "./testing/test-redis.ts";
import { createWakeUps } from "./wake-ups.ts";

const channel = "{coop}:wake";
let redis: TestRedis;
let ending: AbortController;
let warnings: string[];
let wakes: Wake[];
let gaps: number;
let subscription: Promise<void>;

const log: Log = {
  debug: () => {},
  info: () => {},
  warn: (_, message) => void warnings.push(message),
  error: () => {},
};

beforeEach(async () => {
  redis = await startTestRedis();
  ending = new AbortController();
  [warnings, wakes, gaps] = [[], [], 0];
  const address = { kind: "socket", path: redis.socketPath } as const;
  const wakeUps = createWakeUps(() => openConnection(address, "steady", "wake", log), channel, log);
  subscription = wakeUps.subscribe(
    (wake) => void wakes.push(wake),
    () => (gaps += 1),
    ending.signal,
  );
  await vi.waitUntil(() => gaps === 1);
});

afterEach(async () => {
  ending.abort();
  await subscription;
  await redis.stop();
});

describe("wake-ups on Redis", () => {
  test("arrive in order, each kind whole", async () => {
    const publisher = redis.connect();
    const sent = [
      { kind: "admitted", spec: buildJobSpec() },
      { kind: "cancelled", job: "job_1", fenced: null },
      { kind: "cancelled", job: "job_1", fenced: { epoch: 3, node: "node_1" } },
      { kind: "node-revoked", node: "node_1" },
    ];
    for (const wake of sent) await publisher.publish(channel, JSON.stringify(wake));
    await expect.poll(() => wakes).toEqual(sent);
  });

  test("that cannot be read are dropped with a warning", async () => {
    const publisher = redis.connect();
    for (const text of ["{", '{"kind":"later"}']) await publisher.publish(channel, text);
    await publisher.publish(channel, '{"kind":"node-revoked","node":"node_1"}');
    await expect.poll(() => wakes).toHaveLength(1);
    expect(warnings).toHaveLength(2);
  });

  test("go on after Redis was away, and a gap is told", async () => {
    await redis.kill9();
    await redis.restart();
    await expect.poll(() => gaps, { timeout: 5_000 }).toBeGreaterThan(1);
    await redis.connect().publish(channel, '{"kind":"node-revoked","node":"node_2"}');
    await expect.poll(() => wakes).toEqual([{ kind: "node-revoked", node: "node_2" }]);
  });

  test("come again after their connection fell silent without a word", async () => {
    await using relay = await startSilentRelay(redis.socketPath);
    const connect = () => {
      const connection = openConnection({ kind: "socket", path: relay.path }, "steady", "wake", log);
      connection.options.socketTimeout = 200;
      return connection;
    };
    const heard: Wake[] = [];
    let told = 0;
    const over = new AbortController();
    const following = createWakeUps(connect, channel, log, 50).subscribe(
      (wake) => void heard.push(wake),
      () => (told += 1),
      over.signal,
    );
    await expect.poll(() => told).toBe(1);
    relay.silence();
    await expect.poll(() => told, { timeout: 10_000 }).toBeGreaterThan(1);
    await redis.connect().publish(channel, '{"kind":"node-revoked","node":"node_3"}');
    await expect.poll(() => heard).toEqual([{ kind: "node-revoked", node: "node_3" }]);
    over.abort();
    await following;
  });

  test("end with the signal, and leave no connection behind", async () => {
    ending.abort();
    await subscription;
    const observer = redis.connect();
    await expect.poll(async () => String(await observer.client("LIST")).includes("coop-wake")).toBe(false);
  });
});
