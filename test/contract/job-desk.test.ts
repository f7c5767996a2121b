import { describe, expect, test } from "vitest";
import { asJobId } from "@coop/core";
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
  spec,
  studio,
  success,
} from "../harness/job-requests.ts";
import { eachJobStores } from "../harness/job-stores.ts";
import { account, imbalances, kinds, nodeAccount, openJob, stateOf } from "../harness/opened-job.ts";

describe.each(eachJobStores())("the desk of the job store on %s", (_name, open) => {
  describe("admit", () => {
    test("queues a job, holds its tokens and wakes the scheduler", async () => {
      await using stores = await openJob(open, "queued");
      expect(await stores.jobs.read(job)).toEqual({
        spec: spec(),
        state: { state: "queued", notBeforeMs: noonMs },
        epoch: 0,
        attempts: 0,
        excludedNodes: [],
        deliveredTokens: 0,
        deliveredBytes: 0,
        lastSeq: 0,
        metadata: { from: "a test" },
        refundedAtMs: null,
      });
      expect(await account(stores)).toEqual({ usedTokens: 0, heldTokens: 100 });
      await expect.poll(() => stores.wakes).toEqual([{ kind: "admitted", spec: spec() }]);
    });

    test("repeated with the same job id admits once", async () => {
      await using stores = await openJob(open, "queued");
      expect(await stores.jobs.admit(admission())).toMatchObject({ kind: "admitted" });
      expect(await account(stores)).toEqual({ usedTokens: 0, heldTokens: 100 });
    });

    test("takes one job of 200 at once where the quota has room for one", async () => {
      await using stores = await openJob(open, "empty");
      const outcomes = await Promise.all(
        Array.from({ length: 200 }, (_, i) =>
          stores.jobs.admit(admission({ limits: limitsOf(199) }, { id: asJobId(`job_${i}`) })),
        ),
      );
      expect(outcomes.filter(({ kind }) => kind === "admitted")).toHaveLength(1);
      const standing = {
        limitTokens: 199,
        creditTokens: 0,
        usedTokens: 0,
        heldTokens: 100,
        requestsLeft: null,
      };
      const refused = { kind: "quota-exceeded", standing };
      expect(outcomes.filter(({ kind }) => kind !== "admitted")).toEqual(
        Array.from({ length: 199 }, () => refused),
      );
      expect(await account(stores)).toEqual({ usedTokens: 0, heldTokens: 100 });
    });

    test("makes one job of 50 at once with one idempotency key", async () => {
      await using stores = await openJob(open, "empty");
      const idempotency = { key: "the key", bodyHash: "abc" };
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          stores.jobs.admit(admission({ idempotency }, { id: asJobId(`job_${i}`) })),
        ),
      );
      expect(outcomes.filter(({ kind }) => kind === "admitted")).toHaveLength(1);
      const first = (await stores.jobs.list(ada, { limit: 10, cursor: null })).jobs.map(
        ({ spec }) => spec.id,
      );
      expect(first).toHaveLength(1);
      expect(outcomes.filter(({ kind }) => kind !== "admitted")).toEqual(
        Array.from({ length: 49 }, () => ({ kind: "duplicate", job: first[0] })),
      );
      expect(await account(stores)).toEqual({ usedTokens: 0, heldTokens: 100 });
    });

    test("knows an idempotency key by member and body for a day", async () => {
      await using stores = await openJob(open, "empty");
      const { jobs } = stores;
      const under = (id: string, bodyHash: string, nowMs: number, member = ada) =>
        jobs.admit(admission({ idempotency: { key: "k", bodyHash }, nowMs }, { id: asJobId(id), member }));
      expect(await under("job_1", "abc", noonMs)).toMatchObject({ kind: "admitted" });
      expect(await under("job_2", "abd", noonMs)).toEqual({ kind: "idempotency-conflict", job: "job_1" });
      expect(await under("job_3", "abc", noonMs, ben)).toMatchObject({ kind: "admitted" });
      expect(await under("job_4", "abc", noonMs + 86_399_999)).toEqual({ kind: "duplicate", job: "job_1" });
      expect(await under("job_5", "abc", noonMs + 86_400_000)).toMatchObject({ kind: "admitted" });
    });

    test("knows an idempotency key for as long as its job may run", async () => {
      await using stores = await openJob(open, "empty");
      const deadlineMs = noonMs + 7 * 86_400_000;
      const under = (id: string, nowMs: number) =>
        stores.jobs.admit(
          admission({ idempotency: { key: "k", bodyHash: "abc" }, nowMs }, { id: asJobId(id), deadlineMs }),
        );
      expect(await under("job_1", noonMs)).toMatchObject({ kind: "admitted" });
      expect(await under("job_2", deadlineMs - 1)).toEqual({ kind: "duplicate", job: "job_1" });
      expect(await under("job_3", deadlineMs)).toMatchObject({ kind: "admitted" });
    });

    test("refuses more pending jobs than the caps, and counts the queued only", async () => {
      await using stores = await openJob(open, "queued");
      const { jobs } = stores;
      const caps = { perMember: 1, total: 2 };
      const next = (id: string, member = ada) => jobs.admit(admission({ caps }, { id: asJobId(id), member }));
      expect(await next("job_02")).toEqual({ kind: "too-many-pending", scope: "member" });
      expect(await next("job_03", ben)).toMatchObject({ kind: "admitted" });
      await jobs.lease(leaseOf());
      expect(await next("job_04")).toMatchObject({ kind: "admitted" });
      expect(
        await jobs.admit(admission({ caps: { perMember: 9, total: 2 } }, { id: asJobId("job_05") })),
      ).toEqual({
        kind: "too-many-pending",
        scope: "co-op",
      });
      await jobs.cancel(asJobId("job_04"), ada, "member", noonMs);
      expect(await next("job_06")).toMatchObject({ kind: "admitted" });
    });
  });

  describe("cancel", () => {
    test("of a pending job costs nothing and fences nothing", async () => {
      await using stores = await openJob(open, "queued");
      expect(await stores.jobs.cancel(job, ada, "member", noonMs + 9)).toEqual({
        kind: "cancelled",
        fenced: null,
      });
      expect(await stateOf(stores)).toEqual({
        state: "cancelled",
        reason: "member",
        chargedTokens: 0,
        finishedAtMs: noonMs + 9,
      });
      expect(await account(stores)).toEqual({ usedTokens: 0, heldTokens: 0 });
      expect(await kinds(stores)).toEqual([[1, 0, "cancelled"]]);
      await expect.poll(() => stores.wakes.at(-1)).toEqual({ kind: "cancelled", job, fenced: null });
    });

    test("of a running job fences it and charges the prompt and what was delivered", async () => {
      await using stores = await openJob(open, "running");
      const { jobs } = stores;
      await jobs.append(frame(1));
      const fenced = { epoch: 1, node: studio };
      expect(await jobs.cancel(job, null, "server-stopped", noonMs)).toEqual({ kind: "cancelled", fenced });
      expect(await stateOf(stores)).toMatchObject({
        state: "cancelled",
        reason: "server-stopped",
        chargedTokens: 35,
      });
      expect(await account(stores)).toEqual({ usedTokens: 35, heldTokens: 0 });
      expect(
        (await stores.output.read(job, { epoch: 1, seq: 1 })).map(({ position, event }) => [position, event]),
      ).toEqual([
        [
          { epoch: 2, seq: 0 },
          { kind: "cancelled", reason: "server-stopped", usage: { promptTokens: 30, outputTokens: 5 } },
        ],
      ]);
      expect(await jobs.read(job)).toMatchObject({ epoch: 2 });
      expect(await jobs.append(frame(2))).toEqual({ kind: "stale" });
      expect(await jobs.finish(fence, job, 1, success(30, 8), noonMs)).toEqual({ kind: "stale" });
      expect(await nodeAccount(stores)).toEqual({ usedTokens: 38, heldTokens: 0 });
      await expect.poll(() => stores.wakes.at(-1)).toEqual({ kind: "cancelled", job, fenced });
      expect(await imbalances(stores)).toEqual([]);
    });

    test("of a job that no node took yet costs nothing", async () => {
      await using stores = await openJob(open, "leased");
      expect(await stores.jobs.cancel(job, ada, "member", noonMs)).toMatchObject({ fenced: { epoch: 1 } });
      expect(await account(stores)).toEqual({ usedTokens: 0, heldTokens: 0 });
    });

    test("never charges above the hold", async () => {
      await using stores = await openJob(open, "running");
      await stores.jobs.append(frame(1, { tokens: 500 }));
      await stores.jobs.cancel(job, ada, "member", noonMs);
      expect(await account(stores)).toEqual({ usedTokens: 100, heldTokens: 0 });
    });

    test("is for the member's own jobs, and once", async () => {
      await using stores = await openJob(open, "queued");
      const { jobs } = stores;
      expect(await jobs.cancel(job, ben, "member", noonMs)).toEqual({ kind: "not-found" });
      expect(await jobs.cancel(asJobId("job_unknown"), ada, "member", noonMs)).toEqual({ kind: "not-found" });
      const both = await Promise.all([1, 2].map(() => jobs.cancel(job, ada, "member", noonMs)));
      expect(both.map(({ kind }) => kind)).toEqual(["cancelled", "already-ended"]);
      expect(await stores.ledger()).toHaveLength(1);
    });
  });

  test("lists a member's jobs newest first, in pages", async () => {
    await using stores = await openJob(open, "empty");
    const { jobs } = stores;
    const ids = Array.from({ length: 5 }, (_, i) => asJobId(`job_${i}`));
    for (const id of ids) await jobs.admit(admission({}, { id }));
    await jobs.admit(admission({}, { id: asJobId("job_of_ben"), member: ben }));
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: Awaited<ReturnType<typeof jobs.list>> = await jobs.list(ada, { limit: 2, cursor });
      seen.push(...page.jobs.map(({ spec }) => spec.id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(ids.toReversed());
  });

  test("pending gives the queued jobs, oldest first", async () => {
    await using stores = await openJob(open, "running");
    const { jobs } = stores;
    const ids = Array.from({ length: 1_100 }, (_, i) => asJobId(`job_${9_999 - i}`));
    await Promise.all(
      ids.map((id, i) =>
        jobs.admit(
          admission(
            { limits: limitsOf(null), caps: { perMember: 2_000, total: 2_000 } },
            { id, submittedAtMs: noonMs + i },
          ),
        ),
      ),
    );
    const seen: string[] = [];
    for await (const page of jobs.pending()) seen.push(...page.map(({ spec }) => spec.id));
    expect(seen).toEqual(ids);
  });
});
