import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asJobId, auditLedger } from "@coop/core";
import {
  ada,
  admission,
  ben,
  failure,
  fence,
  frame,
  job,
  leaseOf,
  limitsOf,
  month,
  noonMs,
  success,
} from "../harness/job-requests.ts";
import { eachJobStores, type JobStores } from "../harness/job-stores.ts";
import { account, imbalances, nodeAccount, openJob, serve } from "../harness/opened-job.ts";

const creditOf = async ({ accounting }: JobStores, member = ben) =>
  (await accounting.account(member, month)).creditTokens;

describe.each(eachJobStores())("credit and compensation in the job store on %s", (_name, open) => {
  test("the owner of another's node earns credit by the tier that served", async () => {
    await using stores = await openJob(open, "empty");
    await serve(stores, "edge");
    expect(await creditOf(stores)).toBe(13);
    await serve(stores, "small", { tier: "local-small" });
    expect(await creditOf(stores)).toBe(13 + 27);
    await serve(stores, "large", { tier: "local-large" });
    expect(await creditOf(stores)).toBe(13 + 27 + 55);
    await serve(stores, "cloud", { tier: "frontier" });
    await serve(stores, "own", { nodeOwner: ada, tier: "local-large" });
    expect([await creditOf(stores), await creditOf(stores, ada)]).toEqual([95, 0]);
    expect((await stores.ledger()).map(({ owner, toCredit, toGrant }) => [owner, toCredit, toGrant])).toEqual(
      [
        [ben, 13, -13],
        [ben, 27, -27],
        [ben, 55, -55],
        [null, 0, 0],
        [null, 0, 0],
      ],
    );
    expect(await imbalances(stores)).toEqual([]);
    expect((await auditLedger(stores.books, noonMs)).findings).toEqual([]);
  });

  test("an end that costs the member earns too, one that costs nothing does not", async () => {
    await using stores = await openJob(open, "running");
    await stores.jobs.append(frame(1, { tokens: 20 }));
    await stores.jobs.cancel(job, ada, "member", noonMs);
    // Prompt and delivered: 50 tokens.
    expect(await creditOf(stores)).toBe(12);
    const id = asJobId("job_02");
    await stores.jobs.admit(admission({}, { id, attachment: "detached" }));
    await stores.jobs.lease(leaseOf({ job: id }));
    await stores.jobs.finish(fence, id, 1, failure(30, 25), noonMs);
    expect(await creditOf(stores)).toBe(12);
    expect(await imbalances(stores)).toEqual([]);
  });

  test("what members earn never moves another's limit", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ of: fc.constantFrom(ada, ben), on: fc.constantFrom(ada, ben) }), {
          maxLength: 8,
        }),
        async (served) => {
          await using stores = await openJob(open, "empty");
          const limit = 1_000;
          const standing = async (name: string) => {
            const asked = await stores.jobs.admit(
              admission({ limits: limitsOf(limit) }, { id: asJobId(name), member: ada }),
            );
            return asked.kind === "admitted" ? asked.standing : null;
          };
          let earned = 0;
          for (const [i, { of, on }] of served.entries()) {
            await serve(stores, String(i), { nodeOwner: on }, { member: of });
            if (of === ben && on === ada) earned += 13;
          }
          expect(await standing("job_asked")).toMatchObject({
            limitTokens: limit + earned,
            creditTokens: earned,
          });
        },
      ),
      { numRuns: 6 },
    );
  }, 60_000);

  test("a refund gives back what a job cost, once, and leaves the owner's credit", async () => {
    await using stores = await openJob(open, "running");
    const { accounting, jobs, usage } = stores;
    expect(await accounting.refund(asJobId("job_unknown"), noonMs)).toEqual({ kind: "not-found" });
    expect(await accounting.refund(job, noonMs)).toEqual({ kind: "not-ended" });
    await jobs.finish(fence, job, 1, success(30, 5), noonMs);
    const outcomes = await Promise.all([1, 2, 3].map(() => accounting.refund(job, noonMs + 1)));
    expect(outcomes).toEqual([{ kind: "refunded", tokens: 35 }, { kind: "repeated" }, { kind: "repeated" }]);
    expect(await account(stores)).toEqual({ usedTokens: 0, heldTokens: 0 });
    expect((await accounting.account(ada, month)).tiers.edge).toEqual({ usedTokens: 0, heldTokens: 0 });
    expect(await creditOf(stores)).toBe(8);
    expect(await nodeAccount(stores)).toEqual({ usedTokens: 35, heldTokens: 0 });
    expect((await usage.month(ada, month)).rows).toMatchObject([
      { succeeded: 1, promptTokens: 30, outputTokens: 5, chargedTokens: 0 },
    ]);
    expect(await jobs.read(job)).toMatchObject({
      state: { chargedTokens: 35 },
      refundedAtMs: noonMs + 1,
    });
    expect((await stores.ledger()).at(-1)).toEqual({
      kind: "refunded",
      job,
      grant: null,
      epoch: 1,
      member: ada,
      month,
      node: null,
      day: null,
      owner: null,
      atMs: noonMs + 1,
      toMember: -35,
      toNode: 0,
      toWaste: 35,
      toAbsorbed: 0,
      toCredit: 0,
      toGrant: 0,
    });
    expect((await auditLedger(stores.books, noonMs)).findings).toEqual([]);
  });

  test("a grant counts once for each id, and may take back", async () => {
    await using stores = await openJob(open, "empty");
    const grant = (id: string, tokens: number) =>
      stores.accounting.grant({ id, member: ben, month, tokens }, noonMs);
    expect(await Promise.all(Array.from({ length: 20 }, () => grant("grant_1", 500)))).toEqual([
      "granted",
      ...Array.from({ length: 19 }, () => "repeated"),
    ]);
    expect(await grant("grant_2", -120)).toBe("granted");
    expect(await creditOf(stores)).toBe(380);
    const entry = { job: null, member: ben, owner: ben, node: null };
    expect(await stores.ledger()).toMatchObject([
      { ...entry, kind: "granted", grant: "grant_1", toCredit: 500, toGrant: -500 },
      { ...entry, kind: "granted", grant: "grant_2", toCredit: -120, toGrant: 120 },
    ]);
    expect((await auditLedger(stores.books, noonMs)).findings).toEqual([]);
  });
});
