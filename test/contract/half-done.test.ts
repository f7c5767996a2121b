import { describe, expect, test } from "vitest";
import { asJobId } from "@coop/core";
import {
  ada,
  admission,
  failure,
  fence,
  frame,
  job,
  leaseOf,
  limitsOf,
  month,
  noonMs,
  retry,
  success,
} from "../harness/job-requests.ts";
import { openRedisStores, useTestRedis, type RedisJobStores } from "../harness/job-stores.ts";
import { account, nodeAccount, openJob } from "../harness/opened-job.ts";

const server = useTestRedis();
const open = (): Promise<RedisJobStores> => openRedisStores(server())();

/** Everything under the stores' prefix, by key. */
async function contents({ redis, keys }: RedisJobStores): Promise<object> {
  const read = async (key: string): Promise<unknown> => {
    switch (await redis.type(key)) {
      case "hash":
        return await redis.hgetall(key);
      case "zset":
        return await redis.zrange(key, "0", "-1", "WITHSCORES");
      case "stream":
        return await redis.xrange(key, "-", "+");
      default:
        return await redis.get(key);
    }
  };
  const all = await redis.keys(keys.everything);
  return Object.fromEntries(await Promise.all(all.map(async (key) => [key, await read(key)] as const)));
}

const other = asJobId("job_02");
const acts: readonly (readonly [string, (stores: RedisJobStores) => Promise<unknown>])[] = [
  ["admit", ({ jobs }) => jobs.admit(admission({ limits: limitsOf(null) }, { id: asJobId("job_03") }))],
  ["lease", ({ jobs }) => jobs.lease(leaseOf({ job: other }))],
  ["append", ({ jobs }) => jobs.append(frame(1))],
  ["finish", ({ jobs }) => jobs.finish(fence, job, 1, success(30, 5), noonMs)],
  ["expire", ({ jobs }) => jobs.expire(retry())],
  [
    "expire for good",
    ({ jobs }) => jobs.expire(retry({ usage: { promptTokens: 1, outputTokens: 1 }, maxAttempts: 1 })),
  ],
  ["cancel", ({ jobs }) => jobs.cancel(job, ada, "member", noonMs)],
  ["sweep", ({ jobs }) => jobs.sweep(fence, noonMs + 1e6, false)],
  ["grant", ({ accounting }) => accounting.grant({ id: "g", member: ada, month, tokens: 5 }, noonMs)],
];

describe("what Redis has no memory for", () => {
  test.each(acts)("%s is refused as a whole, and done once there is memory again", async (_name, act) => {
    await using stores = await open();
    const { redis, jobs } = stores;
    await stores.setFence(fence);
    for (const id of [job, other]) await jobs.admit(admission({ limits: limitsOf(null) }, { id }));
    await jobs.lease(leaseOf());
    const before = await contents(stores);
    await redis.config("SET", "maxmemory", "1");
    try {
      await expect(act(stores)).rejects.toMatchObject({ code: "store-unavailable" });
    } finally {
      await redis.config("SET", "maxmemory", "0");
    }
    expect(await contents(stores)).toEqual(before);
    await act(stores);
    expect(await contents(stores)).not.toEqual(before);
  });
});

test.each([
  ["succeeded", success(30, 5), 35],
  ["failed", failure(30, 5), 0],
] as const)(
  "an attempt of a tier that is no longer known ends as %s, settled once and without credit",
  async (state, end, charged) => {
    await using stores = await open();
    const { jobs, redis, keys } = stores;
    await openJob(() => Promise.resolve(stores), "running");
    await redis.hset(keys.job(job), "tier", "retired");
    await jobs.finish(fence, job, 1, end, noonMs);
    await jobs.finish(fence, job, 1, end, noonMs);
    expect(await redis.hget(keys.job(job), "state")).toBe(state);
    expect(await account(stores)).toEqual({ usedTokens: charged, heldTokens: 0 });
    expect(await nodeAccount(stores)).toEqual({ usedTokens: 35, heldTokens: 0 });
    expect(await stores.ledger()).toHaveLength(1);
  },
);
