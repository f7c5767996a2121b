import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asJobId, WAIT_EDGES_MS } from "@coop/core";
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
import { eachJobStores } from "../harness/job-stores.ts";
import { openJob, serve } from "../harness/opened-job.ts";

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
    const { rows, waits } = await usage.month(ada, month);
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
    expect(waits).toEqual([{ day, jobs: [2, ...WAIT_EDGES_MS.map(() => 0)] }]);
    expect(await usage.month(ben, month)).toEqual({ member: ben, month, rows: [], waits: [] });
  });

  test("counts an attempt that was followed by another for its node's time alone", async () => {
    await using stores = await openJob(open, "running");
    const { jobs, usage } = stores;
    await jobs.expire(retry({ nowMs: noonMs + 2_000 }));
    await jobs.lease(leaseOf({ node: pi, nowMs: noonMs + 7_500 }));
    await jobs.finish(fence, job, 2, success(30, 5), noonMs + 8_500);
    const { rows, waits } = await usage.month(ada, month);
    const nodes = Object.fromEntries(rows.map((row) => [row.place?.node, row]));
    expect(nodes[studio]).toMatchObject({ succeeded: 0, promptTokens: 0, chargedTokens: 0, nodeMs: 2_000 });
    expect(nodes[pi]).toMatchObject({ succeeded: 1, promptTokens: 30, chargedTokens: 35, nodeMs: 1_000 });
    const bucket = WAIT_EDGES_MS.findIndex((edgeMs) => edgeMs >= 7_500);
    expect(waits[0]?.jobs.map((jobs, i) => (jobs > 0 ? i : -1)).filter((i) => i >= 0)).toEqual([bucket]);
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
      const { waits } = await stores.usage.month(ada, month);
      const expected = Array.from({ length: WAIT_EDGES_MS.length + 1 }, () => 0);
      expected[bucket] = 1;
      expected[bucket + 1] = 1;
      expect(waits).toEqual([{ day, jobs: expected }]);
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
        const nodeMs = rows.reduce((sum, row) => sum + row.nodeMs, 0);
        // At most a microsecond is lost for each attempt that shares, at each event; then it is rounded.
        expect(Math.abs(nodeMs - busyMs)).toBeLessThanOrEqual(1 + Math.ceil((events * 12) / 1_000));
      }),
      { numRuns: 8 },
    );
  }, 60_000);
});
