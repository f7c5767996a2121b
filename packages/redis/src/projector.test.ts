import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  asJobId,
  asMemberId,
  asNodeId,
  defaultStorePolicy,
  OperationalError,
  type AttemptStore,
  type JobDesk,
  type JobId,
  type JobRecord,
  type Log,
  type Random,
} from "@coop/core";
import { buildJobSpec, createSeededRandom } from "@coop/core/testing";
import { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createBullQueue, WrongClaim, type BullQueue } from "./bull-queue.ts";
import { createJobStore } from "./job-store.ts";
import { createKeys, type Keys } from "./keys.ts";
import { createProjector, type Projector } from "./projector.ts";
import { createScripts } from "./script.ts";
import { startTestRedis, type TestRedis } from "./testing/test-redis.ts";
import { createVault } from "./vault.ts";

const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const farMs = 3_600_000;
const tooMany = 1_000_000;

let server: TestRedis;
let secrets: string;
let redis: Redis;
let prefix: string;
let keys: Keys;
let store: JobDesk & AttemptStore;
let observer: Queue;

beforeEach(async () => {
  server = await startTestRedis();
  secrets = await mkdtemp(join(tmpdir(), "coop-projector-"));
  prefix = server.prefix();
  keys = createKeys(prefix);
  redis = server.connect();
  store = createJobStore({ redis, prefix, vault: createVault({ directory: secrets, clock: Date }) });
  observer = new Queue("jobs", { connection: server.connect(), prefix });
  observer.on("error", (error) => silent.debug({ err: error }, "Redis is away"));
  await redis.set(keys.fence, 1);
});
afterEach(async () => {
  await observer.close();
  await server.stop();
  await rm(secrets, { recursive: true, force: true });
});

type CreateQueue = typeof createBullQueue;

function projectorOn(
  connect: () => Redis,
  createQueue: CreateQueue = createBullQueue,
  log = silent,
): Projector {
  const scriptsOn = (connection: Redis) => createScripts(connection, prefix, defaultStorePolicy);
  return createProjector({ connect, scriptsOn, keys, prefix, clock: Date, log, createQueue });
}

/** Runs a projector around some work, and until no job is marked. */
async function projecting(projector: Projector, work: () => Promise<void>): Promise<void> {
  const ending = new AbortController();
  const running = projector.run(ending.signal);
  await work();
  projector.poke();
  await vi.waitUntil(async () => (await redis.zcard(keys.dirty)) === 0, { timeout: 10_000, interval: 10 });
  ending.abort();
  await running;
}

async function admit(id: JobId): Promise<void> {
  const nowMs = Date.now();
  const outcome = await store.admit({
    spec: buildJobSpec({ id, submittedAtMs: nowMs, deadlineMs: nowMs + farMs, attachment: "detached" }),
    payload: "{}",
    metadata: {},
    day: "2026-11-20",
    limits: { tokens: null, tierTokens: null, jobsAtOnce: null, requestsPerMinute: null },
    caps: { perMember: tooMany, total: tooMany },
    idempotency: null,
    followedUntilMs: null,
    nowMs,
  });
  expect(outcome.kind).toBe("admitted");
}

const lease = async (job: JobId) =>
  await store.lease({
    fence: 1,
    job,
    node: asNodeId("node_1"),
    nodeName: "studio",
    nodeOwner: asMemberId("mem_ada"),
    model: "m",
    tier: "edge",
    cloud: false,
    tokensPerDay: null,
    tokensPerMonth: null,
    day: "2026-11-20",
    leaseUntilMs: Date.now() + farMs,
    placement: { atMs: 0, decision: { kind: "waiting", why: "" }, nodes: [] },
    nowMs: Date.now(),
  });

const succeed = async (job: JobId, epoch: number) =>
  await store.finish(
    1,
    job,
    epoch,
    {
      kind: "succeeded",
      finishReason: "stop",
      usage: { promptTokens: 1, outputTokens: 1 },
      timings: { loadMs: 0, prefillMs: 0, decodeMs: 0, totalMs: 0 },
    },
    Date.now(),
  );

const retry = async (job: JobId, epoch: number, notBeforeMs: number) =>
  await store.expire({
    fence: 1,
    job,
    epoch,
    failure: "engine-error",
    message: "",
    usage: null,
    excludeNode: false,
    counts: true,
    notBeforeMs,
    maxAttempts: 3,
    nowMs: Date.now(),
  });

/** The places in BullMQ that fit a job's hash. */
function fittingStates({ state }: JobRecord): readonly string[] {
  switch (state.state) {
    case "queued":
      return state.notBeforeMs <= Date.now()
        ? ["waiting", "prioritized"]
        : ["waiting", "prioritized", "delayed"];
    case "leased":
    case "running":
      return ["active"];
    case "succeeded":
      return ["completed", "unknown"];
    case "failed":
    case "cancelled":
    case "expired":
      return ["failed", "unknown"];
  }
}

describe("the projector", () => {
  test("follows a job through its life", async () => {
    const id = asJobId("job_a");
    const projector = projectorOn(server.connect);
    const seen: string[] = [];
    const look = async (): Promise<void> => {
      projector.poke();
      await vi.waitUntil(async () => (await redis.zcard(keys.dirty)) === 0);
      seen.push(await observer.getJobState(id));
    };
    await projecting(projector, async () => {
      await admit(id);
      await look();
      await lease(id);
      await look();
      await retry(id, 1, Date.now() + farMs);
      await look();
      await redis.hset(keys.job(id), "notBefore", 0);
      await vi.waitUntil(async () => (await observer.getJobState(id)) === "prioritized", { timeout: 5_000 });
      await lease(id);
      await look();
      await succeed(id, 2);
      await look();
    });
    expect(seen).toEqual(["prioritized", "active", "delayed", "active", "completed"]);
  });

  test("removes what was cancelled before it ran, and shows as failed what was cancelled while it ran", async () => {
    const [waiting, running] = [asJobId("job_waiting"), asJobId("job_running")];
    await projecting(projectorOn(server.connect), async () => {
      for (const id of [waiting, running]) await admit(id);
      await lease(running);
    });
    await projecting(projectorOn(server.connect), async () => {
      for (const id of [waiting, running]) await store.cancel(id, null, "member", Date.now());
    });
    expect(await observer.getJobState(waiting)).toBe("unknown");
    expect(await observer.getJobState(running)).toBe("failed");
    expect((await observer.getJob(running))?.failedReason).toBe("cancelled: member");
  });

  test("mends at its start what somebody changed by hand", async () => {
    const [active, lost] = [asJobId("job_active"), asJobId("job_lost")];
    await projecting(projectorOn(server.connect), async () => {
      for (const id of [active, lost]) await admit(id);
      await lease(lost);
      await lease(active);
    });
    await redis.lrem(`${prefix}:jobs:active`, 1, lost);
    await redis.del(`${prefix}:jobs:${lost}`);
    await redis.lpush(`${prefix}:jobs:active`, "job_unknown");
    await redis.hset(
      `${prefix}:jobs:job_unknown`,
      "name",
      "chat",
      "data",
      "{}",
      "opts",
      "{}",
      "timestamp",
      1,
    );
    await projecting(projectorOn(server.connect), async () => {
      await vi.waitUntil(async () => (await observer.getJobState(lost)) === "active", { timeout: 5_000 });
      await vi.waitUntil(async () => (await observer.getJobState("job_unknown")) === "unknown", {
        timeout: 5_000,
      });
    });
    expect(await observer.getJobState(active)).toBe("active");
  });

  test("goes on with other jobs while BullMQ refuses one, and with that one once it does not", async () => {
    const [bad, good] = [asJobId("job_bad"), asJobId("job_good")];
    let refusals = 0;
    const warnings: unknown[] = [];
    const log = {
      ...silent,
      warn: (fields: Readonly<Record<string, unknown>>) => void warnings.push(fields["job"]),
    };
    const refusing: CreateQueue = (...args) => {
      const queue = createBullQueue(...args);
      const perform: BullQueue["perform"] = async (step) => {
        if (step.id === bad && refusals < 3) {
          refusals += 1;
          throw new Error("no");
        }
        await queue.perform(step);
      };
      return { ...queue, perform };
    };
    const startedAt = performance.now();
    await projecting(projectorOn(server.connect, refusing, log), async () => {
      await admit(bad);
      await admit(good);
      await vi.waitUntil(async () => (await observer.getJobState(good)) === "prioritized");
      expect(refusals).toBeLessThan(3);
    });
    expect(await observer.getJobState(bad)).toBe("prioritized");
    expect(warnings).toEqual([bad, bad, bad]);
    expect(performance.now() - startedAt).toBeGreaterThan(700);
  });

  test("puts a job back that a failed claim took instead", async () => {
    const [wanted, other] = [asJobId("job_wanted"), asJobId("job_other")];
    const taken: string[] = [];
    const vanishing: CreateQueue = (...args) => {
      const queue = createBullQueue(...args);
      const perform: BullQueue["perform"] = async (step) => {
        if (step.step === "claim" && taken.length === 0) {
          await observer.remove(wanted);
          await expect(queue.perform(step)).rejects.toMatchObject({ claimed: other });
          taken.push(await observer.getJobState(other));
          throw new WrongClaim(wanted, other, null);
        }
        await queue.perform(step);
      };
      return { ...queue, perform };
    };
    await projecting(projectorOn(server.connect, vanishing), async () => {
      await admit(other);
      await admit(wanted);
      await vi.waitUntil(async () => (await redis.zcard(keys.dirty)) === 0);
      await lease(wanted);
    });
    expect(taken).toEqual(["active"]);
    expect(await observer.getJobState(wanted)).toBe("active");
    expect(await observer.getJobState(other)).toBe("prioritized");
  });

  test("takes jobs that are next in line as they come, and moves only others to the front", async () => {
    const moved: string[] = [];
    const watched: CreateQueue = (...args) => {
      const queue = createBullQueue(...args);
      const perform: BullQueue["perform"] = (step) => {
        if (step.step === "claim") moved.push(step.id);
        return queue.perform(step);
      };
      return { ...queue, perform };
    };
    const [first, second, third, last] = [asJobId("a"), asJobId("b"), asJobId("c"), asJobId("d")];
    await projecting(projectorOn(server.connect, watched), async () => {
      for (const id of [first, second, third, last]) await admit(id);
    });
    for (const id of [second, first, last]) await lease(id);
    await projecting(projectorOn(server.connect, watched), async () => {});
    expect(moved).toEqual([last]);
    expect([...(await observer.getRanges(["active"], 0, -1))].sort()).toEqual([first, second, last]);
    expect(await observer.getJobState(third)).toBe("prioritized");
  });

  test("puts a job back that got in front of those that were next", async () => {
    const [wanted, other] = [asJobId("job_wanted"), asJobId("job_other")];
    const taken: string[] = [];
    const overtaken: CreateQueue = (...args) => {
      const queue = createBullQueue(...args);
      const takeNext: BullQueue["takeNext"] = async (amount) => {
        if (taken.length === 0)
          await (await observer.getJob(other))?.changePriority({ priority: 0, lifo: true });
        const ids = await queue.takeNext(amount);
        taken.push(...ids);
        return ids;
      };
      return { ...queue, takeNext };
    };
    await projecting(projectorOn(server.connect, overtaken), async () => {
      await admit(wanted);
      await admit(other);
      await vi.waitUntil(async () => (await redis.zcard(keys.dirty)) === 0);
      await lease(wanted);
    });
    expect(taken[0]).toBe(other);
    expect(await observer.getJobState(wanted)).toBe("active");
    expect(await observer.getJobState(other)).toBe("prioritized");
  });

  test("stops with its signal even when Redis does not answer", async () => {
    const ending = new AbortController();
    const running = projectorOn(server.connect).run(ending.signal);
    await admit(asJobId("job_a"));
    await vi.waitUntil(async () => (await redis.zcard(keys.dirty)) === 0, { timeout: 5_000 });
    await server.kill9();
    await delay(50);
    ending.abort();
    await running;
    await server.restart();
  });
});

test(
  "after 2,000 random lives with faults at every step, BullMQ is as the hashes demand",
  { timeout: 60_000 },
  async () => {
    const random = createSeededRandom(20_261_120);
    const count = 2_000;
    const tally = { refusedBefore: 0, refusedAfter: 0, disconnected: 0, projectorsKilled: 0, redisKilled: 0 };
    let takenInLine = 0;

    const projectorConnections: Redis[] = [];
    const connect = (): Redis => {
      const connection = server.connect();
      projectorConnections.push(connection);
      return connection;
    };
    const faulty: CreateQueue = (connection, ...rest) => {
      const queue = createBullQueue(connection, ...rest);
      const unreliably = async <T>(take: () => Promise<T>): Promise<T> => {
        const dice = random.next();
        if (dice < 0.05) {
          tally.refusedBefore += 1;
          throw new Error("refused before the step");
        }
        if (dice > 0.995) {
          tally.disconnected += 1;
          connection.disconnect(true);
        }
        const taken = await take();
        if (dice < 0.1) {
          tally.refusedAfter += 1;
          throw new Error("failed after the step");
        }
        return taken;
      };
      return {
        ...queue,
        perform: (step) => unreliably(() => queue.perform(step)),
        takeNext: (amount) => {
          takenInLine += amount;
          return unreliably(() => queue.takeNext(amount));
        },
      };
    };

    const lives = new AbortController();
    const reign = async (): Promise<void> => {
      while (!lives.signal.aborted) {
        const ending = new AbortController();
        const running = projectorOn(connect, faulty).run(ending.signal);
        await delay(100 + random.next() * 400);
        for (const connection of projectorConnections.splice(0)) connection.disconnect();
        ending.abort();
        await running;
        tally.projectorsKilled += 1;
      }
    };
    const havoc = async (): Promise<void> => {
      while (!lives.signal.aborted) {
        await delay(700 + random.next() * 600);
        await server.kill9();
        await server.restart();
        tally.redisKilled += 1;
      }
    };

    const faults = Promise.all([reign(), havoc()]);
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < count) {
        next += 1;
        await liveOnce(asJobId(`job_${next}`), random);
      }
    };
    await Promise.all(Array.from({ length: 20 }, lane));
    lives.abort();
    await faults;

    await projecting(projectorOn(server.connect), async () => {});
    const states: Record<string, number> = {};
    const misplaced: string[] = [];
    for (let index = 1; index <= count; index += 1) {
      const id = asJobId(`job_${index}`);
      const record = await store.read(id);
      if (record === null) throw new Error(`${id} has no hash`);
      const place = await observer.getJobState(id);
      states[`${record.state.state} in ${place}`] = (states[`${record.state.state} in ${place}`] ?? 0) + 1;
      if (!fittingStates(record).includes(place))
        misplaced.push(`${id} is ${record.state.state}, BullMQ says ${place}`);
    }
    expect(misplaced).toEqual([]);
    for (const id of await observer.getRanges(["active"], 0, -1)) {
      expect((await store.read(asJobId(id)))?.state.state).toMatch(/leased|running/);
    }
    // The faults happened, and the lives were of every kind.
    for (const [fault, times] of Object.entries({ ...tally, takenInLine }))
      expect(times, fault).toBeGreaterThan(0);
    for (const kind of [
      "queued in prioritized",
      "queued in delayed",
      "leased in active",
      "succeeded in completed",
    ]) {
      expect(states[kind], kind).toBeGreaterThan(10);
    }
  },
);

/** Takes a job through random changes of its state; it may stop anywhere. */
async function liveOnce(id: JobId, random: Random): Promise<void> {
  await untilAnswered(async () => await admit(id));
  for (;;) {
    const record = await untilAnswered(async () => await store.read(id));
    if (record === null) throw new Error(`${id} has no hash`);
    const { state, epoch } = record;
    const dice = random.next();
    if (random.next() < 0.3) await delay(random.next() * 20);
    if (dice < 0.08) return;
    if (dice < 0.16) {
      await untilAnswered(async () => await store.cancel(id, null, "member", Date.now()));
      return;
    }
    if (state.state === "queued") {
      if (state.notBeforeMs > Date.now() + 10_000) return;
      await untilAnswered(async () => await lease(id));
    } else if (state.state === "leased" || state.state === "running") {
      if (dice < 0.4) {
        const laterMs = dice < 0.22 ? farMs : dice < 0.3 ? 200 : 0;
        await untilAnswered(async () => await retry(id, epoch, Date.now() + laterMs));
      } else if (dice < 0.6 && state.state === "leased") {
        await untilAnswered(async () => await store.accept(1, id, epoch));
      } else {
        await untilAnswered(async () => await succeed(id, epoch));
      }
    } else {
      return;
    }
  }
}

/** Asks again while Redis is away: every call of the store may be repeated. */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof OperationalError && error.retriable)) throw error;
    }
    await delay(10);
  }
}
