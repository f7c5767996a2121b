import { describe, expect, test } from "vitest";
import { asJobId, type AdmitLimits, type AdmitOutcome, type AdmitRequest, type JobSpec } from "@coop/core";
import {
  ada,
  admission,
  ben,
  day,
  dayBefore,
  fence,
  job,
  leaseOf,
  limitsOf,
  month,
  noonMs,
  success,
} from "../harness/job-requests.ts";
import { eachJobStores, type JobStores } from "../harness/job-stores.ts";
import { account, openJob } from "../harness/opened-job.ts";

/** Asks for a job that holds 100 tokens. */
const ask = (
  { jobs }: JobStores,
  name: string | number,
  limits: AdmitLimits,
  changes: Partial<AdmitRequest> = {},
  of: Partial<JobSpec> = {},
): Promise<AdmitOutcome> =>
  jobs.admit(admission({ limits, ...changes }, { id: asJobId(`job_${name}`), ...of }));

const askAtOnce = (stores: JobStores, amount: number, limits: AdmitLimits) =>
  Promise.all(Array.from({ length: amount }, (_, i) => ask(stores, i, limits)));

const refusals = (outcomes: readonly AdmitOutcome[]) => outcomes.filter(({ kind }) => kind !== "admitted");

describe.each(eachJobStores())("the limits of a member in the job store on %s", (_name, open) => {
  test.each<[string, AdmitLimits, number, object]>([
    ["tokens of the month", limitsOf(199), 1, { kind: "quota-exceeded", standing: { heldTokens: 100 } }],
    [
      "tokens of the tier",
      limitsOf(null, { tierTokens: 399 }),
      3,
      { kind: "tier-quota-exceeded", tier: "edge", limitTokens: 399, usedTokens: 0, heldTokens: 300 },
    ],
    [
      "jobs at once",
      limitsOf(null, { jobsAtOnce: 1 }),
      1,
      { kind: "too-many-at-once", limit: 1, unfinished: 1 },
    ],
    [
      "requests a minute",
      limitsOf(null, { requestsPerMinute: 7 }),
      7,
      { kind: "too-many-requests", limit: 7, standing: { requestsLeft: 0 } },
    ],
  ])("%s hold for 200 requests at once", async (_what, limits, admitted, refusal) => {
    await using stores = await openJob(open, "empty");
    const outcomes = await askAtOnce(stores, 200, limits);
    const refused = refusals(outcomes);
    expect(refused).toHaveLength(200 - admitted);
    for (const outcome of refused) expect(outcome).toMatchObject(refusal);
    expect(await account(stores)).toEqual({ usedTokens: 0, heldTokens: admitted * 100 });
  });

  test("an admission says how the member stands after it", async () => {
    await using stores = await openJob(open, "empty");
    await stores.accounting.grant({ id: "g", member: ada, month, tokens: 50 }, noonMs);
    const limits = limitsOf(500, { requestsPerMinute: 3 });
    const standing = {
      limitTokens: 550,
      creditTokens: 50,
      usedTokens: 0,
      heldTokens: 100,
      requestsLeft: 2,
    };
    expect(await ask(stores, 1, limits)).toEqual({ kind: "admitted", standing });
    expect(await ask(stores, 1, limits), "again").toEqual({ kind: "admitted", standing });
    expect(await ask(stores, 2, limitsOf(null))).toMatchObject({
      standing: { limitTokens: null, heldTokens: 200, requestsLeft: null },
    });
  });

  test("credit raises the month's limit, and never a tier's", async () => {
    await using stores = await openJob(open, "empty");
    await stores.accounting.grant({ id: "g", member: ada, month, tokens: 100 }, noonMs);
    expect(await ask(stores, 1, limitsOf(99, { tierTokens: 99 }))).toMatchObject({
      kind: "tier-quota-exceeded",
    });
    expect(await ask(stores, 2, limitsOf(0))).toMatchObject({ kind: "admitted" });
    expect(await ask(stores, 3, limitsOf(0))).toMatchObject({
      kind: "quota-exceeded",
      standing: { limitTokens: 100, creditTokens: 100, heldTokens: 100 },
    });
    await stores.accounting.grant({ id: "back", member: ada, month, tokens: -300 }, noonMs);
    expect(await ask(stores, 4, limitsOf(150))).toMatchObject({
      kind: "quota-exceeded",
      standing: { limitTokens: 0, creditTokens: -200 },
    });
  });

  test("a tier's limit counts the jobs that ask for the tier, wherever they are served", async () => {
    await using stores = await openJob(open, "empty");
    const limits = limitsOf(null, { tierTokens: 150 });
    expect(await ask(stores, 1, limits, {}, { id: job, askedTier: "local-small" })).toMatchObject({
      kind: "admitted",
    });
    expect(await ask(stores, 2, limits, {}, { askedTier: "edge" })).toMatchObject({ kind: "admitted" });
    await stores.jobs.lease(leaseOf({ tier: "local-large" }));
    await stores.jobs.finish(fence, job, 1, success(30, 21), noonMs);
    expect(await ask(stores, 3, limits, {}, { askedTier: "local-small" })).toMatchObject({
      kind: "tier-quota-exceeded",
      usedTokens: 51,
      heldTokens: 0,
    });
    expect((await stores.accounting.account(ada, month)).tiers).toEqual({
      edge: { usedTokens: 0, heldTokens: 100 },
      "local-small": { usedTokens: 51, heldTokens: 0 },
    });
  });

  test("jobs at once are those that have not ended, whatever month they are of", async () => {
    await using stores = await openJob(open, "empty");
    const limits = limitsOf(null, { jobsAtOnce: 2 });
    await ask(stores, 1, limits, { day: dayBefore }, { id: job });
    await ask(stores, 2, limits);
    await stores.jobs.lease(leaseOf());
    expect(await ask(stores, 3, limits)).toMatchObject({ kind: "too-many-at-once", unfinished: 2 });
    expect(await ask(stores, "of ben", limits, {}, { member: ben })).toMatchObject({ kind: "admitted" });
    await stores.jobs.finish(fence, job, 1, success(1, 1), noonMs);
    expect(await ask(stores, 3, limits)).toMatchObject({ kind: "admitted" });
    expect(await stores.accounting.account(ada, month)).toMatchObject({ unfinishedJobs: 2 });
  });

  test("a minute counts what was asked for, but duplicates and what came too often", async () => {
    await using stores = await openJob(open, "empty");
    const minuteMs = Math.ceil(noonMs / 60_000) * 60_000;
    const limits = limitsOf(100, { requestsPerMinute: 3 });
    const at = (name: string | number, nowMs: number, changes: Partial<AdmitRequest> = {}) =>
      ask(stores, name, limits, { nowMs, ...changes });
    const idempotency = { key: "k", bodyHash: "h" };
    expect(await at(1, minuteMs, { idempotency })).toMatchObject({ standing: { requestsLeft: 2 } });
    expect(await at(1, minuteMs)).toMatchObject({ kind: "admitted", standing: { requestsLeft: 2 } });
    expect(await at(2, minuteMs, { idempotency })).toMatchObject({ kind: "duplicate" });
    expect(await at(3, minuteMs)).toMatchObject({ kind: "quota-exceeded", standing: { requestsLeft: 1 } });
    expect(await at(3, minuteMs, { caps: { perMember: 1, total: 9 } })).toMatchObject({
      kind: "too-many-pending",
    });
    const tooMany = { kind: "too-many-requests", limit: 3, standing: { requestsLeft: 0 } };
    expect(await at(4, minuteMs + 59_999)).toMatchObject(tooMany);
    expect(await at(5, minuteMs + 59_999)).toMatchObject(tooMany);
    expect(await at(6, minuteMs + 59_999, { idempotency })).toMatchObject({ kind: "duplicate" });
    expect(await at(7, minuteMs + 60_000)).toMatchObject({
      kind: "quota-exceeded",
      standing: { requestsLeft: 2 },
    });
  });

  test("the guards are asked in their order", async () => {
    await using stores = await openJob(open, "empty");
    const all: AdmitLimits = { tokens: 100, tierTokens: 100, jobsAtOnce: 1, requestsPerMinute: 1 };
    const nextMinute = { nowMs: noonMs + 60_000 };
    await ask(stores, 1, all);
    const caps = { perMember: 1, total: 9 };
    expect(await ask(stores, 2, all, { caps })).toMatchObject({ kind: "too-many-requests" });
    expect(await ask(stores, 2, all, { caps, ...nextMinute })).toMatchObject({ kind: "too-many-pending" });
    const often = { ...all, requestsPerMinute: null };
    expect(await ask(stores, 2, often)).toMatchObject({ kind: "too-many-at-once" });
    expect(await ask(stores, 2, { ...often, jobsAtOnce: null })).toMatchObject({
      kind: "tier-quota-exceeded",
    });
    expect(await ask(stores, 2, { ...often, jobsAtOnce: null, tierTokens: null })).toMatchObject({
      kind: "quota-exceeded",
    });
  });

  test("a job that runs past the month is charged to the month it was admitted in", async () => {
    await using stores = await openJob(open, "empty");
    await ask(stores, 1, limitsOf(100), { day: dayBefore }, { id: job });
    const monthBefore = dayBefore.slice(0, 7);
    await stores.jobs.lease(leaseOf({ day }));
    await stores.jobs.finish(fence, job, 1, success(30, 5), noonMs + 9_000);
    const { usedTokens } = await stores.accounting.account(ada, month);
    expect(usedTokens).toBe(0);
    expect(await stores.accounting.account(ada, monthBefore)).toMatchObject({
      usedTokens: 35,
      heldTokens: 0,
    });
    expect(await stores.accounting.account(ben, monthBefore)).toMatchObject({ creditTokens: 8 });
    expect((await stores.usage.month(ada, monthBefore)).rows).toMatchObject([
      { day: dayBefore, chargedTokens: 35 },
    ]);
    expect(await stores.ledger()).toMatchObject([{ month: monthBefore, day }]);
    expect((await stores.jobs.nodeAccount(leaseOf().node, day)).month.usedTokens).toBe(35);
  });
});
