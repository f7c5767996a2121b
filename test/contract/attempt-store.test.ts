import { describe, expect, test } from "vitest";
import { asJobId, START_OF_OUTPUT } from "@coop/core";
import {
  ada,
  admission,
  ben,
  fence,
  frame,
  job,
  leaseOf,
  limitsOf,
  noonMs,
  pi,
  retry,
  studio,
  success,
} from "../harness/job-requests.ts";
import { eachJobStores } from "../harness/job-stores.ts";
import { kinds, nodeAccount, openJob, stateOf } from "../harness/opened-job.ts";

describe.each(eachJobStores())("the attempts of the job store on %s", (_name, open) => {
  describe("lease", () => {
    test("gives the payload and the next epoch, holds the node's tokens and says where the job is", async () => {
      await using stores = await openJob(open, "queued");
      const { jobs, output } = stores;
      const request = leaseOf();
      expect(await jobs.placement(job)).toBeNull();
      expect(await jobs.lease(request)).toEqual({ kind: "leased", epoch: 1, payload: admission().payload });
      const { node, nodeName, model, tier, leaseUntilMs } = request;
      expect(await stateOf(stores)).toEqual({ state: "leased", node, model, tier, leaseUntilMs });
      expect(await nodeAccount(stores)).toEqual({ usedTokens: 0, heldTokens: 100 });
      expect(await jobs.placement(job)).toEqual(request.placement);
      expect(await output.read(job, START_OF_OUTPUT)).toEqual([
        {
          job,
          position: { epoch: 1, seq: 0 },
          event: { kind: "placed", node, nodeName, model, tier, restarted: false },
        },
      ]);
    });

    test("gives one job to one of 50 that ask at once", async () => {
      await using stores = await openJob(open, "queued");
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          stores.jobs.lease(leaseOf({ node: i % 2 ? studio : pi, fence: 1 })),
        ),
      );
      const leased = outcomes.filter(({ kind }) => kind === "leased");
      // The node that got it asked 25 times; each repetition is the same lease.
      expect(leased).toHaveLength(25);
      expect(new Set(leased.map((outcome) => JSON.stringify(outcome))).size).toBe(1);
      const held = (await nodeAccount(stores)).heldTokens + (await nodeAccount(stores, pi)).heldTokens;
      expect(held).toBe(100);
    });

    test("repeated after a lost answer gives the same epoch, until the node accepts", async () => {
      await using stores = await openJob(open, "leased");
      expect(await stores.jobs.lease(leaseOf())).toMatchObject({ kind: "leased", epoch: 1 });
      expect(await nodeAccount(stores)).toEqual({ usedTokens: 0, heldTokens: 100 });
      await stores.jobs.accept(fence, job, 1);
      expect(await stores.jobs.lease(leaseOf())).toEqual({ kind: "not-queued" });
    });

    test("refuses a node that the job's privacy forbids", async () => {
      await using stores = await openJob(open, "empty");
      const { jobs } = stores;
      const ids = { own: asJobId("job_own"), coop: asJobId("job_coop"), any: asJobId("job_any") };
      for (const privacy of ["own", "coop", "any"] as const) {
        await jobs.admit(admission({}, { id: ids[privacy], privacy }));
      }
      const refused = { kind: "refused", reason: "privacy" };
      expect(await jobs.lease(leaseOf({ job: ids.own, nodeOwner: ben }))).toEqual(refused);
      expect(await jobs.lease(leaseOf({ job: ids.own, nodeOwner: ada, cloud: true }))).toEqual(refused);
      expect(await jobs.lease(leaseOf({ job: ids.coop, cloud: true }))).toEqual(refused);
      expect(await jobs.lease(leaseOf({ job: ids.own, nodeOwner: ada }))).toMatchObject({ kind: "leased" });
      expect(await jobs.lease(leaseOf({ job: ids.coop }))).toMatchObject({ kind: "leased" });
      expect(await jobs.lease(leaseOf({ job: ids.any, cloud: true }))).toMatchObject({ kind: "leased" });
    });

    test("never lets a node hold more than its budget of the day", async () => {
      await using stores = await openJob(open, "empty");
      const { jobs } = stores;
      const ids = Array.from({ length: 40 }, (_, i) => asJobId(`job_${i}`));
      await Promise.all(ids.map((id) => jobs.admit(admission({ limits: limitsOf(null) }, { id }))));
      const outcomes = await Promise.all(
        ids.map((id) => jobs.lease(leaseOf({ job: id, tokensPerDay: 350 }))),
      );
      expect(outcomes.filter(({ kind }) => kind === "leased")).toHaveLength(3);
      expect(outcomes.filter(({ kind }) => kind === "refused")).toHaveLength(37);
      expect(await nodeAccount(stores)).toEqual({ usedTokens: 0, heldTokens: 300 });
    });

    test("leaves unknown, ended and taken jobs alone", async () => {
      await using stores = await openJob(open, "leased");
      const { jobs } = stores;
      const notQueued = { kind: "not-queued" };
      expect(await jobs.lease(leaseOf({ job: asJobId("job_unknown") }))).toEqual(notQueued);
      expect(await jobs.lease(leaseOf({ node: pi }))).toEqual(notQueued);
      await jobs.cancel(job, ada, "member", noonMs);
      expect(await jobs.lease(leaseOf())).toEqual(notQueued);
    });
  });

  test("a scheduler that lost the lead changes nothing", async () => {
    await using stores = await openJob(open, "running");
    const { jobs } = stores;
    await stores.setFence(2);
    const before = await jobs.read(job);
    expect(await jobs.lease(leaseOf())).toEqual({ kind: "fenced" });
    expect(await jobs.accept(1, job, 1)).toBe("fenced");
    expect(await jobs.append(frame(1))).toEqual({ kind: "fenced" });
    expect(await jobs.renew(1, [{ job, epoch: 1 }], noonMs + 99_000)).toEqual({ kind: "fenced" });
    expect(await jobs.finish(1, job, 1, success(10, 5), noonMs)).toEqual({ kind: "fenced" });
    expect(await jobs.expire(retry())).toEqual({ kind: "fenced" });
    expect(await jobs.sweep(1, noonMs + 9e9, false)).toEqual({ kind: "fenced" });
    expect(await jobs.read(job)).toEqual(before);
  });

  describe("append", () => {
    test("keeps each frame once and in order, whatever arrives how often", async () => {
      await using stores = await openJob(open, "leased");
      const { jobs } = stores;
      expect(await jobs.append(frame(2))).toEqual({ kind: "gap", expectedSeq: 1 });
      expect(await jobs.append(frame(1))).toEqual({ kind: "appended" });
      expect(await jobs.append(frame(1))).toEqual({ kind: "duplicate" });
      expect(await jobs.append(frame(3))).toEqual({ kind: "gap", expectedSeq: 2 });
      expect(await jobs.append(frame(2))).toEqual({ kind: "appended" });
      const replayed = await Promise.all([3, 1, 2, 3, 4, 2, 1].map((seq) => jobs.append(frame(seq))));
      expect(replayed.map(({ kind }) => kind)).toEqual([
        "appended",
        "duplicate",
        "duplicate",
        "duplicate",
        "appended",
        "duplicate",
        "duplicate",
      ]);
      const entries = (await stores.output.read(job, START_OF_OUTPUT)).slice(1);
      expect(entries.map(({ event }) => event)).toEqual(
        [1, 2, 3, 4].map((seq) => ({
          kind: "deltas",
          deltas: frame(seq).deltas,
        })),
      );
      expect(await jobs.read(job)).toMatchObject({
        state: { state: "running" },
        deliveredTokens: 20,
        deliveredBytes: 4 * JSON.stringify(frame(1).deltas).length,
        lastSeq: 4,
      });
    });

    test("takes nothing of another epoch or of an ended job", async () => {
      await using stores = await openJob(open, "running");
      const { jobs } = stores;
      await jobs.append(frame(1));
      const before = await kinds(stores);
      for (const epoch of [0, 2]) expect(await jobs.append(frame(2, { epoch }))).toEqual({ kind: "stale" });
      expect(await jobs.append(frame(2, { job: asJobId("job_unknown") }))).toEqual({ kind: "stale" });
      expect(await kinds(stores)).toEqual(before);
      await jobs.finish(fence, job, 1, success(10, 5), noonMs);
      expect(await jobs.append(frame(2))).toEqual({ kind: "stale" });
    });

    test("stops at the byte cap; what was delivered stands", async () => {
      const bytes = Buffer.byteLength(JSON.stringify(frame(1).deltas));
      await using stores = await open({ outputBytesMax: 2 * bytes });
      const { jobs } = stores;
      await stores.setFence(fence);
      await jobs.admit(admission());
      await jobs.lease(leaseOf());
      await jobs.append(frame(1));
      await jobs.append(frame(2));
      expect(await jobs.append(frame(3))).toEqual({ kind: "capped" });
      expect(await jobs.read(job)).toMatchObject({
        deliveredTokens: 10,
        deliveredBytes: 2 * bytes,
        lastSeq: 2,
      });
      expect(await jobs.finish(fence, job, 1, success(30, 10), noonMs)).toMatchObject({ kind: "finished" });
    });
  });

  test("renew extends what holds and names what does not", async () => {
    await using stores = await openJob(open, "running");
    const { jobs } = stores;
    const stale = [
      { job, epoch: 2 },
      { job: asJobId("job_unknown"), epoch: 1 },
    ];
    expect(await jobs.renew(fence, [{ job, epoch: 1 }, ...stale], noonMs + 60_000)).toEqual({
      kind: "renewed",
      lost: stale,
    });
    expect(await stateOf(stores)).toMatchObject({ state: "running", leaseUntilMs: noonMs + 60_000 });
    expect(await jobs.renew(fence, [], noonMs)).toEqual({ kind: "renewed", lost: [] });
    await jobs.follow([job], noonMs + 100_000);
    expect(await jobs.sweep(fence, noonMs + 59_999, false)).toMatchObject({ report: { lapsed: [] } });
    const lapsed = [{ job, epoch: 1, node: studio }];
    expect(await jobs.sweep(fence, noonMs + 60_000, false)).toMatchObject({ report: { lapsed } });
  });
});
