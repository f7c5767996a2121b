/**
 * PROGRAM: what the co-op can do on this machine, beside its floors measured in the same run.
 *   npm run bench [-- --json]
 * Takes three to four minutes, listens on loopback only and leaves nothing behind. Exits 0 whether bars are met or
 * not: a busy machine misses them.
 */
import { cpus, loadavg } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { restRow } from "./at-rest.ts";
import { createBenchClient } from "./client.ts";
import { dispatchRow, jobsRow } from "./jobs.ts";
import { placementRows } from "./placement.ts";
import { redisPath } from "./redis-path.ts";
import { reportRow } from "./reports.ts";
import { startRig } from "./rig.ts";
import { bareRoundTripsPerSecond } from "./socket-floor.ts";
import { firstTokenRow, tokensRow } from "./streams.ts";
import { renderReport } from "./table.ts";
import type { Report, Row } from "./table.ts";

const CONNECTIONS = 1024;
const FLOOR_MS = 2_000;
const READY_WITHIN_MS = 30_000;

/** Read first: a word that means nothing here must not cost three minutes. */
const { values: options } = parseArgs({ options: { json: { type: "boolean", default: false } } });

const say = (text: string): void => void process.stderr.write(`${text}\n`);

/** The fleet is known to the api a moment after the agents connected. */
async function untilServing(chat: () => Promise<unknown>): Promise<void> {
  const endsAtMs = performance.now() + READY_WITHIN_MS;
  for (;;) {
    try {
      await chat();
      return;
    } catch (error) {
      if (performance.now() > endsAtMs) throw error;
      await delay(200);
    }
  }
}

async function measureCoop(bareJobsPerSecond: number, roundTrips: number): Promise<readonly Row[]> {
  await using rig = await startRig();
  await using client = createBenchClient(CONNECTIONS);
  say("an agent at rest");
  const rest = await restRow(rig);
  await untilServing(() => client.chat(rig.coop, null, false));
  say("jobs end to end");
  const jobs = await jobsRow(rig, client, bareJobsPerSecond, roundTrips);
  say("submit to dispatch");
  const dispatch = await dispatchRow(rig, client);
  say("time to the first token");
  const firstToken = await firstTokenRow(rig, client);
  say("tokens");
  const tokens = await tokensRow(rig, client);
  return [jobs, dispatch, firstToken, tokens, ...(rest === null ? [] : [rest])];
}

async function measureReport(): Promise<Row> {
  await using client = createBenchClient(CONNECTIONS);
  say("a month's report");
  return await reportRow(client);
}

const startedAt = new Date();
const [loadBefore = 0] = loadavg();
say("placement");
const placement = await placementRows();
say("the Redis path, and bare BullMQ");
const redis = await redisPath();
say("bare WebSockets");
const roundTrips = await bareRoundTripsPerSecond(FLOOR_MS);
const coop = await measureCoop(redis.bareJobsPerSecond, roundTrips);
const rows = [...placement, redis.row, ...coop, await measureReport()];
const report: Report = {
  machine: `${cpus().length} x ${cpus()[0]?.model ?? "unknown processor"}, Node ${process.version}`,
  startedAt: startedAt.toISOString(),
  loadBefore,
  tookSeconds: (Date.now() - startedAt.getTime()) / 1000,
  rows,
};
process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : renderReport(report));
