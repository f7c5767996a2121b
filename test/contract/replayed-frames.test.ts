import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isTerminalEvent, START_OF_OUTPUT } from "@coop/core";
import { failure, fence, frame, job, noonMs, retry, spec, success } from "../harness/job-requests.ts";
import { eachJobStores, type JobStores } from "../harness/job-stores.ts";
import { account, imbalances, nodeAccount, openJob } from "../harness/opened-job.ts";

const FRAMES = 6;
const HOLD = 100;

/** What a node may say, once or again, in any order. */
type Said = { readonly kind: "frame"; readonly seq: number } | { readonly kind: "done" | "failed" | "lost" };

const said: fc.Arbitrary<Said> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.integer({ min: 1, max: FRAMES }).map((seq) => ({ kind: "frame" as const, seq })),
  },
  { weight: 1, arbitrary: fc.constantFrom("done" as const, "failed" as const).map((kind) => ({ kind })) },
);

const say = async ({ jobs }: JobStores, what: Said, told: number): Promise<unknown> => {
  switch (what.kind) {
    case "frame":
      return jobs.append(frame(what.seq, { tokens: what.seq }));
    case "done":
      return jobs.finish(fence, job, 1, success(30, told), noonMs);
    case "failed":
      return jobs.finish(fence, job, 1, failure(30, told), noonMs);
    case "lost":
      return jobs.expire(retry());
  }
};

describe.each(eachJobStores())("frames on %s", (_name, open) => {
  test("that come twice, late or out of order are kept once and charged once, at most what was observed and held", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(said, { maxLength: 30 }),
        fc.integer({ min: 0, max: 150 }),
        fc.constantFrom<Said>({ kind: "done" }, { kind: "failed" }, { kind: "lost" }),
        async (before, told, last) => {
          await using stores = await openJob(open, "running");
          for (const what of before) await say(stores, what, told);
          await say(stores, last, told);
          const settled = {
            account: await account(stores),
            ledger: await stores.ledger(),
            output: await stores.output.read(job, START_OF_OUTPUT),
            state: (await stores.jobs.read(job))?.state,
          };
          const delivered = settled.output.filter(({ event }) => event.kind === "deltas").length;
          const tokensDelivered = (delivered * (delivered + 1)) / 2;
          const observed = Math.max(30 + told, tokensDelivered);
          expect(settled.account.usedTokens).toBeLessThanOrEqual(Math.min(observed, HOLD));
          const isDone = settled.state?.state === "succeeded";
          if (isDone) expect(settled.account.usedTokens).toBe(Math.min(30 + told, HOLD));
          const seqs = settled.output.map(({ position }) => position.seq);
          expect(seqs).toEqual([...seqs.keys()]);
          expect(settled.output.filter(({ event }) => isTerminalEvent(event)).length).toBeLessThanOrEqual(1);
          // All of it once more, backwards, with other counts.
          const isLost = settled.state?.state === "queued";
          if (!isLost) {
            for (const what of [last, ...before.toReversed()]) await say(stores, what, told + 1);
            expect(await account(stores)).toEqual(settled.account);
            expect((await stores.jobs.read(job))?.state).toEqual(settled.state);
            expect(await stores.output.read(job, START_OF_OUTPUT)).toEqual(settled.output);
            expect((await stores.ledger()).filter(({ toMember }) => toMember !== 0)).toEqual(
              settled.ledger.filter(({ toMember }) => toMember !== 0),
            );
          }
          expect(await imbalances(stores)).toEqual([]);
        },
      ),
      { numRuns: 20 },
    );
  }, 60_000);

  test("of a node that was declared dead change neither output nor charge, and are debited to the node once", async () => {
    await using stores = await openJob(open, "running", { attachment: "detached" });
    const { jobs } = stores;
    await jobs.append(frame(1));
    await jobs.expire(retry());
    const before = { record: await jobs.read(job), account: await account(stores) };
    for (const seq of [1, 2, 3]) expect(await jobs.append(frame(seq))).toEqual({ kind: "stale" });
    expect(await jobs.accept(fence, job, 1)).toBe("stale");
    expect(await nodeAccount(stores)).toEqual({ usedTokens: 0, heldTokens: HOLD });
    for (let again = 0; again < 3; again += 1)
      expect(await jobs.finish(fence, job, 1, success(30, 40), noonMs)).toMatchObject({ kind: "stale" });
    expect(await nodeAccount(stores)).toEqual({ usedTokens: 70, heldTokens: 0 });
    expect({ record: await jobs.read(job), account: await account(stores) }).toEqual(before);
    expect(await stores.ledger()).toMatchObject([
      { kind: "node-settled", toMember: 0, toNode: -70, toWaste: 70, toCredit: 0 },
    ]);
    expect(spec().promptTokensMax + spec().maxOutputTokens).toBe(HOLD);
  });
});
