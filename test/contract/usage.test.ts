import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asJobId, assert, auditLedger, WAIT_EDGES_MS } from "@coop/core";
import type { MemberUsageSums } from "@coop/core";
import { sumsOfRows } from "@coop/core/testing";
import {
  ada,
  admission,
  ben,
  day,
  fence,
  frame,
  job,
  leaseOf,
  limitsOf,
  month,
  noonMs,
  pi,
  retry,
  studio,
  success,
} from "../harness/job-requests.ts";
import { eachJobStores, openRedisStores, useTestRedis } from "../harness/job-stores.ts";
import type { JobStores } from "../harness/job-stores.ts";
import { openJob, serve } from "../harness/opened-job.ts";

/** With the places in an order of their own. */
const ordered = ({ days, places }: Pick<MemberUsageSums, "days" | "places">) => ({
  days,
  places: places.toSorted((a, b) => ((a.place?.node ?? "") < (b.place?.node ?? "") ? -1 : 1)),
});

describe.each(eachJobStores())("the usage of a month in the job store on %s", (_name, open) => {
  test("has a row for each day and place, with what ended there", async () => {
    await using stores = await openJob(open, "running");
    const { jobs, usage } = stores;
    await jobs.append(frame(1));
    await jobs.finish(fence, job, 1, success(30, 5), noonMs + 500);
    await serve(stores, "02", { node: pi, model: "gemma|odd", tier: "local-small" });
    const gone = asJobId("job_03");
    await jobs.admit(admission({}, { id: gone }));
    await jobs.cancel(gone, ada, "member", noonMs);
    const none = { succeeded: 0, failed: 0, cancelled: 0, expired: 0 };
    const { rows } = await usage.month(ada, month);
    const byNode = rows.toSorted((a, b) => ((a.place?.node ?? "") < (b.place?.node ?? "") ? -1 : 1));
    expect(byNode).toEqual([
      {
        day,
        place: null,
        ...none,
        cancelled: 1,
        promptTokens: 0,
        outputTokens: 0,
        chargedTokens: 0,
        nodeMs: 0,
      },
      {
        day,
        place: { node: pi, model: "gemma|odd", tier: "local-small" },
        ...none,
        succeeded: 1,
        promptTokens: 30,
        outputTokens: 25,
        chargedTokens: 55,
        nodeMs: 0,
      },
      {
        day,
        place: { node: studio, model: "llama3.2:3b", tier: "edge" },
        ...none,
        succeeded: 1,
        promptTokens: 30,
        outputTokens: 5,
        chargedTokens: 35,
        nodeMs: 500,
      },
    ]);
    // Both were leased as they came; the one that no node had waited for none.
    const noWaits = WAIT_EDGES_MS.map(() => 0);
    expect(await usage.sums([ben, ada], month)).toEqual([
      { member: ben, month, days: [], places: [], waits: [0, ...noWaits] },
      {
        member: ada,
        month,
        days: [
          {
            day,
            ...none,
            succeeded: 2,
            cancelled: 1,
            promptTokens: 60,
            outputTokens: 30,
            chargedTokens: 90,
            nodeMs: 500,
          },
        ],
        places: expect.arrayContaining([...sumsOfRows(rows).places]),
        waits: [2, ...noWaits],
      },
    ]);
    expect(await usage.month(ben, month)).toEqual({ member: ben, month, rows: [] });
  });

  test("counts an attempt that was followed by another for its node's time alone", async () => {
    await using stores = await openJob(open, "running");
    const { jobs, usage } = stores;
    await jobs.expire(retry({ nowMs: noonMs + 2_000 }));
    await jobs.lease(leaseOf({ node: pi, nowMs: noonMs + 7_500 }));
    await jobs.finish(fence, job, 2, success(30, 5), noonMs + 8_500);
    const { rows } = await usage.month(ada, month);
    const [sums] = await usage.sums([ada], month);
    const nodes = Object.fromEntries(rows.map((row) => [row.place?.node, row]));
    expect(nodes[studio]).toMatchObject({ succeeded: 0, promptTokens: 0, chargedTokens: 0, nodeMs: 2_000 });
    expect(nodes[pi]).toMatchObject({ succeeded: 1, promptTokens: 30, chargedTokens: 35, nodeMs: 1_000 });
    const bucket = WAIT_EDGES_MS.findIndex((edgeMs) => edgeMs >= 7_500);
    expect(sums?.waits.map((waited, i) => (waited > 0 ? i : -1)).filter((i) => i >= 0)).toEqual([bucket]);
  });

  test.each(WAIT_EDGES_MS.map((edgeMs, bucket) => [edgeMs, bucket] as const))(
    "a wait of %i ms is the last of bucket %i",
    async (edgeMs, bucket) => {
      await using stores = await openJob(open, "empty");
      for (const [name, waitMs] of [
        ["at", edgeMs],
        ["past", edgeMs + 1],
      ] as const) {
        await serve(stores, name, { nowMs: noonMs + waitMs });
      }
      const [sums] = await stores.usage.sums([ada], month);
      const expected = Array.from({ length: WAIT_EDGES_MS.length + 1 }, () => 0);
      expected[bucket] = 1;
      expected[bucket + 1] = 1;
      expect(sums?.waits).toEqual(expected);
    },
  );

  test("shares a node's busy time among whatever runs on it, to the last millisecond", async () => {
    const step = fc.record({
      afterMs: fc.integer({ min: 0, max: 700 }),
      job: fc.integer({ min: 0, max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), async (steps, retries) => {
        await using stores = await openJob(open, "empty");
        const { jobs, usage } = stores;
        const ids = [0, 1, 2, 3, 4, 5].map((n) => asJobId(`job_${n}`));
        for (const id of ids)
          await jobs.admit(admission({ limits: limitsOf(null) }, { id, attachment: "detached" }));
        const live = new Set<string>();
        let nowMs = noonMs;
        let busyMs = 0;
        let events = 0;
        const end = async (id: (typeof ids)[number]): Promise<void> => {
          const epoch = (await jobs.read(id))?.epoch ?? 0;
          if (retries) await jobs.expire(retry({ job: id, epoch, nowMs, maxAttempts: 99, counts: false }));
          else await jobs.finish(fence, id, epoch, success(1, 1), nowMs);
          live.delete(id);
          events += 1;
        };
        for (const { afterMs, job: index } of steps) {
          nowMs += afterMs;
          if (live.size > 0) busyMs += afterMs;
          const id = ids[index] ?? job;
          if (live.has(id)) await end(id);
          else if ((await jobs.lease(leaseOf({ job: id, nowMs }))).kind === "leased") live.add(id);
        }
        for (const id of ids) {
          if (!live.has(id)) continue;
          nowMs += 10;
          busyMs += 10;
          await end(id);
        }
        const { rows } = await usage.month(ada, month);
        const [sums] = await usage.sums([ada], month);
        const nodeMs = rows.reduce((sum, row) => sum + row.nodeMs, 0);
        expect(sums?.days.reduce((sum, sumsOfDay) => sum + sumsOfDay.nodeMs, 0)).toBe(nodeMs);
        // At most a microsecond is lost for each attempt that shares, at each event; then it is rounded.
        expect(Math.abs(nodeMs - busyMs)).toBeLessThanOrEqual(1 + Math.ceil((events * 12) / 1_000));
      }),
      { numRuns: 8 },
    );
  }, 60_000);
});

describe("the sums of a month on Redis that was rolled up before there were any", () => {
  const server = useTestRedis();
  const openBefore = async () => {
    const stores = await openRedisStores(server())();
    await stores.setFence(fence);
    await serve(stores, "01", { nowMs: noonMs + 501 });
    await serve(stores, "02", { node: pi, model: "gemma|odd", tier: "local-small", nowMs: noonMs + 1_300 });
    const [before] = await stores.usage.sums([ada], month);
    expect(before?.places).toHaveLength(2);
    await stores.redis.del(stores.keys.usageSums(ada, month));
    return { stores, before };
  };

  test("are made of its days when somebody reads them", async () => {
    const { stores, before } = await openBefore();
    await using opened = stores;
    const [none, after] = await opened.usage.sums([ben, ada], month);
    assert(before && none && after, "each member has sums");
    expect([ordered(after), after.waits]).toEqual([ordered(before), before.waits]);
    expect(none).toMatchObject({ days: [], places: [] });
    expect(await opened.redis.exists(opened.keys.usageSums(ben, month))).toBe(0);
    await serve(opened, "03");
    expect((await auditLedger(opened.books, noonMs)).findings).toEqual([]);
  });

  test("are made of however many places it has", async () => {
    const { stores } = await openBefore();
    await using opened = stores;
    const rows = Array.from({ length: 5_000 }, (_, i) => [
      `row|${day}|node_${i}|edge|m`,
      "1,0,0,0,5,5,0,500",
    ]);
    await opened.redis.hset(opened.keys.usage(ada, month), ...rows.flat());
    await serve(opened, "03");
    const [sums] = await opened.usage.sums([ada], month);
    expect(sums?.places).toHaveLength(5_002);
  });

  test.each([
    ["a job of the same day ends", async (stores: JobStores) => serve(stores, "03", { nowMs: noonMs + 40 })],
    [
      "a job of it is given back",
      async ({ accounting }: JobStores) => accounting.refund(asJobId("job_01"), noonMs + 9),
    ],
  ])("are made of its days when %s", async (_name, change) => {
    const { stores } = await openBefore();
    await using opened = stores;
    await change(opened);
    const [sums] = await opened.usage.sums([ada], month);
    const { rows } = await opened.usage.month(ada, month);
    assert(sums, "the member has sums");
    expect(ordered(sums)).toEqual(ordered(sumsOfRows(rows)));
    const count = (all: readonly number[]): number => all.reduce((total, one) => total + one, 0);
    expect(count(sums.waits)).toBe(count(rows.map(({ succeeded }) => succeeded)));
    expect((await auditLedger(opened.books, noonMs)).findings).toEqual([]);
  });
});
