import * as fc from "fast-check";
import { asJobId, type JobId } from "@coop/core";
import {
  ada,
  admission,
  ben,
  day,
  dayBefore,
  failure,
  fence,
  frame,
  leaseOf,
  limitsOf,
  month,
  pi,
  retry,
  studio,
  success,
} from "./job-requests.ts";
import type { JobStores } from "./job-stores.ts";

/** One call of a job store with the time it happens at; it answers with the outcome. */
export interface JobOperation {
  readonly name: string;
  /** How a counterexample shows it. */
  readonly [fc.toStringMethod]: () => string;
  readonly call: (stores: JobStores, nowMs: number) => Promise<unknown>;
}

const operation = (name: string, call: JobOperation["call"]): JobOperation => ({
  name,
  call,
  [fc.toStringMethod]: () => name,
});

/** The jobs that the operations are about. */
export const operatedJobs = ["job_1", "job_2", "job_3"].map(asJobId);

const job = fc.constantFrom(...operatedJobs);
const node = fc.constantFrom(studio, pi);
const tokens = fc.integer({ min: 0, max: 70 });
const usage = fc.record({ promptTokens: tokens, outputTokens: tokens });
/** Mostly the current epoch, sometimes the one before or one that never was. */
const epochsBack = fc.constantFrom(0, 0, 0, 0, 1, -1);
const aFence = fc.constantFrom(fence, fence, fence, fence, fence, fence - 1);

const epochOf = async ({ jobs }: JobStores, id: JobId, back: number): Promise<number> =>
  ((await jobs.read(id))?.epoch ?? 0) - back;

const admit = fc
  .record({
    id: job,
    member: fc.constantFrom(ada, ben),
    attachment: fc.constantFrom("attached" as const, "detached" as const),
    streamed: fc.boolean(),
    privacy: fc.constantFrom("own" as const, "coop" as const, "any" as const),
    key: fc.option(fc.constantFrom("k1", "k2")),
    bodyHash: fc.constantFrom("a", "a", "b"),
    on: fc.constantFrom(day, day, dayBefore),
    askedTier: fc.constantFrom("edge" as const, "local-small" as const),
    limits: fc.constantFrom(
      limitsOf(250),
      limitsOf(250),
      limitsOf(250, { jobsAtOnce: 1 }),
      limitsOf(250, { tierTokens: 150 }),
      limitsOf(250, { requestsPerMinute: 3 }),
    ),
  })
  .map(({ id, member, attachment, streamed, privacy, key, bodyHash, on, askedTier, limits }) =>
    operation(
      `admit ${id} of ${member} on ${on}, ${attachment}, streamed ${streamed}, ${privacy}, key ${key} ${bodyHash}, ${askedTier}, ${JSON.stringify(limits)}`,
      ({ jobs }, nowMs) =>
        jobs.admit(
          admission(
            {
              idempotency: key === null ? null : { key, bodyHash },
              day: on,
              limits,
              caps: { perMember: 2, total: 3 },
              followedUntilMs: attachment === "attached" ? nowMs + 15_000 : null,
              nowMs,
            },
            {
              id,
              member,
              attachment,
              streamed,
              privacy,
              askedTier,
              submittedAtMs: nowMs,
              deadlineMs: nowMs + 60_000,
            },
          ),
        ),
    ),
  );

const lease = fc
  .record({
    id: job,
    node,
    on: fc.constantFrom(day, day, dayBefore),
    tier: fc.constantFrom("edge" as const, "local-large" as const),
    cloud: fc.constantFrom(false, false, true),
    fence: aFence,
  })
  .map(({ id, node, on, tier, cloud, fence }) =>
    operation(`lease ${id} to ${node} on ${on}, ${tier}, cloud ${cloud}, fence ${fence}`, ({ jobs }, nowMs) =>
      jobs.lease(
        leaseOf({
          job: id,
          node,
          nodeOwner: node === pi ? ada : ben,
          tier,
          day: on,
          cloud,
          fence,
          tokensPerDay: 250,
          tokensPerMonth: 400,
          leaseUntilMs: nowMs + 30_000,
          nowMs,
        }),
      ),
    ),
  );

const accept = fc
  .record({ id: job, back: epochsBack, fence: aFence })
  .map(({ id, back, fence }) =>
    operation(`accept ${id}, ${back} epochs back, fence ${fence}`, async (stores) =>
      stores.jobs.accept(fence, id, await epochOf(stores, id, back)),
    ),
  );

const append = fc
  .record({ id: job, back: epochsBack, step: fc.constantFrom(1, 1, 1, 0, 2), tokens, fence: aFence })
  .map(({ id, back, step, tokens, fence }) =>
    operation(
      `append to ${id}, ${back} epochs back, frame last + ${step} with ${tokens} tokens, fence ${fence}`,
      async (stores) => {
        const seq = ((await stores.jobs.read(id))?.lastSeq ?? 0) + step;
        return stores.jobs.append(
          frame(seq, { job: id, epoch: await epochOf(stores, id, back), tokens, fence }),
        );
      },
    ),
  );

const finish = fc
  .record({ id: job, back: epochsBack, usage, end: fc.constantFrom(success, failure), fence: aFence })
  .map(({ id, back, usage, end, fence }) =>
    operation(
      `finish ${id}, ${back} epochs back, ${end === success ? "success" : "failure"} ${JSON.stringify(usage)}, fence ${fence}`,
      async (stores, nowMs) =>
        stores.jobs.finish(
          fence,
          id,
          await epochOf(stores, id, back),
          end(usage.promptTokens, usage.outputTokens),
          nowMs,
        ),
    ),
  );

const expire = fc
  .record({
    id: job,
    back: epochsBack,
    usage: fc.option(usage, { freq: 1 }),
    counts: fc.boolean(),
    excludeNode: fc.boolean(),
    fence: aFence,
  })
  .map(({ id, back, usage, ...how }) =>
    operation(
      `expire ${id}, ${back} epochs back, ${JSON.stringify({ usage, ...how })}`,
      async (stores, nowMs) => {
        const epoch = await epochOf(stores, id, back);
        return stores.jobs.expire(
          retry({ job: id, epoch, usage, ...how, maxAttempts: 2, notBeforeMs: nowMs, nowMs }),
        );
      },
    ),
  );

const renew = fc
  .record({ id: job, back: epochsBack })
  .map(({ id, back }) =>
    operation(`renew ${id}, ${back} epochs back`, async (stores, nowMs) =>
      stores.jobs.renew(fence, [{ job: id, epoch: await epochOf(stores, id, back) }], nowMs + 30_000),
    ),
  );

const cancel = fc
  .record({ id: job, member: fc.constantFrom(ada, ben, null) })
  .map(({ id, member }) =>
    operation(`cancel ${id} for ${member}`, ({ jobs }, nowMs) => jobs.cancel(id, member, "member", nowMs)),
  );

const settle = fc
  .record({ id: job, back: fc.constantFrom(0, 1, 1, 1, 2), node, usage })
  .map(({ id, back, node, usage }) =>
    operation(
      `settle ${id}, ${back} epochs back, on ${node}, ${JSON.stringify(usage)}`,
      async (stores, nowMs) =>
        stores.jobs.settleNode(node, id, await epochOf(stores, id, back), usage, nowMs),
    ),
  );

const refund = job.map((id) =>
  operation(`refund ${id}`, ({ accounting }, nowMs) => accounting.refund(id, nowMs)),
);

const grant = fc
  .record({
    id: fc.constantFrom("grant_1", "grant_2"),
    member: fc.constantFrom(ada, ben),
    tokens: fc.integer({ min: 1, max: 50 }),
  })
  .map(({ id, member, tokens: granted }) =>
    operation(`grant ${id}: ${granted} to ${member}`, ({ accounting }, nowMs) =>
      accounting.grant({ id, member, month, tokens: granted }, nowMs),
    ),
  );

const follow = job.map((id) =>
  operation(`follow ${id}`, ({ jobs }, nowMs) => jobs.follow([id], nowMs + 15_000)),
);

const sweep = fc
  .constantFrom(true, false, false)
  .map((amnesty) =>
    operation(`sweep, amnesty ${amnesty}`, ({ jobs }, nowMs) => jobs.sweep(fence, nowMs, amnesty)),
  );

/** A random history: what happens, and how much later than what went before. */
export const jobHistory = fc.array(
  fc.record({
    afterMs: fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 0, max: 500 }) },
      { weight: 1, arbitrary: fc.integer({ min: 5_000, max: 40_000 }) },
    ),
    operation: fc.oneof(
      { weight: 4, arbitrary: admit },
      { weight: 5, arbitrary: lease },
      { weight: 3, arbitrary: accept },
      { weight: 5, arbitrary: append },
      { weight: 2, arbitrary: finish },
      { weight: 3, arbitrary: expire },
      { weight: 1, arbitrary: renew },
      { weight: 1, arbitrary: cancel },
      { weight: 2, arbitrary: settle },
      { weight: 1, arbitrary: follow },
      { weight: 1, arbitrary: refund },
      { weight: 1, arbitrary: grant },
      { weight: 1, arbitrary: sweep },
    ),
  }),
  { minLength: 20, maxLength: 60, size: "max" },
);
