import { describe, expect, test } from "vitest";
import { asJobId, START_OF_OUTPUT, type OutputEntry, type OutputPosition } from "@coop/core";
import { startTestRedis } from "@coop/redis/testing";
import {
  ada,
  admission,
  fence,
  frame,
  job,
  leaseOf,
  noonMs,
  pi,
  retry,
  success,
} from "../harness/job-requests.ts";
import { eachJobStores, openRedisStores, useTestRedis, type JobStores } from "../harness/job-stores.ts";

const server = useTestRedis();

/** Follows in the background. `seen` grows; `ended` resolves when the follower ends. */
function following(
  { output }: Pick<JobStores, "output">,
  after: OutputPosition = START_OF_OUTPUT,
  signal: AbortSignal = AbortSignal.timeout(10_000),
) {
  const seen: OutputEntry[] = [];
  const ended = (async () => {
    for await (const entry of output.follow(job, after, signal)) seen.push(entry);
    return seen;
  })();
  return { seen, ended };
}

const positions = (entries: readonly OutputEntry[]) =>
  entries.map(({ position: { epoch, seq } }) => `${epoch}-${seq}`);

describe.each(eachJobStores())("the output log on %s", (_name, open) => {
  async function opened(changes: Parameters<typeof admission>[1] = {}) {
    const stores = await open();
    await stores.setFence(fence);
    await stores.jobs.admit(admission({}, changes));
    return stores;
  }

  test("a follower sees every entry once, in order, and ends with the job", async () => {
    await using stores = await opened();
    const { jobs } = stores;
    const { seen, ended } = following(stores);
    await jobs.lease(leaseOf());
    await expect.poll(() => positions(seen)).toEqual(["1-0"]);
    for (let seq = 1; seq <= 50; seq += 1) await jobs.append(frame(seq));
    await jobs.finish(fence, job, 1, success(30, 50), noonMs);
    const entries = await ended;
    expect(positions(entries)).toEqual([...Array(52).keys()].map((seq) => `1-${seq}`));
    expect(entries[50]).toEqual({
      job,
      position: { epoch: 1, seq: 50 },
      event: { kind: "deltas", deltas: frame(50).deltas },
    });
    expect(entries.at(-1)?.event).toEqual(success(30, 50));
    expect(entries).toEqual(await stores.output.read(job, START_OF_OUTPUT));
  });

  test("followers that come at any time see the same", async () => {
    await using stores = await opened();
    const { jobs } = stores;
    const followers = [following(stores), following(stores)];
    await jobs.lease(leaseOf());
    for (let seq = 1; seq <= 40; seq += 1) {
      if (seq % 10 === 0) followers.push(following(stores));
      await jobs.append(frame(seq));
    }
    followers.push(following(stores));
    await jobs.finish(fence, job, 1, success(30, 40), noonMs);
    followers.push(following(stores));
    const expected = positions(await stores.output.read(job, START_OF_OUTPUT));
    expect(expected).toHaveLength(42);
    for (const { ended } of followers) expect(positions(await ended)).toEqual(expected);
  });

  test("keeps every kind of delta, and characters of every language", async () => {
    await using stores = await opened();
    const { jobs } = stores;
    await jobs.lease(leaseOf());
    const deltas = [
      { kind: "content", text: "Räksmörgås 🦐 \u0000 \n" },
      { kind: "reasoning", text: "därför" },
      {
        kind: "logprobs",
        tokens: [
          { token: "x", logprob: -0.5, bytes: [120], top: [{ token: "y", logprob: -1, bytes: null }] },
        ],
      },
      { kind: "tool-call", index: 0, call: { id: "c1", name: "look", arguments: '{"a":1}' } },
      { kind: "embedding", index: 0, vector: [0.25, -1e-9] },
    ] as const;
    await jobs.append(frame(1, { deltas }));
    await jobs.finish(fence, job, 1, success(30, 1), noonMs);
    expect((await following(stores).ended)[1]?.event).toEqual({ kind: "deltas", deltas });
  });

  test("resumes after a position", async () => {
    await using stores = await opened();
    const { jobs } = stores;
    await jobs.lease(leaseOf());
    for (const seq of [1, 2, 3]) await jobs.append(frame(seq));
    const { seen, ended } = following(stores, { epoch: 1, seq: 2 });
    await expect.poll(() => positions(seen)).toEqual(["1-3"]);
    await jobs.finish(fence, job, 1, success(30, 3), noonMs);
    expect(positions(await ended)).toEqual(["1-3", "1-4"]);
    expect(positions(await stores.output.read(job, { epoch: 1, seq: 3 }))).toEqual(["1-4"]);
  });

  test("goes on over a restarted attempt and a cancellation", async () => {
    await using stores = await opened({ attachment: "detached" });
    const { jobs } = stores;
    const { seen, ended } = following(stores);
    await jobs.lease(leaseOf());
    await jobs.append(frame(1));
    await expect.poll(() => positions(seen)).toEqual(["1-0", "1-1"]);
    await jobs.expire(retry());
    await jobs.lease(leaseOf({ node: pi }));
    await jobs.append(frame(1, { epoch: 2 }));
    await expect.poll(() => positions(seen)).toEqual(["1-0", "1-1", "2-0", "2-1"]);
    await jobs.cancel(job, ada, "member", noonMs);
    expect(positions(await ended)).toEqual(["1-0", "1-1", "2-0", "2-1", "3-0"]);
    expect(seen.map(({ event }) => event)).toMatchObject([
      { kind: "placed", restarted: false },
      { kind: "deltas" },
      { kind: "placed", restarted: true },
      { kind: "deltas" },
      { kind: "cancelled", reason: "member" },
    ]);
  });

  test("ends at once where nothing can follow: after the last entry, or for an unknown job", async () => {
    await using stores = await opened();
    const { jobs, output } = stores;
    await jobs.lease(leaseOf());
    await jobs.finish(fence, job, 1, success(30, 0), noonMs);
    expect(await following(stores, { epoch: 1, seq: 1 }).ended).toEqual([]);
    expect(await following(stores, { epoch: 9, seq: 0 }).ended).toEqual([]);
    const unknown = output.follow(asJobId("job_unknown"), START_OF_OUTPUT, AbortSignal.timeout(10_000));
    for await (const entry of unknown) expect(entry).toBeUndefined();
    expect(await output.read(asJobId("job_unknown"), START_OF_OUTPUT)).toEqual([]);
  });

  test("ends when its follower aborts, before and while it waits", async () => {
    await using stores = await opened();
    const stop = new AbortController();
    const { seen, ended } = following(stores, START_OF_OUTPUT, stop.signal);
    await stores.jobs.lease(leaseOf());
    await expect.poll(() => positions(seen)).toEqual(["1-0"]);
    stop.abort();
    expect(positions(await ended)).toEqual(["1-0"]);
    expect(await following(stores, START_OF_OUTPUT, stop.signal).ended).toEqual([]);
  });

  test("feeds a slow follower everything in the end", async () => {
    await using stores = await opened();
    const { jobs } = stores;
    await jobs.lease(leaseOf());
    const slow = stores.output
      .follow(job, START_OF_OUTPUT, AbortSignal.timeout(10_000))
      [Symbol.asyncIterator]();
    const seen: OutputEntry[] = [];
    const take = async (): Promise<boolean> => {
      const next = await slow.next();
      if (next.done !== true) seen.push(next.value);
      return next.done !== true;
    };
    for (let seq = 1; seq <= 5; seq += 1) {
      await take();
      await jobs.append(frame(seq));
    }
    const fast = following(stores);
    await Promise.all(Array.from({ length: 1_200 }, (_, i) => jobs.append(frame(i + 6))));
    await jobs.finish(fence, job, 1, success(30, 9), noonMs);
    await fast.ended;
    for (let more = true; more; more = await take());
    expect(positions(seen)).toEqual([...Array(1_207).keys()].map((seq) => `1-${seq}`));
    expect(seen).toEqual(await fast.ended);
  });
});

describe("the output log on Redis", () => {
  test("misses nothing when its subscriber's connection breaks", async () => {
    await using stores = await openRedisStores(server())();
    const { jobs } = stores;
    await stores.setFence(fence);
    await jobs.admit(admission());
    await jobs.lease(leaseOf());
    const { seen, ended } = following(stores);
    await expect.poll(() => positions(seen)).toEqual(["1-0"]);
    const operator = server().connect();
    for (let seq = 1; seq <= 60; seq += 1) {
      if (seq % 20 === 0) await operator.call("CLIENT", "KILL", "TYPE", "pubsub");
      await jobs.append(frame(seq));
    }
    await expect.poll(() => seen.length).toBe(61);
    await jobs.finish(fence, job, 1, success(30, 60), noonMs);
    expect(positions(await ended)).toEqual([...Array(62).keys()].map((seq) => `1-${seq}`));
    operator.disconnect();
  });

  test("reads what it was not told of", async () => {
    await using stores = await openRedisStores(server())();
    const { jobs, redis, keys, vault } = stores;
    await stores.setFence(fence);
    await jobs.admit(admission());
    await jobs.lease(leaseOf());
    const { seen, ended } = following(stores);
    await jobs.append(frame(1));
    await expect.poll(() => positions(seen)).toEqual(["1-0", "1-1"]);
    await redis.xadd(keys.output(job), "1-2", "sealed", vault.seal(JSON.stringify(frame(2).deltas)));
    await redis.hset(keys.job(job), "lastSeq", 2);
    await jobs.append(frame(3));
    await expect.poll(() => positions(seen)).toEqual(["1-0", "1-1", "1-2", "1-3"]);
    await jobs.finish(fence, job, 1, success(30, 3), noonMs);
    expect(positions(await ended)).toEqual(["1-0", "1-1", "1-2", "1-3", "1-4"]);
  });

  test("goes on after Redis was killed and started again", async () => {
    await using own = await startTestRedis();
    await using stores = await openRedisStores(own)();
    const { jobs } = stores;
    await stores.setFence(fence);
    await jobs.admit(admission());
    await jobs.lease(leaseOf());
    const { seen, ended } = following(stores);
    await jobs.append(frame(1));
    await expect.poll(() => positions(seen)).toEqual(["1-0", "1-1"]);
    await own.kill9();
    await own.restart();
    await jobs.append(frame(2));
    await jobs.finish(fence, job, 1, success(30, 2), noonMs);
    expect(positions(await ended)).toEqual(["1-0", "1-1", "1-2", "1-3"]);
  });

  test("keeps no plain output or prompt in Redis", async () => {
    await using stores = await openRedisStores(server())();
    const { jobs } = stores;
    await stores.setFence(fence);
    const secret = "a very private canary";
    await jobs.admit(admission({ payload: secret }));
    await jobs.lease(leaseOf());
    await jobs.append(frame(1, { deltas: [{ kind: "content", text: secret }] }));
    const redis = server().connect();
    const read: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
      string: (key) => redis.get(key),
      hash: (key) => redis.hgetall(key),
      zset: (key) => redis.zrange(key, "0", "-1"),
      stream: (key) => redis.xrange(key, "-", "+"),
    };
    const stored = await Promise.all(
      (await redis.keys("*")).map(
        async (key) => JSON.stringify(await read[await redis.type(key)]?.(key)) ?? key,
      ),
    );
    expect(stored.some((value) => value.includes("llama3.2:3b"))).toBe(true);
    expect(stored.filter((value) => value.includes(secret))).toEqual([]);
    redis.disconnect();
  });
});
