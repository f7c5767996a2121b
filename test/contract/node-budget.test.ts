/** A node's budgets of day and month, whatever becomes of the attempts on it. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asJobId, auditLedger, type JobId } from "@coop/core";
import {
  admission,
  fence,
  leaseOf,
  limitsOf,
  noonMs,
  retry,
  studio,
  success,
} from "../harness/job-requests.ts";
import { eachJobStores, type JobStores } from "../harness/job-stores.ts";
import { openJob } from "../harness/opened-job.ts";

const HOLD = 100;
const DAY_BUDGET = 350;
const MONTH_BUDGET = 500;
const DAYS = ["2026-03-01", "2026-03-02"] as const;
const ids = [0, 1, 2, 3].map((n) => asJobId(`job_${n}`));

interface Attempt {
  readonly job: JobId;
  readonly epoch: number;
  /** What the engine really made, whether or not anybody learns of it. */
  readonly tokens: number;
}

type Step =
  | { readonly kind: "lease"; readonly job: number; readonly on: 0 | 1; readonly tokens: number }
  /** The scheduler gives the node up. */
  | { readonly kind: "flap"; readonly job: number }
  | { readonly kind: "finish"; readonly attempt: number }
  /** A word of an attempt that may be long over. */
  | { readonly kind: "late"; readonly attempt: number }
  | { readonly kind: "restarted" };

const index = fc.integer({ min: 0, max: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("lease" as const),
      job: index,
      on: fc.constantFrom(0 as const, 1 as const),
      tokens: fc.integer({ min: 0, max: HOLD }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("flap" as const), job: index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("finish" as const), attempt: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("late" as const), attempt: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "restarted" as const }) },
);

async function take({ jobs }: JobStores, what: Step, attempts: Attempt[]): Promise<void> {
  const known = what.kind === "finish" || what.kind === "late" ? attempts[what.attempt] : undefined;
  switch (what.kind) {
    case "lease": {
      const job = ids[what.job] ?? asJobId("");
      const budgets = { tokensPerDay: DAY_BUDGET, tokensPerMonth: MONTH_BUDGET };
      const outcome = await jobs.lease(leaseOf({ job, day: DAYS[what.on], ...budgets }));
      if (outcome.kind === "leased" && !attempts.some((a) => a.job === job && a.epoch === outcome.epoch))
        attempts.push({ job, epoch: outcome.epoch, tokens: what.tokens });
      return;
    }
    case "flap": {
      const job = ids[what.job] ?? asJobId("");
      const epoch = (await jobs.read(job))?.epoch ?? 0;
      await jobs.expire(retry({ job, epoch, excludeNode: false, counts: false }));
      return;
    }
    case "finish":
      if (known) await jobs.finish(fence, known.job, known.epoch, success(0, known.tokens), noonMs);
      return;
    case "late": {
      const usage = { promptTokens: 0, outputTokens: known?.tokens ?? 0 };
      if (known) await jobs.settleNode(studio, known.job, known.epoch, usage, noonMs);
      return;
    }
    case "restarted":
      await jobs.settleAbsent(studio, [], noonMs);
  }
}

describe.each(eachJobStores())("a node's budget on %s", (_name, open) => {
  test("is never exceeded by a node that flaps, counting what was wasted and what it tells late", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
        await using stores = await openJob(open, "empty");
        const { jobs } = stores;
        for (const id of ids)
          await jobs.admit(admission({ limits: limitsOf(null) }, { id, attachment: "detached" }));
        const attempts: Attempt[] = [];
        const within = async (): Promise<void> => {
          const [first, second] = await Promise.all(DAYS.map((on) => jobs.nodeAccount(studio, on)));
          for (const account of [first, second]) {
            expect((account?.day.usedTokens ?? NaN) + (account?.day.heldTokens ?? NaN)).toBeLessThanOrEqual(
              DAY_BUDGET,
            );
            expect(
              (account?.month.usedTokens ?? NaN) + (account?.month.heldTokens ?? NaN),
            ).toBeLessThanOrEqual(MONTH_BUDGET);
          }
          expect(first?.month).toEqual(second?.month);
          expect(first?.month.usedTokens).toBe((first?.day.usedTokens ?? 0) + (second?.day.usedTokens ?? 0));
        };
        for (const what of steps) {
          await take(stores, what, attempts);
          await within();
        }
        for (const laterMs of [1e6, 2e6, 3e6]) await jobs.sweep(fence, noonMs + laterMs, false);
        await within();
        const { month } = await jobs.nodeAccount(studio, DAYS[0]);
        const made = attempts.reduce((sum, { tokens }) => sum + tokens, 0);
        expect(month.heldTokens).toBe(0);
        expect(month.usedTokens).toBeGreaterThanOrEqual(made);
        expect((await auditLedger(stores.books, noonMs)).findings).toEqual([]);
      }),
      { numRuns: 12 },
    );
  }, 60_000);

  test("of the month refuses what the day would still take", async () => {
    await using stores = await openJob(open, "empty");
    const { jobs } = stores;
    for (const id of ids) await jobs.admit(admission({ limits: limitsOf(null) }, { id }));
    const lease = (n: number, on: string) =>
      jobs.lease(leaseOf({ job: ids[n] ?? asJobId(""), day: on, tokensPerDay: 200, tokensPerMonth: 300 }));
    expect((await lease(0, DAYS[0])).kind).toBe("leased");
    expect((await lease(1, DAYS[0])).kind).toBe("leased");
    expect(await lease(2, DAYS[0])).toEqual({ kind: "refused", reason: "budget" });
    expect((await lease(2, DAYS[1])).kind).toBe("leased");
    expect(await lease(3, DAYS[1])).toEqual({ kind: "refused", reason: "budget" });
    // The next month begins anew.
    expect((await lease(3, "2026-04-01")).kind).toBe("leased");
  });
});
