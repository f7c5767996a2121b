import { assert, type Clock, type Log } from "@coop/core";
import type { Redis } from "ioredis";
import { z } from "zod";
import { createBullQueue, WrongClaim, type BullQueue, type QueueStep } from "./bull-queue.ts";
import { queuedSpecSchema } from "./job-record.ts";
import type { Keys } from "./keys.ts";
import { pause } from "./pause.ts";
import { demandOf, JOB_STATES, nextStep, stateAfter, type QueueState, type Step } from "./reconcile.ts";
import type { RunScript } from "./script.ts";

/**
 * Moves BullMQ to what the job hashes demand.
 *
 * P1 The hashes decide: a BullMQ that fails, lags or was tampered with changes no job's fate.
 * P2 A job's mark is cleared only when BullMQ has what the hash demanded, and the hash has not changed since.
 * P3 Each job takes one step at a time; different jobs take theirs at once.
 * P4 Whatever is interrupted anywhere is found again: by its mark, or by the audit of active jobs.
 */
export interface Projector {
  /** Says that a job has changed. Returns at once; without it a change waits for up to a second. */
  poke(): void;
  /** Projects until the signal aborts, on connections of its own. One at a time in the whole co-op. */
  run(signal: AbortSignal): Promise<void>;
}

export interface ProjectorDeps {
  /** Opens a connection that waits for Redis and heals by itself; `run` closes it. */
  readonly connect: () => Redis;
  /** Loads the scripts on a connection. */
  readonly scriptsOn: (redis: Redis) => RunScript;
  readonly keys: Keys;
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Puts BullMQ on a connection; tests make it fail. */
  readonly createQueue?: (redis: Redis, prefix: string, log: Log) => BullQueue;
}

const roundSize = 256;
/** So many jobs in a round are little to do. */
const fewJobs = 32;
/** Between rounds that find little to do: what changes meanwhile takes one step, and work that someone awaits goes first. */
const restMs = 10;
const idleMs = 1_000;
const auditEveryMs = 10_000;
const firstBackOffMs = 100;
const longestBackOffMs = 30_000;
/** Jobs that back off are remembered up to here; one that is forgotten is just tried again sooner. */
const mostBackingOff = 1_000;
/** How long a round under way may go on after the signal. */
const lastRoundMs = 2_000;

const mirrorSchema = z.array(
  z
    .tuple([
      z.string(),
      z.string(),
      z.enum(["", ...JOB_STATES]),
      z.string(),
      z.string(),
      z.enum(["absent", "waiting", "delayed", "active", "completed", "failed"]),
      z.string(),
      z.union([z.int(), z.literal("")]),
    ])
    .transform(([id, version, state, notBefore, end, queue, spec, rank]) => ({
      id,
      version,
      hash: state === "" ? null : { state, notBeforeMs: Number(notBefore) },
      reason: end === "" ? state : `${state}: ${end}`,
      queue: queue satisfies QueueState,
      spec,
      /** How many jobs BullMQ gives out before this one; null where that has no answer. */
      rank: rank === "" ? null : rank,
    })),
);
type MirroredJob = z.infer<typeof mirrorSchema>[number];

export function createProjector(deps: ProjectorDeps): Projector {
  const bell = createBell();
  return {
    poke: bell.ring,
    async run(signal) {
      if (signal.aborted) return;
      const redis = deps.connect();
      const createQueue = deps.createQueue ?? createBullQueue;
      await using queue = createQueue(redis, deps.prefix, deps.log);
      const projection = { ...deps, queue, run: deps.scriptsOn(redis), redis, bell, signal };
      const over = new AbortController();
      try {
        await Promise.race([project(projection), cutOff(signal, over.signal)]);
      } finally {
        over.abort();
        redis.disconnect();
      }
    },
  };
}

/** A round whose commands Redis does not answer must not hold up the end: its marks are still there. */
async function cutOff(signal: AbortSignal, over: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  await pause(lastRoundMs, over);
}

interface Projection extends Pick<ProjectorDeps, "keys" | "clock" | "log"> {
  readonly queue: BullQueue;
  readonly run: RunScript;
  readonly redis: Redis;
  readonly bell: Bell;
  readonly signal: AbortSignal;
}

async function project(projection: Projection): Promise<void> {
  const { clock, log, bell, signal } = projection;
  const backOffs: BackOffs = new Map();
  let chores = { promotionAtMs: 0, auditAtMs: 0 };
  let failures = 0;
  while (!signal.aborted) {
    bell.reset();
    let progress: RoundProgress;
    try {
      chores = await doChores(projection, chores);
      progress = await projectRound(projection, backOffs);
      failures = progress === "stuck" ? failures + 1 : 0;
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ err: error }, "the projector could not read or mark jobs; trying again");
      progress = "stuck";
      failures += 1;
    }
    if (progress === "stuck") await pause(backOffMs(failures), signal);
    if (progress === "moved") await pause(restMs, signal);
    if (progress === "idle") await bell.wait(untilNextTry(backOffs, clock.now()), signal);
  }
  log.debug({ atMs: clock.now() }, "the projector stopped");
}

/** `idle`: no job is marked; `moved`: there was little to do; `busy`: there was more; `stuck`: none of those marked got anywhere. */
type RoundProgress = "idle" | "moved" | "busy" | "stuck";

/** One step for each of the oldest marked jobs. */
async function projectRound(projection: Projection, backOffs: BackOffs): Promise<RoundProgress> {
  const { clock } = projection;
  const marked = await readMirror(projection, roundSize + backOffs.size, []);
  const nowMs = clock.now();
  const jobs = marked.filter(({ id }) => (backOffs.get(id)?.untilMs ?? 0) <= nowMs).slice(0, roundSize);
  if (jobs.length === 0) return "idle";
  const front = await takeFront(projection, nextInLine(jobs, nowMs), nowMs);
  const results = await Promise.all(
    jobs.map(async (job) => front.results.get(job.id) ?? (await advance(projection, job, nowMs))),
  );

  const settled: string[] = [];
  const strays: string[] = [...front.strays];
  let moved = 0;
  for (const [index, job] of jobs.entries()) {
    const result = results[index];
    assert(result !== undefined, "each job has a result");
    if (result.kind === "refused") {
      delay(backOffs, job.id, nowMs);
      if (result.stray !== null) strays.push(result.stray);
      continue;
    }
    backOffs.delete(job.id);
    moved += 1;
    if (result.kind === "settled") settled.push(job.id, job.version);
  }
  await markDirty(projection, strays, nowMs);
  if (settled.length > 0) await projection.run("clear-dirty", projection.keys.dirty, settled);
  if (moved === 0) return "stuck";
  return jobs.length <= fewJobs ? "moved" : "busy";
}

type StepResult =
  /** BullMQ has what was demanded. */
  | { readonly kind: "settled" }
  /** A step was taken, and another is needed. */
  | { readonly kind: "moved" }
  /** BullMQ refused. `stray`: a job that was claimed instead. */
  | { readonly kind: "refused"; readonly stray: string | null };

/** Of the jobs to be claimed those that BullMQ gives out next in any case: nobody has to move them to the front. */
function nextInLine(jobs: readonly MirroredJob[], nowMs: number): readonly MirroredJob[] {
  const ranked = jobs
    .filter((job) => job.rank !== null && nextStep(demandOf(job.hash, nowMs), job.queue) === "claim")
    .sort((a, b) => (a.rank ?? 0) - (b.rank ?? 0));
  const gap = ranked.findIndex(({ rank }, index) => rank !== index);
  return gap === -1 ? ranked : ranked.slice(0, gap);
}

interface Front {
  readonly results: ReadonlyMap<string, StepResult>;
  /** Jobs that were taken and not meant. */
  readonly strays: readonly string[];
}

/** Claims jobs that are next in line, before anything else of the round can get in front of them. */
async function takeFront(
  { queue, log }: Projection,
  wanted: readonly MirroredJob[],
  nowMs: number,
): Promise<Front> {
  if (wanted.length === 0) return { results: new Map(), strays: [] };
  const ids = new Set(wanted.map(({ id }) => id));
  let taken: ReadonlySet<string> = new Set();
  try {
    taken = new Set(await queue.takeNext(wanted.length));
    if (wanted.some(({ id }) => !taken.has(id)))
      log.warn(
        { wanted: [...ids], taken: [...taken] },
        "BullMQ gave other jobs than its first; trying again",
      );
  } catch (error) {
    log.warn({ err: error, wanted: [...ids] }, "BullMQ refused its first jobs; trying again");
  }
  const results = new Map(
    wanted.map((job) => [job.id, taken.has(job.id) ? after("claim", job, nowMs) : missed] as const),
  );
  return { results, strays: [...taken].filter((id) => !ids.has(id)) };
}

const missed: StepResult = { kind: "refused", stray: null };

/** What comes of a step that BullMQ acknowledged. */
const after = (step: Step, job: MirroredJob, nowMs: number): StepResult =>
  nextStep(demandOf(job.hash, nowMs), stateAfter(step, job.queue)) === "keep"
    ? { kind: "settled" }
    : { kind: "moved" };

async function advance({ queue, log }: Projection, job: MirroredJob, nowMs: number): Promise<StepResult> {
  const demand = demandOf(job.hash, nowMs);
  const step = nextStep(demand, job.queue);
  if (step === "keep") return { kind: "settled" };
  try {
    await queue.perform(queueStep(job, step));
  } catch (error) {
    log.warn(
      { err: error, job: job.id, step, demand, queue: job.queue },
      "BullMQ refused a step; trying again",
    );
    return { kind: "refused", stray: error instanceof WrongClaim ? error.claimed : null };
  }
  return after(step, job, nowMs);
}

const queueStep = (job: MirroredJob, step: Exclude<Step, "keep">): QueueStep => ({
  id: job.id,
  step,
  spec: job.spec === "" ? null : queuedSpecSchema.parse(JSON.parse(job.spec)),
  notBeforeMs: job.hash?.notBeforeMs ?? 0,
  reason: job.reason === "" ? "no longer known" : job.reason,
});

interface Chores {
  readonly promotionAtMs: number;
  readonly auditAtMs: number;
}

/** In manual mode nobody else promotes delayed jobs, and nobody else finds a job that is active and should not be. */
async function doChores(projection: Projection, chores: Chores): Promise<Chores> {
  const { clock, queue, redis, keys } = projection;
  const nowMs = clock.now();
  let { promotionAtMs, auditAtMs } = chores;
  if (nowMs >= promotionAtMs) {
    await markWrong(projection, await queue.delayedIds(roundSize));
    promotionAtMs = nowMs + idleMs;
  }
  if (nowMs >= auditAtMs) {
    const [active, leased] = await Promise.all([queue.activeIds(), redis.zrange(keys.leases, "0", "-1")]);
    await markWrong(projection, [...new Set([...active, ...leased])]);
    auditAtMs = nowMs + auditEveryMs;
  }
  return { promotionAtMs, auditAtMs };
}

/** Marks those of the jobs that BullMQ does not have as demanded. */
async function markWrong(projection: Projection, ids: readonly string[]): Promise<void> {
  const nowMs = projection.clock.now();
  for (let from = 0; from < ids.length; from += roundSize) {
    const page = ids.slice(from, from + roundSize);
    // One page after the other: the audit must not keep Redis from everyone else.
    // oxlint-disable-next-line no-await-in-loop
    const jobs = await readMirror(projection, 0, page);
    const wrong = jobs.filter((job) => nextStep(demandOf(job.hash, nowMs), job.queue) !== "keep");
    // oxlint-disable-next-line no-await-in-loop
    await markDirty(
      projection,
      wrong.map(({ id }) => id),
      nowMs,
    );
  }
}

async function markDirty({ redis, keys }: Projection, ids: readonly string[], nowMs: number): Promise<void> {
  if (ids.length > 0) await redis.zadd(keys.dirty, "NX", ...ids.flatMap((id) => [String(nowMs), id]));
}

async function readMirror(
  { run, keys, queue }: Projection,
  dirty: number,
  ids: readonly string[],
): Promise<readonly MirroredJob[]> {
  const text = await run("read-mirror", keys.dirty, [queue.keyPrefix, dirty, ...ids]);
  return mirrorSchema.parse(JSON.parse(String(text)));
}

type BackOffs = Map<string, { readonly tries: number; readonly untilMs: number }>;

function delay(backOffs: BackOffs, id: string, nowMs: number): void {
  const tries = (backOffs.get(id)?.tries ?? 0) + 1;
  backOffs.delete(id);
  backOffs.set(id, { tries, untilMs: nowMs + backOffMs(tries) });
  const [oldest] = backOffs.keys();
  if (backOffs.size > mostBackingOff && oldest !== undefined) backOffs.delete(oldest);
}

function untilNextTry(backOffs: BackOffs, nowMs: number): number {
  let waitMs = idleMs;
  for (const { untilMs } of backOffs.values()) waitMs = Math.min(waitMs, Math.max(0, untilMs - nowMs));
  return waitMs;
}

const backOffMs = (tries: number): number =>
  Math.min(longestBackOffMs, firstBackOffMs * 2 ** Math.min(tries - 1, 20));

/** Wakes one waiter; a ring while nobody waits is heard by the next. */
interface Bell {
  ring(): void;
  /** Forgets earlier rings. */
  reset(): void;
  /** Resolves at a ring since the last reset, after `ms`, or when the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
}

function createBell(): Bell {
  let rung = false;
  let wake = (): void => {};
  return {
    ring: () => {
      rung = true;
      wake();
    },
    reset: () => {
      rung = false;
    },
    wait: async (ms, signal) => {
      if (rung) return;
      const woken = new AbortController();
      wake = () => woken.abort();
      await pause(ms, AbortSignal.any([woken.signal, signal]));
      wake = () => {};
    },
  };
}
