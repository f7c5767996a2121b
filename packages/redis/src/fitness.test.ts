import type { Log } from "@coop/core";
import { expect, test } from "vitest";
import { judgeSettings, requireFitRedis, type RedisSettings } from "./fitness.ts";
import { startTestRedis } from "./testing/test-redis.ts";

const good: RedisSettings = {
  version: "7.0.15",
  mode: "standalone",
  evictionPolicy: "noeviction",
  appendOnly: true,
  appendFsync: "always",
};

test("a Redis that keeps everything is fit", () => {
  expect(judgeSettings(good)).toEqual({ kind: "fit", warnings: [] });
  expect(judgeSettings({ ...good, version: "6.2.0" })).toEqual({ kind: "fit", warnings: [] });
});

test.for([
  [
    { evictionPolicy: "allkeys-lru" },
    "redis-evicts",
    /maxmemory-policy allkeys-lru.*config set maxmemory-policy noeviction/,
  ],
  [{ evictionPolicy: "volatile-ttl" }, "redis-evicts", /volatile-ttl/],
  [{ version: "6.0.16" }, "redis-old", /6\.0\.16.*6\.2/],
  [{ mode: "cluster" }, "redis-cluster", /cluster/],
] as const)("%o is refused", ([change, code, reason]) => {
  expect(judgeSettings({ ...good, ...change })).toEqual({
    kind: "unfit",
    code,
    reason: expect.stringMatching(reason),
  });
});

test.for([
  [{ appendOnly: false }, /ACCEPTED JOBS ARE LOST.*appendonly yes/],
  [{ appendFsync: "everysec" }, /appendfsync everysec.*set appendfsync always/],
  [{ appendFsync: null }, /does not tell/],
] as const)("%o is warned about", ([change, warning]) => {
  expect(judgeSettings({ ...good, ...change })).toEqual({
    kind: "fit",
    warnings: [expect.stringMatching(warning)],
  });
});

test("the settings are read from a real Redis", async () => {
  const warnings: string[] = [];
  const log: Log = {
    debug: () => {},
    info: () => {},
    warn: (_, message) => void warnings.push(message),
    error: () => {},
  };
  await using testRedis = await startTestRedis();
  const redis = testRedis.connect();
  expect(await requireFitRedis(redis, log)).toBe("strong");
  expect(warnings).toEqual([]);

  await redis.config("SET", "appendfsync", "everysec");
  expect(await requireFitRedis(redis, log)).toBe("weak");
  expect(warnings).toEqual([expect.stringMatching(/everysec/)]);

  await redis.config("SET", "maxmemory-policy", "allkeys-lru");
  await expect(requireFitRedis(redis, log)).rejects.toThrow(/maxmemory-policy allkeys-lru/);
});
