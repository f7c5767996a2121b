import { describe, expect, test } from "vitest";
import { asJobId, START_OF_OUTPUT } from "@coop/core";
import {
  ada,
  ben,
  day,
  failure,
  fence,
  frame,
  job,
  leaseOf,
  month,
  noonMs,
  pi,
  retry,
  studio,
  success,
} from "../harness/job-requests.ts";
import { eachJobStores } from "../harness/job-stores.ts";
import { account, imbalances, kinds, nodeAccount, openJob, stateOf } from "../harness/opened-job.ts";

describe.each(eachJobStores())("settlement in the job store on %s", (_name, open) => {
  describe("finish", () => {
    test("charges what was observed, gives the holds back and ends the output", async () => {
      await using stores = await openJob(open, "running");
      const { jobs } = stores;
      await jobs.append(frame(1));
      expect(await jobs.finish(fence, job, 1, success(30, 5), noonMs + 500)).toEqual({
        kind: "finished",
        chargedTokens: 35,
      });
      const { node, model, tier } = leaseOf();
      const { kind: state, ...ended } = success(30, 5);
      expect(await jobs.read(job)).toMatchObject({
        attempts: 1,
        state: {
          state,
          node,
          model,
          tier,
          ...ended,
          chargedTokens: 35,
          finishedAtMs: noonMs + 500,
        },
      });
      expect(await account(stores)).toEqual({ usedTokens: 35, heldTokens: 0 });
      expect(await nodeAccount(stores)).toEqual({ usedTokens: 35, heldTokens: 0 });
      expect(
        (await stores.output.read(job, { epoch: 1, seq: 1 })).map(({ position, event }) => [position, event]),
      ).toEqual([[{ epoch: 1, seq: 2 }, success(30, 5)]]);
      expect(await stores.ledger()).toEqual([
        {
          kind: "succeeded",
          job,
          grant: null,
          epoch: 1,
          member: ada,
          month,
          node: studio,
          day,
          owner: ben,
          atMs: noonMs + 500,
          toMember: 35,
          toNode: -35,
          toWaste: 0,
          toAbsorbed: 0,
          // A quarter for an edge model's owner, rounded down.
          toCredit: 8,
          toGrant: -8,
        },
      ]);
    });

    test("never charges above the hold: the co-op absorbs the rest", async () => {
      await using stores = await openJob(open, "running");
      expect(await stores.jobs.finish(fence, job, 1, success(70, 60), noonMs)).toEqual({
        kind: "finished",
        chargedTokens: 100,
      });
      expect(await account(stores)).toEqual({ usedTokens: 100, heldTokens: 0 });
      expect(await nodeAccount(stores)).toEqual({ usedTokens: 130, heldTokens: 0 });
      expect(await stores.ledger()).toMatchObject([
        { toMember: 100, toNode: -130, toAbsorbed: 30, toWaste: 0 },
      ]);
    });

    test("settles once, however often and with whatever it is repeated", async () => {
      await using stores = await openJob(open, "running");
      const ends = [success(30, 5), success(30, 60), failure(1, 1)];
      const outcomes = await Promise.all(
        Array.from({ length: 30 }, (_, i) =>
          stores.jobs.finish(fence, job, 1, ends[i % 3] ?? failure(0, 0), noonMs),
        ),
      );
      expect(outcomes[0]).toEqual({ kind: "finished", chargedTokens: 35 });
      expect(outcomes.slice(1)).toEqual(
        Array.from({ length: 29 }, () => ({ kind: "repeated", chargedTokens: 35 })),
      );
      expect(await account(stores)).toEqual({ usedTokens: 35, heldTokens: 0 });
      expect(await nodeAccount(stores)).toEqual({ usedTokens: 35, heldTokens: 0 });
      expect(await stores.ledger()).toHaveLength(1);
      expect(await kinds(stores)).toEqual([
        [1, 0, "placed"],
        [1, 1, "succeeded"],
      ]);
    });

    test("of a failed attempt charges the output that someone saw; the rest is waste", async () => {
      await using stores = await openJob(open, "running");
      await stores.jobs.append(frame(1));
      expect(await stores.jobs.finish(fence, job, 1, failure(30, 9), noonMs)).toEqual({
        kind: "finished",
        chargedTokens: 5,
      });
      const { code, message } = {
        code: "context-overflow",
        message: "the prompt is longer than the model's context",
      };
      const state = { state: "failed", code, message, chargedTokens: 5, finishedAtMs: noonMs };
      expect(await stateOf(stores)).toEqual(state);
      expect(await stores.ledger()).toMatchObject([
        { kind: "failed", toMember: 5, toNode: -39, toWaste: 34 },
      ]);
      expect((await stores.output.read(job, { epoch: 1, seq: 1 })).map(({ event }) => event)).toEqual([
        failure(30, 9),
      ]);
    });

    test("of a failed attempt that nobody watched charges nothing", async () => {
      await using stores = await openJob(open, "running", { attachment: "detached" });
      await stores.jobs.append(frame(1));
      expect(await stores.jobs.finish(fence, job, 1, failure(30, 5), noonMs)).toMatchObject({
        chargedTokens: 0,
      });
      expect(await stores.ledger()).toMatchObject([{ toMember: 0, toNode: -35, toWaste: 35 }]);
    });

    test("of an older epoch changes nothing of the job, and settles its own node's hold", async () => {
      await using stores = await openJob(open, "running");
      const { jobs } = stores;
      await jobs.expire(retry());
      await jobs.lease(leaseOf({ node: pi }));
      const before = await jobs.read(job);
      expect(await jobs.finish(fence, job, 1, success(20, 3), noonMs)).toEqual({ kind: "stale" });
      expect(await jobs.finish(fence, job, 1, success(20, 3), noonMs)).toEqual({ kind: "stale" });
      expect(await jobs.read(job)).toEqual(before);
      expect(await account(stores)).toEqual({ usedTokens: 0, heldTokens: 100 });
      expect(await nodeAccount(stores)).toEqual({ usedTokens: 23, heldTokens: 0 });
      expect(await stores.ledger()).toMatchObject([
        { kind: "node-settled", toMember: 0, toNode: -23, toWaste: 23 },
      ]);
    });
  });

  describe("expire", () => {
    test("queues the job again, keeps the member's hold and excludes the node", async () => {
      await using stores = await openJob(open, "running");
      const { jobs } = stores;
      const outcome = await jobs.expire(retry({ usage: { promptTokens: 30, outputTokens: 0 } }));
      const record = await jobs.read(job);
      expect(outcome).toEqual({ kind: "requeued", record });
      expect(record).toMatchObject({
        state: { state: "queued", notBeforeMs: noonMs + 2_000 },
        epoch: 1,
        attempts: 1,
        excludedNodes: [studio],
      });
      expect(await account(stores)).toEqual({ usedTokens: 0, heldTokens: 100 });
      expect(await nodeAccount(stores)).toEqual({ usedTokens: 30, heldTokens: 0 });
      expect(await stores.ledger()).toMatchObject([
        { kind: "retried", toMember: 0, toNode: -30, toWaste: 30 },
      ]);
      expect(await jobs.lease(leaseOf({ node: pi }))).toMatchObject({ kind: "leased", epoch: 2 });
    });

    test("repeated answers the same and changes nothing", async () => {
      await using stores = await openJob(open, "running");
      const { jobs } = stores;
      const request = retry({ usage: { promptTokens: 30, outputTokens: 0 } });
      const first = await jobs.expire(request);
      expect(await jobs.expire(request)).toEqual(first);
      expect(await stores.ledger()).toHaveLength(1);
      await jobs.lease(leaseOf({ node: pi }));
      expect(await jobs.expire(request)).toEqual({ kind: "stale" });
      await jobs.expire(retry({ epoch: 2 }));
      expect(await jobs.expire(request)).toEqual({ kind: "stale" });
    });

    test("fails a job after its last attempt, not counting those that do not count", async () => {
      await using stores = await openJob(open, "queued");
      const { jobs } = stores;
      const attempt = async (epoch: number, counts: boolean) => {
        expect(await jobs.lease(leaseOf())).toMatchObject({ kind: "leased", epoch });
        const usage = { promptTokens: 10, outputTokens: 0 };
        return (await jobs.expire(retry({ epoch, counts, usage, excludeNode: false }))).kind;
      };
      expect(await attempt(1, true)).toBe("requeued");
      expect(await attempt(2, false)).toBe("requeued");
      expect(await attempt(3, true)).toBe("requeued");
      expect(await attempt(4, true)).toBe("failed");
      expect(await jobs.read(job)).toMatchObject({
        attempts: 3,
        excludedNodes: [],
        state: { state: "failed", code: "node-lost", message: "the node went away", chargedTokens: 0 },
      });
      expect(await jobs.expire(retry({ epoch: 4 }))).toEqual({ kind: "failed", chargedTokens: 0 });
      expect(await account(stores)).toEqual({ usedTokens: 0, heldTokens: 0 });
      expect(await nodeAccount(stores)).toEqual({ usedTokens: 40, heldTokens: 0 });
    });

    test("fails a job that had shown output, with what was shown", async () => {
      await using stores = await openJob(open, "running");
      await stores.jobs.append(frame(1));
      expect(await stores.jobs.expire(retry())).toEqual({ kind: "failed", chargedTokens: 5 });
      expect(await stateOf(stores)).toMatchObject({ state: "failed", code: "node-lost", chargedTokens: 5 });
      expect(await account(stores)).toEqual({ usedTokens: 5, heldTokens: 0 });
      // The node may still run it: its hold stays until it tells, and is then settled for what it did.
      expect(await nodeAccount(stores)).toEqual({ usedTokens: 0, heldTokens: 100 });
      expect(await stores.jobs.finish(fence, job, 1, success(30, 7), noonMs)).toEqual({
        kind: "repeated",
        chargedTokens: 5,
      });
      expect(await nodeAccount(stores)).toEqual({ usedTokens: 37, heldTokens: 0 });
      expect(await kinds(stores)).toEqual([
        [1, 0, "placed"],
        [1, 1, "deltas"],
        [1, 2, "failed"],
      ]);
      expect(await imbalances(stores)).toEqual([]);
    });

    const unseen = [{ attachment: "detached" }, { attachment: "attached", streamed: false }] as const;
    test.each(unseen)(
      "starts a job whose output nobody saw from scratch and says so: %j",
      async (changes) => {
        await using stores = await openJob(open, "running", changes);
        const { jobs } = stores;
        await jobs.append(frame(1));
        expect(await jobs.expire(retry())).toMatchObject({
          kind: "requeued",
          record: { deliveredTokens: 0, deliveredBytes: 0, lastSeq: 0 },
        });
        await jobs.lease(leaseOf({ node: pi }));
        await jobs.append(frame(1, { epoch: 2 }));
        expect(await stores.output.read(job, START_OF_OUTPUT)).toMatchObject([
          { position: { epoch: 2, seq: 0 }, event: { kind: "placed", node: pi, restarted: true } },
          { position: { epoch: 2, seq: 1 }, event: { kind: "deltas" } },
        ]);
        expect(await jobs.finish(fence, job, 2, success(30, 5), noonMs)).toMatchObject({ chargedTokens: 35 });
      },
    );
  });

  test("settleAbsent charges a node in full for what it no longer speaks for, and leaves what it names", async () => {
    await using stores = await openJob(open, "running");
    const { jobs } = stores;
    await jobs.cancel(job, ada, "member", noonMs);
    expect(await jobs.settleAbsent(studio, [{ job, epoch: 1 }], noonMs)).toBe(0);
    expect(await jobs.settleAbsent(pi, [], noonMs)).toBe(0);
    expect(await nodeAccount(stores)).toEqual({ usedTokens: 0, heldTokens: 100 });
    expect(await jobs.settleAbsent(studio, [], noonMs)).toBe(1);
    expect(await jobs.settleAbsent(studio, [], noonMs)).toBe(0);
    expect(await nodeAccount(stores)).toEqual({ usedTokens: 100, heldTokens: 0 });
    expect(await imbalances(stores)).toEqual([]);
  });

  test("settleNode settles a fenced-off epoch once, for the node that had it, at most for its hold", async () => {
    await using stores = await openJob(open, "running");
    const { jobs } = stores;
    const usage = { promptTokens: 30, outputTokens: 900 };
    expect(await jobs.settleNode(studio, job, 1, usage, noonMs)).toBe("repeated");
    await jobs.cancel(job, ada, "member", noonMs);
    expect(await jobs.settleNode(pi, job, 1, usage, noonMs)).toBe("unknown");
    expect(await jobs.settleNode(studio, job, 2, usage, noonMs)).toBe("unknown");
    expect(await jobs.settleNode(studio, asJobId("job_unknown"), 1, usage, noonMs)).toBe("unknown");
    expect(await nodeAccount(stores)).toEqual({ usedTokens: 0, heldTokens: 100 });
    expect(await jobs.settleNode(studio, job, 1, usage, noonMs)).toBe("settled");
    expect(await jobs.settleNode(studio, job, 1, usage, noonMs)).toBe("repeated");
    expect(await nodeAccount(stores)).toEqual({ usedTokens: 100, heldTokens: 0 });
    expect(await imbalances(stores)).toEqual([]);
  });
});
