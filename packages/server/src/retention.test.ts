import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_SETTINGS, START_OF_OUTPUT } from "@coop/core";
import { buildJobSpec, createManualClock } from "@coop/core/testing";
import { createVault, openStores } from "@coop/redis";
import { startTestRedis } from "@coop/redis/testing";
import { expect, test } from "vitest";
import { firstDayKept, storePolicy } from "./retention.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

test("the store keeps what the settings say, and what nobody read for a day where that is nothing", () => {
  const policy = (retentionMs: number) => storePolicy({ ...DEFAULT_SETTINGS, retentionMs });
  expect(policy(90 * 60_000).retentionMs).toBe(90 * 60_000);
  expect(policy(0).retentionMs).toBe(DAY_MS);
  expect(policy(0).creditPerMille).toEqual(DEFAULT_SETTINGS.contribution.creditPerMille);
});

test("a day's key outlives the longest job that began on it and the retention after its end, and no more", () => {
  const beganMs = Date.UTC(2026, 2, 1, 23, 59, 59);
  const endedMs = beganMs + 7 * DAY_MS;
  for (const retentionMs of [0, HOUR_MS, 24 * HOUR_MS, 30 * DAY_MS]) {
    const keptMs = retentionMs === 0 ? DAY_MS : retentionMs;
    expect(firstDayKept(endedMs + keptMs, retentionMs) <= "2026-03-01").toBe(true);
    expect(firstDayKept(endedMs + keptMs + DAY_MS, retentionMs) > "2026-03-01").toBe(true);
  }
});

test("after the retention a job's words are gone from Redis, and a copy of what was there can no longer be read", async () => {
  const directory = await mkdtemp(join(tmpdir(), "coop-retention-"));
  await using server = await startTestRedis();
  const clock = createManualClock(Date.now());
  const vault = createVault({ directory, clock });
  const prefix = server.prefix();
  const policy = { ...storePolicy({ ...DEFAULT_SETTINGS, retentionMs: 60 }), jobKeptMs: 60_000 };
  await using stores = await openStores({
    socketPath: server.socketPath,
    prefix,
    vault,
    clock,
    log: silent,
    policy,
  });
  const redis = server.connect();
  const nowMs = clock.now();
  const spec = buildJobSpec({ submittedAtMs: nowMs, deadlineMs: nowMs + HOUR_MS });
  await stores.desk.admit({
    spec,
    payload: "a secret prompt",
    metadata: {},
    day: "2026-03-01",
    limits: { tokens: null, tierTokens: null, jobsAtOnce: null, requestsPerMinute: null },
    caps: { perMember: 10, total: 10 },
    idempotency: null,
    followedUntilMs: null,
    nowMs,
  });
  const sealed = (await redis.hget(`${prefix}:kept:${spec.id}`, "payload")) ?? "";
  expect(sealed).not.toContain("secret");
  expect(vault.open(sealed)).toBe("a secret prompt");
  await stores.desk.cancel(spec.id, spec.member, "member", nowMs);

  await expect
    .poll(async () => redis.exists(`${prefix}:kept:${spec.id}`, `${prefix}:out:${spec.id}`), {
      timeout: 10_000,
    })
    .toBe(0);
  expect(await stores.output.read(spec.id, START_OF_OUTPUT)).toEqual([]);
  expect((await stores.desk.read(spec.id))?.state.state).toBe("cancelled");
  clock.advance(7 * DAY_MS + DAY_MS + 60);
  expect(vault.shred(firstDayKept(clock.now(), 60))).toHaveLength(1);
  expect(vault.open(sealed)).toBeNull();
  expect(await readdir(directory)).toEqual([]);
  await rm(directory, { recursive: true });
});
