/**
 * Random histories on the memory store and on Redis: the same answers at each step, and once everything has
 * ended the books are in order, whatever happened.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  auditLedger,
  isTerminal,
  isTerminalEvent,
  START_OF_OUTPUT,
  sumOfDeltas,
  type JobRecord,
} from "@coop/core";
import type { LedgerEntry, MemberUsage } from "@coop/core";
import { jobHistory, operatedJobs } from "../harness/job-operations.ts";
import { ada, ben, day, fence, month, noonMs, pi, studio } from "../harness/job-requests.ts";
import { openMemoryStores, openRedisStores, useTestRedis, type JobStores } from "../harness/job-stores.ts";

const server = useTestRedis();

/** Rows and waits in an order that does not depend on the store. */
const inOrder = ({ rows, waits, ...whose }: MemberUsage): MemberUsage => {
  const sorted = <T>(all: readonly T[]): T[] =>
    all.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return { ...whose, rows: sorted(rows), waits: sorted(waits) };
};

/** Everything that can be seen of the stores. */
const everything = async ({ jobs, output, ledger, accounting, usage }: JobStores) => ({
  records: await Promise.all(operatedJobs.map((id) => jobs.read(id))),
  outputs: await Promise.all(operatedJobs.map((id) => output.read(id, START_OF_OUTPUT))),
  members: await Promise.all([ada, ben].map((member) => accounting.account(member, month))),
  nodes: await Promise.all([studio, pi].map((node) => jobs.nodeAccount(node, day))),
  usage: await Promise.all([ada, ben].map(async (member) => inOrder(await usage.month(member, month)))),
  ledger: await ledger(),
});
type Everything = Awaited<ReturnType<typeof everything>>;

/** Lets time end whatever still runs: jobs pass their deadlines, then holds that were kept are overdue. */
const quiesce = async ({ jobs }: JobStores, nowMs: number) => [
  await jobs.sweep(fence, nowMs + 1e6, false),
  await jobs.sweep(fence, nowMs + 2e6, false),
];

const sum = (entries: readonly LedgerEntry[], part: (entry: LedgerEntry) => number): number =>
  entries.reduce((total, entry) => total + part(entry), 0);

const chargeOf = ({ state }: JobRecord): number => (isTerminal(state) ? state.chargedTokens : NaN);

function expectBooksInOrder({ records, outputs, members, nodes, usage, ledger }: Everything): void {
  expect(ledger.map(sumOfDeltas)).toEqual(ledger.map(() => 0));
  const settlements = ledger.map(({ job, epoch, kind }) => `${job} ${epoch} ${kind}`);
  expect(settlements).toEqual([...new Set(settlements)]);
  const balances = (held: readonly { readonly heldTokens: number }[]) =>
    held.map(({ heldTokens }) => heldTokens);
  expect([
    ...balances(members),
    ...balances(nodes.flatMap(({ day: ofDay, month: ofMonth }) => [ofDay, ofMonth])),
  ]).toEqual([0, 0, 0, 0, 0, 0]);
  for (const [i, member] of [ada, ben].entries()) {
    const own = ledger.filter((entry) => entry.member === member);
    expect(members[i]?.usedTokens).toBe(sum(own, ({ toMember }) => toMember));
    expect(members[i]?.creditTokens).toBe(
      sum(
        ledger.filter(({ owner }) => owner === member),
        ({ toCredit }) => toCredit,
      ),
    );
    expect(members[i]?.usedTokens).toBeLessThanOrEqual(250 + (members[i]?.creditTokens ?? 0));
    expect(members[i]?.unfinishedJobs).toBe(0);
    const tiers = Object.values(members[i]?.tiers ?? {});
    expect(tiers.reduce((total, { usedTokens }) => total + usedTokens, 0)).toBe(members[i]?.usedTokens);
    const rows = usage[i]?.rows ?? [];
    expect(rows.reduce((total, row) => total + row.chargedTokens, 0)).toBe(members[i]?.usedTokens);
    const ended = records.filter((record) => record?.spec.member === member).length;
    expect(
      rows.reduce((total, row) => total + row.succeeded + row.failed + row.cancelled + row.expired, 0),
    ).toBe(ended);
  }
  for (const [i, node] of [studio, pi].entries()) {
    const own = ledger.filter((entry) => entry.node === node);
    expect(nodes[i]?.month.usedTokens).toBe(0 - sum(own, ({ toNode }) => toNode));
  }
  for (const [i, record] of records.entries()) {
    if (record === null) continue;
    const own = ledger.filter(({ job }) => job === record.spec.id);
    const ends = own.filter(({ kind }) => ["succeeded", "failed", "cancelled", "expired"].includes(kind));
    expect(ends.map(({ kind, toMember }) => [kind, toMember])).toEqual([
      [record.state.state, chargeOf(record)],
    ]);
    expect(sum(own, ({ toMember }) => toMember)).toBe(chargeOf(record));
    expect(chargeOf(record)).toBeLessThanOrEqual(100);
    const entries = outputs[i] ?? [];
    expect(entries.filter(({ event }) => isTerminalEvent(event))).toEqual(entries.slice(-1));
    for (const epoch of new Set(entries.map(({ position }) => position.epoch))) {
      const seqs = entries
        .filter(({ position }) => position.epoch === epoch)
        .map(({ position }) => position.seq);
      expect(seqs).toEqual([...seqs.keys()]);
    }
  }
}

test("memory and Redis answer any history alike, and the books are in order after it", async () => {
  await fc.assert(
    fc.asyncProperty(jobHistory, async (history) => {
      await using memory = await openMemoryStores();
      await using redis = await openRedisStores(server())();
      await Promise.all([memory.setFence(fence), redis.setFence(fence)]);
      let nowMs = noonMs;
      for (const { afterMs, operation } of history) {
        nowMs += afterMs;
        const expected = await operation.call(memory, nowMs);
        expect(await operation.call(redis, nowMs), operation.name).toEqual(expected);
      }
      expect(await quiesce(redis, nowMs)).toEqual(await quiesce(memory, nowMs));
      const end = await everything(redis);
      expect(end).toEqual(await everything(memory));
      expectBooksInOrder(end);
      const { pending, leases, followed, deadlines, zombies } = redis.keys;
      const sets = [pending, leases, followed, deadlines, zombies];
      expect(await Promise.all(sets.map((set) => redis.redis.zcard(set)))).toEqual([0, 0, 0, 0, 0]);
      const counts = await Promise.all(
        [ada, ben].map((member) => redis.redis.hmget(redis.keys.standing(member), "pending", "unfinished")),
      );
      expect(counts.flat().map(Number)).toEqual([0, 0, 0, 0]);
      expect(await redis.redis.exists(...[studio, pi].map((node) => redis.keys.nodeClock(node)))).toBe(0);
      expect((await auditLedger(redis.books, nowMs)).findings).toEqual([]);
      expect((await auditLedger(memory.books, nowMs)).findings).toEqual([]);
      expect(redis.wakes.length).toBe(memory.wakes.length);
    }),
    { numRuns: 40 },
  );
}, 60_000);
