/** What only Redis keeps: how long, under which marks, and what it does about sets and hashes that disagree. */
import { expect, test } from "vitest";
import { asJobId, START_OF_OUTPUT } from "@coop/core";
import { startTestRedis } from "@coop/redis/testing";
import {
  ada,
  admission,
  fence,
  frame,
  job,
  leaseOf,
  month,
  noonMs,
  retry,
  success,
} from "../harness/job-requests.ts";
import { openRedisStores, useTestRedis, type RedisJobStores } from "../harness/job-stores.ts";

const server = useTestRedis();
const hourMs = 3_600_000;

async function opened(): Promise<RedisJobStores> {
  const stores = await openRedisStores(server())();
  await stores.setFence(fence);
  await stores.jobs.admit(admission());
  return stores;
}

test("keeps a job's texts for a day after its end, its record for a month, and nothing shorter", async () => {
  await using stores = await opened();
  const { jobs, redis, keys } = stores;
  const lifetimesH = async () =>
    (await Promise.all([keys.kept(job), keys.output(job), keys.job(job)].map((key) => redis.pttl(key)))).map(
      (ms) => (ms < 0 ? ms : Math.round(ms / hourMs)),
    );
  await jobs.lease(leaseOf());
  await jobs.append(frame(1));
  expect(await lifetimesH()).toEqual([-1, -1, -1]);
  await jobs.finish(fence, job, 1, success(30, 5), noonMs);
  expect(await lifetimesH()).toEqual([24, 24, 30 * 24]);
  expect(await redis.pttl(keys.nodeAccount(leaseOf().node, month))).toBeGreaterThan(0);
});

test("a job whose output has expired can still be followed to its end, which is at once", async () => {
  await using stores = await opened();
  await stores.jobs.cancel(job, ada, "member", noonMs);
  await stores.redis.del(stores.keys.output(job));
  for await (const entry of stores.output.follow(job, START_OF_OUTPUT, AbortSignal.timeout(10_000))) {
    expect(entry).toBeUndefined();
  }
});

test("marks a job dirty, with a higher ver, whenever its place in its life changes", async () => {
  await using stores = await opened();
  const { jobs, redis, keys } = stores;
  let last = 0;
  const marked = async () => {
    const [score, text] = await Promise.all([
      redis.zscore(keys.dirty, job),
      redis.hget(keys.job(job), "ver"),
    ]);
    await redis.del(keys.dirty);
    const rose = Number(text) > last;
    last = Number(text);
    return { atMs: score === null ? null : Number(score), rose };
  };
  expect(await marked()).toEqual({ atMs: noonMs, rose: true });
  await jobs.lease(leaseOf({ nowMs: noonMs + 1 }));
  expect(await marked()).toEqual({ atMs: noonMs + 1, rose: true });
  await jobs.accept(fence, job, 1);
  await jobs.renew(fence, [{ job, epoch: 1 }], noonMs + 60_000);
  expect(await marked()).toEqual({ atMs: null, rose: false });
  await jobs.expire(retry({ nowMs: noonMs + 2 }));
  expect(await marked()).toEqual({ atMs: noonMs + 2, rose: true });
  await jobs.lease(leaseOf());
  await marked();
  await jobs.finish(fence, job, 2, success(30, 5), noonMs + 3);
  expect(await marked()).toEqual({ atMs: noonMs + 3, rose: true });
});

test("has a job in the sets of its place in life, and in no others", async () => {
  await using stores = await opened();
  const { jobs, redis, keys } = stores;
  const sets = ["pending", "leases", "followed", "deadlines", "zombies"] as const;
  const memberships = async () => {
    const members = await Promise.all(sets.map((set) => redis.zrange(keys[set], "0", "-1")));
    const queued = Number(await redis.hget(keys.standing(ada), "pending"));
    expect(queued).toBe(members[0]?.length);
    return sets.filter((_, i) => members[i]?.some((member) => member.split("|")[0] === job));
  };
  expect(await memberships()).toEqual(["pending", "followed", "deadlines"]);
  await jobs.lease(leaseOf());
  expect(await memberships()).toEqual(["leases", "followed", "deadlines"]);
  await jobs.expire(retry());
  expect(await memberships()).toEqual(["pending", "followed", "deadlines", "zombies"]);
  await jobs.lease(leaseOf());
  await jobs.settleNode(leaseOf().node, job, 1, { promptTokens: 1, outputTokens: 1 }, noonMs);
  expect(await memberships()).toEqual(["leases", "followed", "deadlines"]);
  await jobs.finish(fence, job, 2, success(30, 5), noonMs);
  expect(await memberships()).toEqual([]);
});

test("the sweep takes jobs that are gone out of the sets, and has BullMQ looked at", async () => {
  await using stores = await opened();
  const { jobs, redis, keys } = stores;
  const leased = asJobId("job_02");
  await jobs.admit(admission({}, { id: leased }));
  await jobs.lease(leaseOf({ job: leased }));
  await redis.del(keys.job(job), keys.job(leased), keys.dirty);
  const nothing = { unfollowed: [], expired: [], lapsed: [], fenced: [], overdueHolds: 0 };
  expect(await jobs.sweep(fence, noonMs + 1e6, false)).toEqual({ kind: "swept", report: nothing });
  const sets = [keys.pending, keys.leases, keys.followed, keys.deadlines, keys.zombies];
  expect(await Promise.all(sets.map((set) => redis.zcard(set)))).toEqual([0, 0, 0, 0, 0]);
  expect(await redis.zrange(keys.dirty, "0", "-1")).toEqual([job, leased]);
});

test("the sweep takes jobs that are elsewhere in their life out of the sets, and leaves them as they are", async () => {
  await using stores = await opened();
  const { jobs, redis, keys } = stores;
  await jobs.cancel(job, ada, "member", noonMs);
  const before = await jobs.read(job);
  for (const set of [keys.pending, keys.leases, keys.followed, keys.deadlines])
    await redis.zadd(set, noonMs, job);
  await redis.zadd(keys.zombies, noonMs, `${job}|1`);
  await jobs.sweep(fence, noonMs + 1e6, false);
  const sets = [keys.pending, keys.leases, keys.followed, keys.deadlines, keys.zombies];
  expect(await Promise.all(sets.map((set) => redis.zcard(set)))).toEqual([0, 0, 0, 0, 0]);
  expect(await jobs.read(job)).toEqual(before);
  expect(await stores.ledger()).toHaveLength(1);
});

test("a member's list forgets jobs whose records have expired", async () => {
  await using stores = await opened();
  const { jobs, redis, keys } = stores;
  await redis.del(keys.job(job));
  expect((await jobs.list(ada, { limit: 10, cursor: null })).jobs).toEqual([]);
  await jobs.admit(admission({}, { id: asJobId("job_02") }));
  expect(await redis.zrange(keys.memberJobs(ada), "0", "-1")).toEqual(["job_02"]);
});

test("says so when a payload or an output can no longer be read", async () => {
  await using stores = await opened();
  const { jobs, output, vault } = stores;
  await jobs.lease(leaseOf());
  await jobs.append(frame(1));
  await jobs.expire(retry({ failure: "busy", counts: false, usage: { promptTokens: 0, outputTokens: 0 } }));
  const waiting = asJobId("job_02");
  await jobs.admit(admission({}, { id: waiting }));
  vault.shred("2026-03-02");
  await expect(jobs.lease(leaseOf({ job: waiting }))).rejects.toMatchObject({ code: "payload-unreadable" });
  await expect(output.read(job, START_OF_OUTPUT)).rejects.toMatchObject({
    code: "output-unavailable",
    retriable: false,
  });
});

test("an unreachable Redis is an operational error, and what was asked can be asked again", async () => {
  await using own = await startTestRedis();
  await using stores = await openRedisStores(own)();
  await stores.setFence(fence);
  stores.redis.options.maxRetriesPerRequest = 0;
  await own.kill9();
  const refused = { code: "store-unavailable", retriable: true };
  await expect(stores.jobs.admit(admission())).rejects.toMatchObject(refused);
  await expect(stores.jobs.read(job)).rejects.toMatchObject(refused);
  await own.restart();
  await expect.poll(() => stores.redis.status, { timeout: 10_000 }).toBe("ready");
  expect(await stores.jobs.admit(admission())).toMatchObject({ kind: "admitted" });
});
