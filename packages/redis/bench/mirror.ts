/**
 * What keeping BullMQ as the jobs are costs, beside bare BullMQ in the same run:
 *   node packages/redis/bench/mirror.ts [jobs a round] [rounds] [--json]
 * Bare: add, claim and complete, 50 at once. Mirrored: the same jobs through the job store (admit, lease,
 * finish), the projector brought up to date after each of the three, so that no step is saved; and whole
 * lives, where the projector may skip what is already over. Rounds alternate; medians of five unless told. CPU is that of
 * this process and of Redis together, which says more than the clock on a busy machine.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { asJobId, asMemberId, asNodeId, type JobId } from "@coop/core";
import { buildJobSpec } from "@coop/core/testing";
import { Queue, Worker, type Job } from "bullmq";
import { createVault, openStores } from "../src/index.ts";
import { startTestRedis } from "../src/testing/index.ts";

const [jobsText = "2000", roundsText = "5"] = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const jobsPerRound = Number(jobsText);
const rounds = Number(roundsText);
const isForPrograms = process.argv.includes("--json");
const lanes = 50;
const prefix = "{coop}";
const farMs = 3_600_000;
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const server = await startTestRedis();
const secrets = await mkdtemp(join(tmpdir(), "coop-bench-"));
const vault = createVault({ directory: secrets, clock: Date });
const stores = await openStores({ socketPath: server.socketPath, prefix, vault, clock: Date, log: silent });
await stores.leadership.campaign("bench", "bench", farMs);
const observer = server.connect();
const ending = new AbortController();
const projecting = stores.projector.run(ending.signal);

const connection = server.connect();
const bareOptions = { connection, prefix: "{bare}" };
const queue = new Queue("jobs", bareOptions);
const worker = new Worker("jobs", null, { ...bareOptions, autorun: false });

async function each<T>(items: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function bare(ids: readonly JobId[]): Promise<void> {
  const claimed: Job[] = [];
  const kept = { removeOnComplete: { count: 1_000 }, removeOnFail: { count: 5_000 } };
  await each(
    ids,
    async (id) => await queue.add("chat", buildJobSpec({ id }), { jobId: id, priority: 1, ...kept }),
  );
  await each(ids, async () => claimed.push(await worker.getNextJob("bench", { block: false })));
  await each(claimed, async (job) => await job.moveToCompleted(null, "bench", false));
}

const admit = async (id: JobId) =>
  await stores.desk.admit({
    spec: buildJobSpec({
      id,
      attachment: "detached",
      submittedAtMs: Date.now(),
      deadlineMs: Date.now() + farMs,
    }),
    payload: "{}",
    metadata: {},
    day: "2026-11-20",
    limits: { tokens: 1e12, tierTokens: 1e12, jobsAtOnce: 1e9, requestsPerMinute: 1e9 },
    caps: { perMember: 1_000_000, total: 1_000_000 },
    idempotency: null,
    followedUntilMs: null,
    nowMs: Date.now(),
  });
const lease = async (job: JobId) =>
  await stores.attempts.lease({
    fence: 1,
    job,
    node: asNodeId("node_1"),
    nodeName: "studio",
    nodeOwner: asMemberId("mem_ada"),
    model: "m",
    tier: "edge",
    cloud: false,
    tokensPerDay: 1e12,
    tokensPerMonth: 1e12,
    day: "2026-11-20",
    leaseUntilMs: Date.now() + farMs,
    placement: { atMs: 0, decision: { kind: "waiting", why: "" }, nodes: [] },
    nowMs: Date.now(),
  });
const finish = async (job: JobId) =>
  await stores.attempts.finish(
    1,
    job,
    1,
    {
      kind: "succeeded",
      finishReason: "stop",
      usage: { promptTokens: 1, outputTokens: 1 },
      timings: { loadMs: 0, prefillMs: 0, decodeMs: 0, totalMs: 0 },
    },
    Date.now(),
  );

async function caughtUp(): Promise<void> {
  stores.projector.poke();
  while ((await observer.zcard(`${prefix}:dirty`)) > 0) await delay(1);
}

async function stepByStep(ids: readonly JobId[]): Promise<void> {
  for (const step of [admit, lease, finish]) {
    await each(ids, async (id) => {
      await step(id);
      stores.projector.poke();
    });
    await caughtUp();
  }
}

async function storeAlone(ids: readonly JobId[]): Promise<void> {
  for (const step of [admit, lease, finish]) await each(ids, step);
}

async function wholeLives(ids: readonly JobId[]): Promise<void> {
  await each(ids, async (id) => {
    for (const step of [admit, lease, finish]) {
      await step(id);
      stores.projector.poke();
    }
  });
  await caughtUp();
}

async function redisCpuUs(): Promise<number> {
  const info = await observer.info("cpu");
  const seconds = (name: string): number =>
    Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(info)?.[1] ?? 0);
  return (seconds("used_cpu_sys") + seconds("used_cpu_user")) * 1e6;
}

interface Sample {
  readonly jobsPerSecond: number;
  readonly cpuUsPerJob: number;
}

async function measure(work: (ids: readonly JobId[]) => Promise<void>, name: string): Promise<Sample> {
  const ids = Array.from({ length: jobsPerRound }, (_, index) => asJobId(`job_${name}_${index}`));
  const redisBefore = await redisCpuUs();
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  await work(ids);
  const elapsedMs = performance.now() - startedAt;
  const cpu = process.cpuUsage(cpuBefore);
  const cpuUs = cpu.user + cpu.system + (await redisCpuUs()) - redisBefore;
  return { jobsPerSecond: (jobsPerRound * 1_000) / elapsedMs, cpuUsPerJob: cpuUs / jobsPerRound };
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const kinds = { bare, stepByStep, wholeLives, storeAlone };
const samples: Record<keyof typeof kinds, Sample[]> = {
  bare: [],
  stepByStep: [],
  wholeLives: [],
  storeAlone: [],
};
await caughtUp();
for (let round = 0; round < rounds; round += 1) {
  for (const kind of ["bare", "stepByStep", "wholeLives", "storeAlone"] as const) {
    samples[kind].push(await measure(kinds[kind], `${kind}_${round}`));
    await caughtUp();
  }
}
const medians = (all: readonly Sample[]): Sample => ({
  jobsPerSecond: median(all.map(({ jobsPerSecond }) => jobsPerSecond)),
  cpuUsPerJob: median(all.map(({ cpuUsPerJob }) => cpuUsPerJob)),
});
const results = Object.entries(samples).map(([kind, all]) => [kind, medians(all)] as const);
const floor = medians(samples.bare).jobsPerSecond;
const describe = ([kind, { jobsPerSecond, cpuUsPerJob }]: readonly [string, Sample]): string =>
  `${kind.padEnd(12)} ${Math.round(jobsPerSecond)} jobs/s (${Math.round((100 * jobsPerSecond) / floor)} % of bare), ` +
  `CPU ${Math.round(cpuUsPerJob)} us a job`;
const answer = isForPrograms ? JSON.stringify(Object.fromEntries(results)) : results.map(describe).join("\n");
process.stdout.write(`${answer}\n`);

ending.abort();
await projecting;
await stores.close();
await Promise.all([queue.close(), worker.close(true)]);
await server.stop();
await rm(secrets, { recursive: true, force: true });
