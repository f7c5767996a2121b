/**
 * Histories on the memory store and on Redis: the same answers at each step, and once everything has ended the
 * books are in order, whatever happened.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asJobId } from "@coop/core";
import { jobHistory } from "../harness/job-operations.ts";
import {
  ada,
  admission,
  ben,
  failure,
  fence,
  frame,
  leaseOf,
  limitsOf,
  month,
  noonMs,
  pi,
  retry,
  studio,
  success,
} from "../harness/job-requests.ts";
import {
  eachJobStores,
  openMemoryStores,
  openRedisStores,
  useTestRedis,
  type JobStores,
  type RedisJobStores,
} from "../harness/job-stores.ts";
import { assertBooksInOrder, everything, quiesce } from "../harness/rested-stores.ts";

const server = useTestRedis();

/** What Redis keeps of jobs on their way, all of it gone when they have ended. */
async function expectNothingOnTheWay({ redis, keys }: RedisJobStores): Promise<void> {
  const { pending, leases, followed, deadlines, zombies } = keys;
  const sets = [pending, leases, followed, deadlines, zombies];
  expect(await Promise.all(sets.map((set) => redis.zcard(set)))).toEqual([0, 0, 0, 0, 0]);
  const counts = await Promise.all(
    [ada, ben].map((member) => redis.hmget(keys.standing(member), "pending", "unfinished")),
  );
  expect(counts.flat().map(Number)).toEqual([0, 0, 0, 0]);
  expect(await redis.exists(...[studio, pi].map(keys.nodeClock))).toBe(0);
}

test("memory and Redis answer any history alike, and the books are in order after it", async () => {
  await fc.assert(
    fc.asyncProperty(jobHistory, async (history) => {
      await using memory = await openMemoryStores();
      await using redis = await openRedisStores(server())();
      await Promise.all([memory.setFence(fence), redis.setFence(fence)]);
      let nowMs = noonMs;
      for (const { afterMs, operation } of history) {
        nowMs += afterMs;
        const expected = await operation.call(memory, nowMs);
        expect(await operation.call(redis, nowMs), operation.name).toEqual(expected);
      }
      expect(await quiesce(redis, nowMs)).toEqual(await quiesce(memory, nowMs));
      const end = await everything(redis);
      expect(end).toEqual(await everything(memory));
      await assertBooksInOrder(redis, end, nowMs);
      await assertBooksInOrder(memory, end, nowMs);
      await expectNothingOnTheWay(redis);
      expect(redis.wakes.length).toBe(memory.wakes.length);
    }),
    { numRuns: 30 },
  );
}, 60_000);

const [lost, moved, owned] = [asJobId("job_1"), asJobId("job_2"), asJobId("job_3")];
const asked = (of: Parameters<typeof admission>[1]) => admission({ limits: limitsOf(250) }, of);
const used = { promptTokens: 20, outputTokens: 9 };

/** A life with everything in it that a process may die between: retries, late words, ends, compensation. */
const life: readonly (readonly [string, (stores: JobStores) => Promise<unknown>])[] = [
  ["admit lost", ({ jobs }) => jobs.admit(asked({ id: lost }))],
  ["admit moved", ({ jobs }) => jobs.admit(asked({ id: moved, attachment: "detached" }))],
  ["admit owned", ({ jobs }) => jobs.admit(asked({ id: owned, member: ben }))],
  ["lease lost", ({ jobs }) => jobs.lease(leaseOf({ job: lost }))],
  ["lease moved", ({ jobs }) => jobs.lease(leaseOf({ job: moved, node: pi, nodeOwner: ada }))],
  ["accept lost", ({ jobs }) => jobs.accept(fence, lost, 1)],
  ["append to lost", ({ jobs }) => jobs.append(frame(1, { job: lost }))],
  ["append to moved", ({ jobs }) => jobs.append(frame(1, { job: moved }))],
  ["expire moved: its node is gone", ({ jobs }) => jobs.expire(retry({ job: moved }))],
  ["lease moved again", ({ jobs }) => jobs.lease(leaseOf({ job: moved }))],
  ["lease owned", ({ jobs }) => jobs.lease(leaseOf({ job: owned, nodeOwner: ben }))],
  ["expire lost: its node is gone", ({ jobs }) => jobs.expire(retry({ job: lost }))],
  ["the first node of moved tells late", ({ jobs }) => jobs.settleNode(pi, moved, 1, used, noonMs)],
  ["finish moved", ({ jobs }) => jobs.finish(fence, moved, 2, success(30, 9), noonMs + 3_000)],
  ["the node of lost tells late", ({ jobs }) => jobs.finish(fence, lost, 1, success(30, 9), noonMs)],
  ["finish owned", ({ jobs }) => jobs.finish(fence, owned, 1, failure(30, 9), noonMs + 3_000)],
  ["refund moved", ({ accounting }) => accounting.refund(moved, noonMs + 4_000)],
  [
    "grant",
    ({ accounting }) => accounting.grant({ id: "grant_1", member: ben, month, tokens: 40 }, noonMs + 4_000),
  ],
];

describe.each(eachJobStores())("on %s", (_name, open) => {
  test("the books are in order wherever a life is cut off, and whichever step is repeated", async () => {
    for (let cut = 0; cut <= life.length; cut += 1) {
      await using stores = await open();
      await stores.setFence(fence);
      for (const [, step] of life.slice(0, cut)) await step(stores);
      // Its answer was lost: whoever comes next asks again.
      for (const [, step] of life.slice(Math.max(0, cut - 1), cut)) await step(stores);
      const nowMs = noonMs + 5_000;
      await quiesce(stores, nowMs);
      const end = await everything(stores);
      await assertBooksInOrder(stores, end, nowMs).catch((cause: unknown) => {
        throw new Error(`cut off after: ${life[cut - 1]?.[0] ?? "nothing"}`, { cause });
      });
    }
  }, 60_000);
});
