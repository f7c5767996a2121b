import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asJobId, asMemberId, type Log } from "@coop/core";
import { buildJobSpec } from "@coop/core/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openStores, type Stores } from "./stores.ts";
import { startTestRedis, type TestRedis } from "./testing/test-redis.ts";
import { createVault, type Vault } from "./vault.ts";

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const ada = asMemberId("mem_ada");
let server: TestRedis;
let secrets: string;
let vault: Vault;

beforeEach(async () => {
  server = await startTestRedis();
  secrets = await mkdtemp(join(tmpdir(), "coop-stores-"));
  vault = createVault({ directory: secrets, clock: Date });
});
afterEach(async () => {
  await server.stop();
  await rm(secrets, { recursive: true, force: true });
});

const open = async (log = silent): Promise<Stores> =>
  await openStores({ socketPath: server.socketPath, vault, clock: Date, log });

describe("the stores", () => {
  test("tell of all other pending jobs when one cannot be read", async () => {
    await using stores = await open();
    const ids = ["job_1", "job_2", "job_3"].map(asJobId);
    for (const id of ids) {
      await stores.desk.admit({
        spec: buildJobSpec({ id, member: ada }),
        payload: "{}",
        metadata: {},
        day: "2026-03-01",
        limits: { tokens: null, tierTokens: null, jobsAtOnce: null, requestsPerMinute: null },
        caps: { perMember: 10, total: 10 },
        idempotency: null,
        followedUntilMs: null,
        nowMs: Date.now(),
      });
    }
    await server.connect().hset("{coop}:job:job_2", "spec", "{}");
    const told: string[] = [];
    const scan = async (): Promise<void> => {
      for await (const page of stores.attempts.pending()) told.push(...page.map(({ spec }) => spec.id));
    };
    await expect(scan()).rejects.toThrow(/member/);
    expect(told).toEqual(["job_1", "job_3"]);
  });

  test("tell how long each step in Redis took, and what its settings promise", async () => {
    const steps = new Map<string, number>();
    const onStep = (step: string, seconds: number): void => void steps.set(step, seconds);
    const options = { socketPath: server.socketPath, vault, clock: Date, log: silent };
    await using stores = await openStores({ ...options, onStep });
    expect(stores.persistence).toBe("strong");
    await stores.leadership.campaign("scheduler_1", "http://127.0.0.1:7070", 1_000);
    expect([...steps.keys()]).toEqual(["campaign"]);
    expect(steps.get("campaign")).toBeGreaterThan(0);
    expect(steps.get("campaign")).toBeLessThan(5);
  });

  test("refuse a Redis that evicts, naming the setting", async () => {
    await server.connect().config("SET", "maxmemory-policy", "allkeys-lru");
    await expect(open()).rejects.toMatchObject({
      code: "redis-evicts",
      message: expect.stringMatching(/maxmemory-policy allkeys-lru/),
    });
    const clients = String(await server.connect().client("LIST"));
    expect(clients).not.toContain("name=coop-");
  });

  test("take an address as people write it", async () => {
    await using stores = await openStores({
      url: `unix://${server.socketPath}`,
      vault,
      clock: Date,
      log: silent,
    });
    expect(await stores.members.members()).toEqual([]);
  });

  test("fail at once while Redis is away, and serve again when it is back", async () => {
    const told: string[] = [];
    const log: Log = {
      ...silent,
      error: (_, message) => void told.push(message),
      info: (_, message) => void told.push(message),
    };
    await using stores = await open(log);
    expect(await stores.members.member(ada)).toBeNull();
    await server.kill9();
    const startedAt = performance.now();
    await expect(stores.members.member(ada)).rejects.toMatchObject({
      code: "store-unavailable",
      retriable: true,
    });
    await expect(stores.desk.cancel(asJobId("job_1"), null, "member", 0)).rejects.toMatchObject({
      code: "store-unavailable",
    });
    await expect(stores.leadership.campaign("a", "a", 10_000)).rejects.toMatchObject({
      code: "store-unavailable",
    });
    expect(performance.now() - startedAt).toBeLessThan(500);

    await server.restart();
    await vi.waitUntil(
      async () =>
        await stores.members.member(ada).then(
          () => true,
          () => false,
        ),
      { timeout: 5_000 },
    );
    expect(new Set(told)).toEqual(
      new Set(["no connection to Redis; trying until it is back", "connected to Redis again"]),
    );
  });

  test("give up after a second on a Redis that does not answer", async () => {
    await using stores = await open();
    server.freeze();
    const startedAt = performance.now();
    await expect(stores.members.member(ada)).rejects.toMatchObject({ code: "store-unavailable" });
    expect(performance.now() - startedAt).toBeGreaterThan(900);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    server.thaw();
    await vi.waitUntil(
      async () =>
        await stores.members.member(ada).then(
          () => true,
          () => false,
        ),
      { timeout: 5_000 },
    );
  });

  test("leave no connection behind", async () => {
    const stores = await open();
    const ending = new AbortController();
    const wakeUps = stores.wakeUps.subscribe(
      () => {},
      () => {},
      ending.signal,
    );
    const projector = stores.projector.run(ending.signal);
    ending.abort();
    await Promise.all([wakeUps, projector]);
    await stores.close();
    const observer = server.connect();
    await vi.waitUntil(
      async () =>
        String(await observer.client("LIST"))
          .trim()
          .split("\n").length === 1,
      { timeout: 5_000 },
    );
  });
});

test("a Redis that is not there is named with what to check", async () => {
  const log = silent;
  await expect(openStores({ url: "redis://127.0.0.1:1", vault, clock: Date, log })).rejects.toThrow(
    /did not answer within 5 s.*ECONNREFUSED.*REDIS_URL/,
  );
});
