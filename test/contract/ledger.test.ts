import { asJobId, auditLedger } from "@coop/core";
import type { LedgerLine } from "@coop/core";
import { createLedgerReader } from "@coop/redis/testing";
import { describe, expect, test } from "vitest";
import {
  ada,
  admission,
  ben,
  day,
  fence,
  leaseOf,
  limitsOf,
  month,
  noonMs,
  studio,
  success,
} from "../harness/job-requests.ts";
import { eachJobStores, openRedisStores, useTestRedis, type JobStores } from "../harness/job-stores.ts";

/** Runs a job to its end: 30 + 5 tokens. */
async function settle({ jobs }: JobStores, name: string): Promise<void> {
  const id = asJobId(`job_${name}`);
  await jobs.admit(admission({}, { id }));
  await jobs.lease(leaseOf({ job: id }));
  await jobs.accept(fence, id, 1);
  expect((await jobs.finish(fence, id, 1, success(30, 5), noonMs)).kind).toBe("finished");
}

async function settleMany(stores: JobStores, amount: number): Promise<void> {
  await stores.setFence(fence);
  for (let index = 0; index < amount; index += 1) await settle(stores, String(index));
}

const jobsOf = (lines: readonly LedgerLine[]): readonly (string | null)[] => lines.map(({ job }) => job);
const nowMs = noonMs + 3_600_000;

describe.each(eachJobStores())("the ledger of %s", (_name, open) => {
  test("is read page by page, oldest first, each line once", async () => {
    await using stores = await open();
    await settleMany(stores, 5);
    const { books } = stores;
    const first = await books.page(null, 2);
    const second = await books.page(first[1]?.position ?? null, 2);
    const third = await books.page(second[1]?.position ?? null, 2);
    expect([first, second, third].map(jobsOf)).toEqual([["job_0", "job_1"], ["job_2", "job_3"], ["job_4"]]);
    expect(await books.page(third[0]?.position ?? null, 2)).toEqual([]);
    const { position, ...entry } = first[0] ?? { position: "" };
    expect(position).toMatch(/^\d+-\d+$/);
    expect(entry).toEqual((await stores.ledger())[0]);
  });

  test("comes with the accounts of the same moment", async () => {
    await using stores = await open();
    await settleMany(stores, 3);
    const [, second] = await stores.books.page(null, 2);
    const { sums, accounts } = await stores.books.balances(second?.position ?? null);
    const inOrder = <T>(all: readonly T[]): T[] =>
      all.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    expect({ ...sums, members: inOrder(sums.members) }).toEqual({
      lines: 1,
      last: (await stores.books.page(null, 9)).at(-1)?.position,
      members: [
        { member: ada, month, usedTokens: 35, creditTokens: 0 },
        { member: ben, month, usedTokens: 0, creditTokens: 8 },
      ],
      nodes: [{ node: studio, day, usedTokens: 35 }],
      unbalanced: [],
    });
    expect(inOrder(accounts)).toEqual([
      { kind: "member", member: ada, month, usedTokens: 105, creditTokens: 0 },
      { kind: "member", member: ben, month, usedTokens: 0, creditTokens: 24 },
      { kind: "node", node: studio, period: month, usedTokens: 105 },
      { kind: "node", node: studio, period: day, usedTokens: 105 },
    ]);
  });

  test("agrees with every account, those without an entry too", async () => {
    await using stores = await open();
    await settleMany(stores, 3);
    await stores.jobs.admit(admission({ day: "2026-04-01" }, { id: asJobId("job_held") }));
    expect(await auditLedger(stores.books, nowMs)).toEqual({
      lines: 3,
      accounts: 5,
      agedOut: 0,
      findings: [],
      findingCount: 0,
    });
  });
});

describe("an audit of the books on Redis", () => {
  const server = useTestRedis();

  test("names each account that drifted, and by how much", async () => {
    await using stores = await openRedisStores(server())();
    await settleMany(stores, 2);
    const { redis, keys, books } = stores;
    await redis.hincrby(keys.memberAccount(ada, month), "used", 7);
    await redis.hincrby(keys.memberAccount(ben, month), "credit", 1);
    await redis.hset(keys.memberAccount("mem_ghost", month), "used", 3);
    await redis.hincrby(keys.nodeAccount(studio, month), `used:${day}`, 5);
    await redis.hset(keys.usage(ben, month), `row|${day}`, "0,0,0,0,0,0,4,0");
    await redis.hset(keys.usageSums(ada, month), `day|${day}`, "9,0,0,0,0,0,0,0", "place", "1,0,0,0,0,0,0,0");
    await redis.hdel(keys.usageSums(ada, month), "wait|0");
    const { findings } = await auditLedger(books, nowMs);
    const usageDrift = { kind: "usage-drift", month };
    expect(findings.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))).toEqual([
      { kind: "credit-drift", member: ben, month, ledgerTokens: 16, accountTokens: 17 },
      { kind: "member-drift", member: ada, month, ledgerTokens: 70, accountTokens: 77 },
      { kind: "member-drift", member: "mem_ghost", month, ledgerTokens: 0, accountTokens: 3 },
      { kind: "node-drift", node: studio, period: day, ledgerTokens: 70, accountTokens: 75 },
      { kind: "sums-drift", member: ada, month, wrongSums: 3 },
      { ...usageDrift, member: ada, usageTokens: 70, accountTokens: 77 },
      { ...usageDrift, member: ben, usageTokens: 4, accountTokens: 0 },
      { ...usageDrift, member: "mem_ghost", usageTokens: 0, accountTokens: 3 },
    ]);
  });

  test("finds an entry that does not sum to zero, and one that is gone", async () => {
    await using stores = await openRedisStores(server())();
    await settleMany(stores, 2);
    const { redis, keys, books } = stores;
    const [line] = await redis.xrange(keys.ledger, "-", "+", "COUNT", 1);
    const [position = "", [, entry = ""] = []] = line ?? [];
    await redis.xdel(keys.ledger, position);
    const at = await redis.xadd(keys.ledger, "*", "entry", entry.replace("|35|", "|34|"));
    const { findings } = await auditLedger(books, nowMs);
    expect(findings).toEqual([
      { kind: "unbalanced", position: at, of: "job_0", sumTokens: -1 },
      { kind: "member-drift", member: ada, month, ledgerTokens: 69, accountTokens: 70 },
    ]);
    await redis.xdel(keys.ledger, at ?? "");
    expect((await auditLedger(books, nowMs)).findings.map(({ kind }) => kind)).toEqual([
      "member-drift",
      "credit-drift",
      "node-drift",
      "node-drift",
    ]);
  });

  test("misses no account of a node that is gone, unless it is past its keeping", async () => {
    await using stores = await openRedisStores(server())();
    await settleMany(stores, 1);
    await stores.redis.del(stores.keys.nodeAccount(studio, month));
    const afterDays = (days: number) => auditLedger(stores.books, noonMs + days * 24 * 3_600_000);
    expect((await afterDays(91)).findings).toHaveLength(2);
    expect(await afterDays(93)).toMatchObject({ agedOut: 2, findings: [] });
  });

  test("reads an account that came to be while accounts were looked for", async () => {
    await using stores = await openRedisStores(server())();
    await settleMany(stores, 1);
    const { redis, keys, jobs, run } = stores;
    let searched = 0;
    const meanwhile: typeof redis = Object.create(redis);
    const scan = async (...args: Parameters<typeof redis.scan>) => {
      const found = await redis.scan(...args);
      searched += 1;
      const id = asJobId(`job_late${searched}`);
      const lateDay = `2027-0${searched}-01`;
      await jobs.admit(admission({ day: lateDay }, { id }));
      await jobs.lease(leaseOf({ job: id, day: lateDay }));
      await jobs.accept(fence, id, 1);
      await jobs.finish(fence, id, 1, success(30, 5), noonMs);
      return found;
    };
    Object.defineProperty(meanwhile, "scan", { value: scan });
    const audit = await auditLedger(createLedgerReader(meanwhile, keys, run, 1_000), nowMs);
    expect(searched).toBeGreaterThan(0);
    // Of each month the two members, the node, and the node's day.
    expect(audit).toMatchObject({ lines: searched + 1, accounts: 4 * (searched + 1), findings: [] });
  });

  test("sees no drift where there is none, while jobs settle and accounts come to be", async () => {
    await using stores = await openRedisStores(server())();
    await stores.setFence(fence);
    let settled = 0;
    const ending = new AbortController();
    const work = async (worker: number): Promise<void> => {
      for (let index = 0; !ending.signal.aborted; index += 1) {
        const id = asJobId(`job_${worker}x${index}`);
        // The first settles on accounts that are there, the others always on new ones.
        const monthOfOne = worker === 0 ? month : `${2000 + index}-0${worker}`;
        await stores.jobs.admit(admission({ day: `${monthOfOne}-01`, limits: limitsOf(null) }, { id }));
        await stores.jobs.lease(leaseOf({ job: id, day: `${monthOfOne}-01` }));
        await stores.jobs.accept(fence, id, 1);
        await stores.jobs.finish(fence, id, 1, success(30, 5), noonMs);
        settled += 1;
      }
    };
    const workers = Promise.all([0, 1, 2].map(work));
    try {
      for (let round = 0; round < 6; round += 1) {
        const audit = await auditLedger(stores.books, nowMs);
        expect(audit.findings).toEqual([]);
        expect(audit.lines).toBeLessThanOrEqual(settled + 3);
      }
    } finally {
      ending.abort();
      await workers;
    }
    const audit = await auditLedger(stores.books, noonMs);
    expect(audit).toMatchObject({ lines: settled, findings: [] });
    expect(settled).toBeGreaterThan(15);
  });
});
