import { describe, expect, test } from "vitest";
import { asJobId } from "@coop/core";
import { ada, admission, fence, frame, job, noonMs, studio } from "../harness/job-requests.ts";
import { eachJobStores, type JobStores } from "../harness/job-stores.ts";
import { account, imbalances, kinds, nodeAccount, openJob, stateOf } from "../harness/opened-job.ts";

describe.each(eachJobStores())("the sweep of the job store on %s", (_name, open) => {
  const nothing = { unfollowed: [], expired: [], lapsed: [], fenced: [], overdueHolds: 0 };
  const swept = async ({ jobs }: JobStores, atMs: number, amnesty = false) => {
    const outcome = await jobs.sweep(fence, atMs, amnesty);
    return outcome.kind === "swept" ? outcome.report : outcome.kind;
  };

  test("cancels what nobody follows, wherever it is", async () => {
    await using stores = await openJob(open, "running");
    const waiting = asJobId("job_02");
    await stores.jobs.admit(admission({}, { id: waiting }));
    expect(await swept(stores, noonMs + 14_999)).toEqual(nothing);
    await stores.jobs.follow([job, asJobId("job_unknown")], noonMs + 20_000);
    expect(await swept(stores, noonMs + 15_000)).toEqual({ ...nothing, unfollowed: [waiting] });
    expect(await swept(stores, noonMs + 20_000)).toEqual({
      ...nothing,
      unfollowed: [job],
      fenced: [{ job, epoch: 1, node: studio }],
    });
    expect(await stateOf(stores)).toMatchObject({
      state: "cancelled",
      reason: "unfollowed",
      chargedTokens: 30,
    });
  });

  test("never cancels a detached job for want of followers", async () => {
    await using stores = await openJob(open, "queued", { attachment: "detached" });
    await stores.jobs.follow([job], noonMs + 1);
    expect(await swept(stores, noonMs + 100_000)).toEqual(nothing);
  });

  test("expires what is past its deadline", async () => {
    await using stores = await openJob(open, "running", { attachment: "detached" });
    await stores.jobs.append(frame(1));
    await stores.jobs.renew(fence, [{ job, epoch: 1 }], noonMs + 9e6);
    const waiting = asJobId("job_02");
    await stores.jobs.admit(
      admission({}, { id: waiting, attachment: "detached", deadlineMs: noonMs + 300_001 }),
    );
    expect(await swept(stores, noonMs + 300_000)).toEqual({
      ...nothing,
      expired: [job],
      fenced: [{ job, epoch: 1, node: studio }],
    });
    expect(await swept(stores, noonMs + 300_001)).toEqual({ ...nothing, expired: [waiting] });
    expect(await stateOf(stores)).toEqual({
      state: "expired",
      reason: "deadline",
      chargedTokens: 0,
      finishedAtMs: noonMs + 300_000,
    });
    expect(await kinds(stores)).toEqual([
      [1, 0, "placed"],
      [1, 1, "deltas"],
      [2, 0, "expired"],
    ]);
    expect(await account(stores)).toEqual({ usedTokens: 0, heldTokens: 0 });
  });

  test("lists lapsed leases as they are", async () => {
    await using stores = await openJob(open, "running", { attachment: "detached" });
    const before = await stores.jobs.read(job);
    for (let times = 0; times < 2; times += 1) {
      expect(await swept(stores, noonMs + 30_000)).toEqual({
        ...nothing,
        lapsed: [{ job, epoch: 1, node: studio }],
      });
    }
    expect(await stores.jobs.read(job)).toEqual(before);
  });

  test("charges a node's hold in full when the node never tells", async () => {
    await using stores = await openJob(open, "running");
    await stores.jobs.cancel(job, ada, "member", noonMs);
    const overdueAtMs = noonMs + 300_000 + 60_000;
    expect(await swept(stores, overdueAtMs - 1)).toEqual(nothing);
    expect(await swept(stores, overdueAtMs)).toEqual({ ...nothing, overdueHolds: 1 });
    expect(await swept(stores, overdueAtMs)).toEqual(nothing);
    expect(await nodeAccount(stores)).toEqual({ usedTokens: 100, heldTokens: 0 });
    const late = await stores.jobs.settleNode(
      studio,
      job,
      1,
      { promptTokens: 1, outputTokens: 1 },
      overdueAtMs,
    );
    expect(late).toBe("repeated");
    expect(await imbalances(stores)).toEqual([]);
  });

  test("changes nothing during the amnesty", async () => {
    await using stores = await openJob(open, "running");
    const before = await stores.jobs.read(job);
    expect(await swept(stores, noonMs + 9e9, true)).toEqual(nothing);
    expect(await stores.jobs.read(job)).toEqual(before);
  });

  test("handles a bounded number a call and the rest in the next", async () => {
    await using stores = await open({ sweepMax: 3 });
    await stores.setFence(fence);
    const ids = Array.from({ length: 5 }, (_, i) => asJobId(`job_${i}`));
    for (const id of ids) await stores.jobs.admit(admission({}, { id }));
    expect(await swept(stores, noonMs + 15_000)).toEqual({ ...nothing, unfollowed: ids.slice(0, 3) });
    expect(await swept(stores, noonMs + 15_000)).toEqual({ ...nothing, unfollowed: ids.slice(3) });
  });
});
