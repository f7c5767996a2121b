import { deepEqual, equal, ok } from "node:assert/strict";
import {
  auditLedger,
  isTerminal,
  isTerminalEvent,
  START_OF_OUTPUT,
  sumOfDeltas,
  type JobRecord,
  type LedgerEntry,
} from "@coop/core";
import { sumsOfRows } from "@coop/core/testing";
import { operatedJobs } from "./job-operations.ts";
import { ada, ben, day, dayBefore, fence, month, pi, studio } from "./job-requests.ts";
import type { JobStores } from "./job-stores.ts";

const MEMBERS = [ada, ben];
const NODES = [studio, pi];
const DAYS = [dayBefore, day];
const MONTHS = [dayBefore.slice(0, 7), month];

/** In an order that does not depend on the store. */
const inOrder = <T>(all: readonly T[]): T[] =>
  all.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

const ofMembers = async <T>(read: (member: (typeof MEMBERS)[number], inMonth: string) => Promise<T>) =>
  Promise.all(
    MEMBERS.flatMap((member) =>
      MONTHS.map(async (inMonth) => ({ member, month: inMonth, is: await read(member, inMonth) })),
    ),
  );

/** Everything that can be seen of stores on which the operations of job-operations.ts were called. */
export const everything = async ({ jobs, output, ledger, accounting, usage }: JobStores) => ({
  records: await Promise.all(operatedJobs.map((id) => jobs.read(id))),
  outputs: await Promise.all(operatedJobs.map((id) => output.read(id, START_OF_OUTPUT))),
  accounts: await ofMembers((member, inMonth) => accounting.account(member, inMonth)),
  usage: await ofMembers(async (member, inMonth) => inOrder((await usage.month(member, inMonth)).rows)),
  sums: await ofMembers(async (member, inMonth) => {
    const [sums] = await usage.sums([member], inMonth);
    ok(sums);
    return { days: inOrder(sums.days), places: inOrder(sums.places), waits: sums.waits };
  }),
  nodes: await Promise.all(
    NODES.flatMap((node) => DAYS.map(async (on) => ({ node, on, is: await jobs.nodeAccount(node, on) }))),
  ),
  ledger: await ledger(),
});
type Everything = Awaited<ReturnType<typeof everything>>;

/** Lets time end whatever still runs: jobs pass their deadlines, then holds that were kept are overdue. */
export const quiesce = async ({ jobs }: JobStores, nowMs: number) => [
  await jobs.sweep(fence, nowMs + 1e6, false),
  await jobs.sweep(fence, nowMs + 2e6, false),
];

const sum = <T>(all: readonly T[], part: (one: T) => number): number =>
  all.reduce((total, one) => total + part(one), 0);

const chargeOf = ({ state }: JobRecord): number => (isTerminal(state) ? state.chargedTokens : NaN);

/**
 * At rest no hold is left, each job that came in has ended once and was charged at most what it held, every
 * entry sums to zero and is there once, and accounts, usage and ledger agree.
 */
export async function assertBooksInOrder(
  stores: JobStores,
  atRest: Everything,
  nowMs: number,
): Promise<void> {
  const { ledger } = atRest;
  deepEqual(
    ledger.filter((entry) => sumOfDeltas(entry) !== 0),
    [],
  );
  const settlements = ledger.map(({ job, grant, epoch, kind }) => `${job} ${grant} ${epoch} ${kind}`);
  deepEqual(settlements, [...new Set(settlements)]);
  deepEqual((await auditLedger(stores.books, nowMs)).findings, []);
  assertMembersInOrder(atRest);
  for (const { node, is } of atRest.nodes) {
    deepEqual([is.day.heldTokens, is.month.heldTokens], [0, 0], `${node} holds nothing`);
  }
  for (const [i, record] of atRest.records.entries()) {
    if (record === null) continue;
    assertJobInOrder(record, ledger);
    const entries = atRest.outputs[i] ?? [];
    deepEqual(
      entries.filter(({ event }) => isTerminalEvent(event)),
      entries.slice(-1),
    );
    for (const epoch of new Set(entries.map(({ position }) => position.epoch))) {
      const seqs = entries
        .filter(({ position }) => position.epoch === epoch)
        .map(({ position }) => position.seq);
      deepEqual(seqs, [...seqs.keys()]);
    }
  }
}

function assertMembersInOrder({ accounts, usage, sums, records }: Everything): void {
  for (const [i, { member, is }] of accounts.entries()) {
    equal(is.heldTokens, 0, `${member} holds nothing`);
    equal(is.unfinishedJobs, 0);
    ok(is.usedTokens <= 250 + is.creditTokens, `${member} used ${is.usedTokens}`);
    equal(
      sum(Object.values(is.tiers), ({ usedTokens }) => usedTokens),
      is.usedTokens,
    );
    equal(
      sum(usage[i]?.is ?? [], ({ chargedTokens }) => chargedTokens),
      is.usedTokens,
    );
  }
  for (const [i, { is }] of sums.entries()) {
    const { days, places } = sumsOfRows(usage[i]?.is ?? []);
    deepEqual({ days: is.days, places: is.places }, { days: inOrder(days), places: inOrder(places) });
  }
  for (const member of MEMBERS) {
    const rows = usage.filter((of) => of.member === member).flatMap(({ is }) => is);
    equal(
      sum(rows, (row) => row.succeeded + row.failed + row.cancelled + row.expired),
      records.filter((record) => record?.spec.member === member).length,
    );
  }
}

function assertJobInOrder(record: JobRecord, ledger: readonly LedgerEntry[]): void {
  const own = ledger.filter(({ job }) => job === record.spec.id);
  const ends = own.filter(({ kind }) => ["succeeded", "failed", "cancelled", "expired"].includes(kind));
  deepEqual(
    ends.map(({ kind, toMember }) => [kind, toMember]),
    [[record.state.state, chargeOf(record)]],
  );
  const refunded = own.some(({ kind }) => kind === "refunded");
  equal(
    sum(own, ({ toMember }) => toMember),
    refunded ? 0 : chargeOf(record),
  );
  ok(chargeOf(record) <= 100);
}
