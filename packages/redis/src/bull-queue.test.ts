import { defaultStorePolicy, type Log } from "@coop/core";
import { buildJobSpec } from "@coop/core/testing";
import { Queue } from "bullmq";
import type { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { createBullQueue, WrongClaim, type BullQueue, type QueueStep } from "./bull-queue.ts";
import type { Step } from "./reconcile.ts";
import { createScripts } from "./script.ts";
import { startTestRedis, type TestRedis } from "./testing/test-redis.ts";

const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
let server: TestRedis;
let redis: Redis;
let prefix: string;
let bull: BullQueue;
/** BullMQ's own view, on a connection of its own. */
let observer: Queue;

beforeAll(async () => {
  server = await startTestRedis();
});
afterAll(async () => await server.stop());
beforeEach(async () => {
  prefix = server.prefix();
  redis = server.connect();
  bull = createBullQueue(redis, prefix, log);
  observer = new Queue("jobs", { connection: server.connect(), prefix });
});
afterEach(async () => {
  await bull[Symbol.asyncDispose]();
  await observer.close();
});

const step = (id: string, kind: QueueStep["step"], change: Partial<QueueStep> = {}): QueueStep => ({
  id,
  step: kind,
  spec: buildJobSpec(),
  notBeforeMs: Date.now() + 60_000,
  reason: "cancelled: member",
  ...change,
});

async function take(id: string, ...kinds: readonly Exclude<Step, "keep">[]): Promise<void> {
  for (const kind of kinds) await bull.perform(step(id, kind));
}

const paths = {
  prioritized: ["add"],
  delayed: ["add-delayed"],
  active: ["add", "claim"],
  completed: ["add", "claim", "complete"],
  failed: ["add", "claim", "fail"],
  unknown: ["add", "remove"],
} as const;

describe("BullMQ", () => {
  test("has a job where each step says", async () => {
    for (const [state, kinds] of Object.entries(paths)) {
      await take(`job_${state}`, ...kinds);
      expect(await observer.getJobState(`job_${state}`)).toBe(state);
    }
    await take("job_promoted", "add-delayed", "promote");
    expect(await observer.getJobState("job_promoted")).toBe("prioritized");
    await take("job_again", "add", "claim", "requeue");
    expect(await observer.getJobState("job_again")).toBe("prioritized");
    await take("job_later", "add", "claim", "postpone");
    expect(await observer.getJobState("job_later")).toBe("delayed");
    for (const state of ["prioritized", "delayed", "completed", "failed"]) {
      await take(`job_${state}`, "remove");
      expect(await observer.getJobState(`job_${state}`)).toBe("unknown");
    }
    expect(await bull.activeIds()).toEqual(["job_active"]);
    expect(await bull.delayedIds(10)).toEqual(["job_later"]);
  });

  test("is read by the projector's script as BullMQ reads itself", async () => {
    const run = createScripts(redis, prefix, defaultStorePolicy);
    for (const [state, kinds] of Object.entries(paths)) await take(`job_${state}`, ...kinds);
    const ids = Object.keys(paths).map((state) => `job_${state}`);
    const text = await run("read-mirror", `${prefix}:dirty`, [bull.keyPrefix, 0, ...ids]);
    const reply = z.array(z.array(z.unknown())).parse(JSON.parse(String(text)));
    expect(reply.map((job) => [job[0], job[5]])).toEqual([
      ["job_prioritized", "waiting"],
      ["job_delayed", "delayed"],
      ["job_active", "active"],
      ["job_completed", "completed"],
      ["job_failed", "failed"],
      ["job_unknown", "absent"],
    ]);
  });

  test("gives exactly the job that is claimed, 500 at once among 1,000, batch or not", async () => {
    const ids = Array.from({ length: 1_000 }, (_, index) => `job_${index}`);
    await Promise.all(
      ids.map(
        async (id, index) =>
          await bull.perform(
            step(id, "add", { spec: buildJobSpec({ band: index % 3 === 0 ? "batch" : "interactive" }) }),
          ),
      ),
    );
    const wanted = ids.filter((_, index) => index % 2 === 1).toReversed();
    await Promise.all(wanted.map(async (id) => await take(id, "claim")));
    expect([...(await bull.activeIds())].sort()).toEqual([...wanted].sort());
    expect(await observer.getJobCounts("prioritized", "waiting")).toMatchObject({
      prioritized: 500,
      waiting: 0,
    });
  });

  test("tells which job a failed claim took instead", async () => {
    await take("other", "add");
    const claim = bull.perform(step("missing", "claim"));
    await expect(claim).rejects.toThrow(WrongClaim);
    await expect(claim).rejects.toMatchObject({ claimed: "other" });
    await expect(bull.perform(step("missing", "claim"))).rejects.toMatchObject({ claimed: null });
  });

  test("puts a job back behind nothing and at its priority, so that the next claim is right again", async () => {
    await take("a", "add", "claim", "requeue");
    await take("b", "add", "claim");
    expect(await bull.activeIds()).toEqual(["b"]);
    await take("a", "claim", "postpone", "promote", "claim");
    expect([...(await bull.activeIds())].sort()).toEqual(["a", "b"]);
  });

  test("moves a job on whose lock is gone or another's", async () => {
    for (const kind of ["complete", "fail", "requeue", "postpone"] as const) {
      await take(`gone-${kind}`, "add", "claim");
      await redis.del(`${bull.keyPrefix}gone-${kind}:lock`);
      await take(`gone-${kind}`, kind);
      await take(`other-${kind}`, "add", "claim");
      await redis.set(`${bull.keyPrefix}other-${kind}:lock`, "another");
      await take(`other-${kind}`, kind);
    }
    expect(await bull.activeIds()).toEqual([]);
  });

  test("keeps why a job failed, not where the projector is, and no more finished jobs than it must", async () => {
    await take("job_1", "add", "claim", "fail");
    const job = await observer.getJob("job_1");
    expect(job?.failedReason).toBe("cancelled: member");
    expect(JSON.stringify(job?.stacktrace)).not.toContain("at ");
    expect(job?.opts).toMatchObject({ removeOnComplete: { count: 1_000 }, removeOnFail: { count: 5_000 } });
    expect(job?.data).toEqual(buildJobSpec());
  });

  test("locks for days, so that nothing is taken for stalled", async () => {
    await take("job_1", "add", "claim");
    expect(await redis.pttl(`${bull.keyPrefix}job_1:lock`)).toBeGreaterThan(6 * 24 * 3600 * 1000);
  });
});
