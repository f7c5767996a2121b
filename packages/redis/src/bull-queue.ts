import type { JobSpec, Log } from "@coop/core";
import { Job, Queue, UnrecoverableError, Worker, type JobsOptions } from "bullmq";
import type { Redis } from "ioredis";
import type { Step } from "./reconcile.ts";

/** Name of the one queue. */
export const QUEUE_NAME = "jobs";

/** What BullMQ has to know of a job; the rest of its spec is kept there for operators to look at. */
export type QueuedSpec = Pick<JobSpec, "endpoint" | "band" | "submittedAtMs">;

/** A step for one job. */
export interface QueueStep {
  readonly id: string;
  readonly step: Exclude<Step, "keep">;
  /** Known for the steps that make a job wait. */
  readonly spec: QueuedSpec | null;
  readonly notBeforeMs: number;
  /** Why the job did not succeed, for operators; never what it said. */
  readonly reason: string;
}

/**
 * BullMQ as the projector uses it: the only writer of the queue.
 *
 * Q1 All writes go over one connection, so they take effect in the order they are issued.
 * Q2 A job is claimed by moving it to the front (priority 0, last in first out) and taking the front, issued
 *    back to back. Only claims use priority 0, so whatever lies in front is about to be claimed. Jobs that are
 *    next in any case are taken without being moved.
 * Q3 The lock says whose the queue is, not who is alive: one constant token, seven days, never renewed and
 *    never checked for stalling.
 */
export interface BullQueue extends AsyncDisposable {
  /** What BullMQ's keys begin with. */
  readonly keyPrefix: string;
  /** Takes one step. Rejects when BullMQ refuses it; the job may then be anywhere. */
  perform(step: QueueStep): Promise<void>;
  /** Claims as many of the jobs that BullMQ gives out next. Answers with their ids, or rejects: what it took then may be anywhere. */
  takeNext(amount: number): Promise<readonly string[]>;
  /** Ids of active jobs, and of the `limit` delayed jobs that are due first. */
  activeIds(): Promise<readonly string[]>;
  delayedIds(limit: number): Promise<readonly string[]>;
}

/** A claim took a job that was not asked for; it is active now and has to go back. */
export class WrongClaim extends Error {
  override readonly name: string = "WrongClaim";
  readonly claimed: string | null;

  constructor(wanted: string, claimed: string | null, cause: unknown) {
    super(`claiming ${wanted} gave ${claimed ?? "nothing"}`, { cause });
    this.claimed = claimed;
  }
}

const token = "coop";
/** Passes the check of the lock: for a job whose lock is gone or was another's. */
const anyToken = "0";
const lostLockCodes: ReadonlySet<unknown> = new Set([-2, -6]);
const lockMs = 7 * 24 * 3600 * 1000;
const keptCompleted = 1_000;
const keptFailed = 5_000;
const interactivePriority = 1;
const batchPriority = 2;

const jobOptions: JobsOptions = {
  removeOnComplete: { count: keptCompleted },
  removeOnFail: { count: keptFailed },
};

/**
 * Steps wait until Redis is there.
 * @param redis the connection of Q1, which nothing else writes BullMQ's keys on; the caller closes it
 */
export function createBullQueue(redis: Redis, prefix: string, log: Log): BullQueue {
  const queue = new Queue(QUEUE_NAME, { connection: redis, prefix });
  const worker = new Worker(QUEUE_NAME, null, {
    connection: redis,
    prefix,
    autorun: false,
    lockDuration: lockMs,
    skipLockRenewal: true,
    skipStalledCheck: true,
  });
  const report = (error: Error): void =>
    log.debug({ err: error }, "BullMQ reports an error of its connection");
  queue.on("error", report);
  worker.on("error", report);

  const handle = (id: string): Job => new Job(queue, "job", {}, jobOptions, id);

  const takeFront = async (): Promise<string | null> =>
    // The types promise a job; an empty queue gives none.
    ((await worker.getNextJob(token, { block: false })) as Job | undefined)?.id ?? null;

  const claim = async (id: string): Promise<void> => {
    const [moved, taken] = await Promise.allSettled([
      handle(id).changePriority({ priority: 0, lifo: true }),
      takeFront(),
    ]);
    if (taken.status === "rejected") throw taken.reason;
    const claimed = taken.value;
    if (claimed !== id) throw new WrongClaim(id, claimed, moved.status === "rejected" ? moved.reason : null);
  };

  const add = async ({ id, spec, notBeforeMs }: QueueStep, delayed: boolean): Promise<void> => {
    if (spec === null) throw new Error(`cannot add ${id} without its spec`);
    await queue.add(spec.endpoint, spec, {
      ...jobOptions,
      jobId: id,
      priority: priorityOf(spec),
      timestamp: spec.submittedAtMs,
      ...(delayed ? { delay: Math.max(0, notBeforeMs - spec.submittedAtMs) } : {}),
    });
  };

  const perform = async (step: QueueStep): Promise<void> => {
    const { id } = step;
    switch (step.step) {
      case "add":
        return await add(step, false);
      case "add-delayed":
        return await add(step, true);
      case "promote":
        return await handle(id).promote();
      case "claim":
        return await claim(id);
      case "complete":
        await asOwner(async (owner) => await handle(id).moveToCompleted(null, owner, false));
        return;
      case "fail":
        await asOwner(
          async (owner) => await handle(id).moveToFailed(unsuccessful(step.reason), owner, false),
        );
        return;
      case "requeue":
        await handle(id).changePriority({ priority: priorityOf(step.spec) });
        await asOwner(async (owner) => await handle(id).moveToWait(owner));
        return;
      case "postpone":
        await handle(id).changePriority({ priority: priorityOf(step.spec) });
        await asOwner(async (owner) => await handle(id).moveToDelayed(step.notBeforeMs, owner));
        return;
      case "remove":
        if ((await queue.remove(id, { removeChildren: false })) === 0) throw new Error(`${id} is locked`);
    }
  };

  return {
    keyPrefix: queue.toKey(""),
    perform,
    takeNext: async (amount) =>
      (await Promise.all(Array.from({ length: amount }, takeFront))).filter((id) => id !== null),
    activeIds: async () => await queue.getRanges(["active"], 0, -1),
    delayedIds: async (limit) => await queue.getRanges(["delayed"], 0, limit - 1, true),
    async [Symbol.asyncDispose]() {
      await Promise.all([queue.close(), worker.close(true)]);
    },
  };
}

/** A lock that is gone, or an older token's, is no reason not to move on (Q3). */
async function asOwner(move: (token: string) => Promise<unknown>): Promise<void> {
  try {
    await move(token);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && lostLockCodes.has(error.code))) throw error;
    await move(anyToken);
  }
}

/** BullMQ keeps the stack of an error; ours would only say where the projector is. */
function unsuccessful(reason: string): UnrecoverableError {
  const error = new UnrecoverableError(reason);
  error.stack = reason;
  return error;
}

const priorityOf = (spec: QueuedSpec | null): number =>
  spec?.band === "batch" ? batchPriority : interactivePriority;
