/**
 * What an audit of the books costs, and what whoever asks meanwhile feels of it:
 *   node packages/redis/bench/audit.ts [lines] [--json]
 * A ledger of so many lines (1,000,000 unless told) of 200 members and 20 nodes, with accounts and usage that agree
 * with it. A member's account is read 100 times a second, as `GET /v1/quota` does, first with nothing beside and then
 * while the audit runs in the same process.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { asMemberId, auditLedger } from "@coop/core";
import { createVault, openStores } from "../src/index.ts";
import { startTestRedis } from "../src/testing/index.ts";

const [linesText = "1000000"] = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const lines = Number(linesText);
const isForPrograms = process.argv.includes("--json");
const READS_PER_SECOND = 100;
const QUIET_MS = 10_000;
const BATCH = 20_000;

/** Writes lines `ARGV[1]` to `ARGV[2]` with what they come to: each charges 40 tokens and earns the owner 10. */
const SEED = `
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local member, owner, node = 'mem_' .. i % 200, 'mem_' .. (i + 1) % 20, 'node_' .. i % 20
  local day = string.format('2026-10-%02d', 1 + i % 28)
  redis.call('XADD', '{coop}:ledger', '*', 'entry', table.concat({ 'succeeded', 'job_01k8zqv4t0abcdefghij' .. i, 1, member,
    '2026-10', node, day, 1790000000000 + i, owner, 40, -45, 0, 5, 10, -10 }, '|'))
  redis.call('HINCRBY', '{coop}:account:' .. member .. ':2026-10', 'used', 40)
  redis.call('HINCRBY', '{coop}:account:' .. owner .. ':2026-10', 'credit', 10)
  redis.call('HINCRBY', '{coop}:node-account:' .. node .. ':2026-10', 'used', 45)
  redis.call('HINCRBY', '{coop}:node-account:' .. node .. ':2026-10', 'used:' .. day, 45)
  redis.call('HINCRBY', '{coop}:node-account:' .. node .. ':2026-10', 'held:' .. day, 0)
  local usage, row = '{coop}:usage:' .. member .. ':2026-10', 'row|' .. day .. '|' .. node .. '|edge|llama3.2:3b'
  local charged = tonumber(string.match(redis.call('HGET', usage, row) or '0,0,0,0,0,0,0,0', '(%d+),%d+$'))
  redis.call('HSET', usage, row, '1,0,0,0,30,15,' .. (charged + 40) .. ',1000')
end`;

const server = await startTestRedis();
const secrets = await mkdtemp(join(tmpdir(), "coop-bench-"));
const vault = createVault({ directory: secrets, clock: Date });
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const stores = await openStores({ socketPath: server.socketPath, vault, clock: Date, log: silent });
const seeding = server.connect();
for (let from = 0; from < lines; from += BATCH)
  await seeding.eval(SEED, 0, from, Math.min(from + BATCH, lines) - 1);

/** Reads accounts at their times, whether or not the ones before were answered; how long each took from its time on, ms. */
async function readAccounts(during: Promise<unknown>): Promise<readonly number[]> {
  const ending = new AbortController();
  void during.finally(() => ending.abort());
  const tookMs: number[] = [];
  const reads: Promise<void>[] = [];
  const startedMs = performance.now();
  for (let count = 0; !ending.signal.aborted; count += 1) {
    const dueMs = startedMs + (count * 1_000) / READS_PER_SECOND;
    await delay(Math.max(0, dueMs - performance.now()));
    const read = async (): Promise<void> => {
      await stores.accounting.account(asMemberId(`mem_${count % 200}`), "2026-10");
      tookMs.push(performance.now() - dueMs);
    };
    reads.push(read());
  }
  await Promise.all(reads);
  return tookMs;
}

const quantile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? NaN;
const summary = (tookMs: readonly number[]) => ({
  reads: tookMs.length,
  p50Ms: quantile(tookMs, 0.5),
  p99Ms: quantile(tookMs, 0.99),
});

const before = summary(await readAccounts(delay(QUIET_MS)));
const startedMs = performance.now();
const auditing = auditLedger(stores.ledger, Date.now());
const during = summary(await readAccounts(auditing));
const audit = await auditing;
const auditMs = performance.now() - startedMs;
const after = summary(await readAccounts(delay(QUIET_MS)));

const result = { lines: audit.lines, findings: audit.findingCount, auditMs, before, during, after };
const words = (name: string, { reads, p50Ms, p99Ms }: ReturnType<typeof summary>): string =>
  `${name.padEnd(8)} ${reads} reads, p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
const table = [
  `${audit.lines} lines, ${audit.findingCount} findings, ${(auditMs / 1_000).toFixed(1)} s`,
  words("before", before),
  words("during", during),
  words("after", after),
];
process.stdout.write(`${isForPrograms ? JSON.stringify(result) : table.join("\n")}\n`);

seeding.disconnect();
await stores.close();
await server.stop();
await rm(secrets, { recursive: true, force: true });
