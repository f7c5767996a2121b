import { atRate, perSecond, quantile } from "./client.ts";
import type { BenchClient } from "./client.ts";
import { histogramOf, quantileBetween } from "./histogram.ts";
import { processorMsOf } from "./processor-time.ts";
import { AGENTS, SLOTS } from "./rig.ts";
import type { Rig } from "./rig.ts";
import { number } from "./table.ts";
import type { Row } from "./table.ts";

const LANES = 48;
const WARM_MS = 4_000;
const MEASURE_MS = 8_000;
const FLOOR_MS = 2_000;
const ARRIVALS_PER_SECOND = 200;

const PROCESSES =
  "Client, server with its embedded Redis (every write on disk before it counts: fsync always; one unix socket), " +
  `${AGENTS} agents of ${SLOTS} slots and the engine: ${AGENTS + 4} processes. Keys, quotas, encryption, placement, ` +
  "leases, settlement and the mirror in BullMQ are all at work. ";

/** Whole chats a second. @param bareJobsPerSecond bare BullMQ in this run */
export async function jobsRow(
  rig: Rig,
  client: BenchClient,
  bareJobsPerSecond: number,
  roundTrips: number,
): Promise<Row> {
  await perSecond(LANES, WARM_MS, () => client.chat(rig.coop, null, false));
  const tookMs: number[] = [];
  let jobsPerSecond = 0;
  const spentMs = await processorMsOf(processesOf(rig), async () => {
    jobsPerSecond = await perSecond(LANES, MEASURE_MS, async () => {
      tookMs.push((await client.chat(rig.coop, null, false)).totalMs);
    });
  });
  const cpuUs = Object.entries(spentMs ?? {}).map(
    ([name, ms]) => [name, (ms * 1000) / tookMs.length] as const,
  );
  const enginePerSecond = await perSecond(LANES, FLOOR_MS, () => client.chat(rig.engine, null, true));
  const share = jobsPerSecond / bareJobsPerSecond;
  return {
    what: "jobs end to end, instant engine",
    figures: {
      jobsPerSecond,
      share,
      p50Ms: quantile(tookMs, 0.5),
      p99Ms: quantile(tookMs, 0.99),
      enginePerSecond,
      roundTrips,
      ...Object.fromEntries(cpuUs.map(([name, us]) => [`${name}CpuUsPerJob`, us])),
    },
    measured: `${number(jobsPerSecond)}/s, ${number(share * 100)} % of bare BullMQ`,
    bar: ">= 600/s and >= 10 %",
    aim: "1,000/s",
    meetsBar: jobsPerSecond >= 600 && share >= 0.1,
    floor: `engine alone ${number(enginePerSecond)}/s; bare ws ${number(roundTrips)} round trips/s`,
    includes:
      `${PROCESSES}${LANES} chats (not streamed, one token) under way at once; each takes one HTTP request, seven frames ` +
      "over the WebSocket and one request at the engine. A step of a job that is over before the mirror's turn is not mirrored. Processor time a job: " +
      `${cpuUs.map(([name, us]) => `${name} ${number(us)}`).join(", ")} us.`,
  };
}

const processesOf = (rig: Rig): Readonly<Record<string, readonly number[]>> => ({
  server: [rig.serverPid],
  redis: [rig.redisPid],
  agents: rig.agents.map(({ pid }) => pid),
  client: [process.pid],
});

/** How long a job waits until its assign is sent, at a steady rate of arrivals. */
export async function dispatchRow(rig: Rig, client: BenchClient): Promise<Row> {
  const name = "coop_queue_wait_seconds";
  const before = histogramOf(await rig.metrics(), name);
  const answers = await atRate(ARRIVALS_PER_SECOND, MEASURE_MS, () => client.chat(rig.coop, null, false));
  const after = histogramOf(await rig.metrics(), name);
  const p50Ms = 1000 * quantileBetween(before, after, 0.5);
  const p99Ms = 1000 * quantileBetween(before, after, 0.99);
  const answered = answers.map(({ totalMs }) => totalMs);
  const wholeP50Ms = quantile(answered, 0.5);
  return {
    what: "submit to dispatch at 200 jobs/s",
    figures: { p50Ms, p99Ms, wholeP50Ms, wholeP99Ms: quantile(answered, 0.99) },
    measured: `p50 ${number(p50Ms)}, p99 ${number(p99Ms)} ms`,
    bar: "p50 <= 5, p99 <= 30 ms",
    aim: "3 / 15 ms",
    meetsBar: p50Ms <= 5 && p99Ms <= 30,
    floor: `the whole chat: p50 ${number(wholeP50Ms)} ms`,
    includes:
      `${PROCESSES}From the admission of a request until its assign is handed to the socket, from the server's own ` +
      `histogram (within a bucket by proportion); ${ARRIVALS_PER_SECOND} chats a second whether earlier ones ended or not.`,
  };
}
