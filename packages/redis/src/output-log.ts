/**
 * A job's output, read from its stream and followed live.
 *
 * Invariants:
 *   O1  A follower yields each position once, in order. A live entry is taken only if it is the very next of
 *       its epoch, or the first that a job can have; anything else (a lost message, a new epoch, a reconnected subscriber) is read from the
 *       stream, which has every entry from before its message was published.
 *   O2  A follower ends after a terminal entry, also when that lies at or before where it started.
 *   O3  What a slow consumer has not taken is bounded: beyond that it reads the stream again.
 */
import {
  comparePositions,
  formatPosition,
  isTerminalEvent,
  OperationalError,
  START_OF_OUTPUT,
  type JobId,
  type OutputEntry,
  type OutputLog,
  type OutputPosition,
} from "@coop/core";
import type { Redis } from "ioredis";
import { noticeWhenDead } from "./dead-subscriber.ts";
import { createKeys } from "./keys.ts";
import { decodeEntry, parseMessage, type StoredEntry } from "./output-entry.ts";
import { pause } from "./pause.ts";
import { answered } from "./store-unavailable.ts";
import type { Vault } from "./vault.ts";

export interface OutputLogOptions {
  /** For reading. */
  readonly redis: Redis;
  /** A connection of its own, which this log subscribes; it resubscribes by itself when it reconnects. */
  readonly subscriber: Redis;
  /** Key prefix with a hash tag, such as `{coop}`. */
  readonly prefix: string;
  readonly vault: Vault;
  /** How often the subscriber is asked whether it lives. */
  readonly askEveryMs?: number;
}

/** Entries of one reading of the stream. */
const PAGE = 500;
/** Messages kept for one follower that does not take them (O3). */
const BACKLOG_MAX = 256;
/** How long a follower bears a Redis that does not answer, and how often it asks again, ms. */
const OUTAGE_MAX_MS = 30_000;
const RETRY_EVERY_MS = 250;

/** One running `follow`. */
interface Follower {
  /** Live entries not yet looked at. */
  readonly backlog: StoredEntry[];
  /** The stream has to be read: something may have been missed. */
  stale: boolean;
  /** The subscriber was closed for good. */
  lost: boolean;
  wake: () => void;
}

/** The output log on Redis. */
export function createOutputLog({
  redis,
  subscriber,
  prefix,
  vault,
  askEveryMs,
}: OutputLogOptions): OutputLog {
  const keys = createKeys(prefix);
  const followers = new Map<string, Set<Follower>>();

  const everyFollower = (change: (follower: Follower) => void): void => {
    for (const set of followers.values()) {
      for (const follower of set) {
        change(follower);
        follower.wake();
      }
    }
  };

  subscriber.on("message", (channel, message) => {
    if (channel !== keys.outputChannel) return;
    const { job, entry } = parseMessage(message);
    for (const follower of followers.get(job) ?? []) {
      if (follower.backlog.length < BACKLOG_MAX) follower.backlog.push(entry);
      else follower.stale = true;
      follower.wake();
    }
  });
  subscriber.on("end", () => everyFollower((follower) => void (follower.lost = true)));

  // At first and after each reconnection: what was published before messages arrive (again) has to be read.
  const subscribe = (): void => {
    subscriber.subscribe(keys.outputChannel).then(
      () => everyFollower((follower) => void (follower.stale = true)),
      () => subscriber.disconnect(true),
    );
  };
  subscriber.on("ready", subscribe);
  subscribe();
  noticeWhenDead(subscriber, askEveryMs);

  const readPage = async (job: JobId, after: OutputPosition): Promise<readonly OutputEntry[]> => {
    const rows = await answered(
      redis.xrange(keys.output(job), `(${formatPosition(after)}`, "+", "COUNT", PAGE),
    );
    return rows.map(([id, [field = "", body = ""]]) => decodeEntry(job, { id, field, body }, vault));
  };

  /** The entries after a position; null when there are none and the job has ended. */
  const readOn = async (job: JobId, after: OutputPosition): Promise<readonly OutputEntry[] | null> => {
    // In this order: the script that ends a job writes its state and its last entry in one step.
    const [state, entries] = await Promise.all([
      answered(redis.hget(keys.job(job), "state")),
      readPage(job, after),
    ]);
    const goesOn = state === "queued" || state === "leased" || state === "running";
    return entries.length === 0 && !goesOn ? null : entries;
  };

  return {
    async read(job, after) {
      const entries: OutputEntry[] = [];
      for (;;) {
        // Each page begins where the one before ended.
        // oxlint-disable-next-line no-await-in-loop
        const page = await readPage(job, entries.at(-1)?.position ?? after);
        entries.push(...page);
        if (page.length < PAGE) return entries;
      }
    },

    async *follow(job, after, signal) {
      const follower: Follower = { backlog: [], stale: true, lost: false, wake: () => undefined };
      const set = followers.get(job) ?? new Set();
      followers.set(job, set.add(follower));
      const onAbort = (): void => follower.wake();
      signal.addEventListener("abort", onAbort);
      try {
        yield* entriesOf(follower, job, after, signal);
      } finally {
        signal.removeEventListener("abort", onAbort);
        set.delete(follower);
        if (set.size === 0 && followers.get(job) === set) followers.delete(job);
      }
    },
  };

  async function* entriesOf(
    follower: Follower,
    job: JobId,
    after: OutputPosition,
    signal: AbortSignal,
  ): AsyncGenerator<OutputEntry, void> {
    let position = after;
    while (!signal.aborted) {
      const entries = follower.stale
        ? await patiently(() => catchUp(follower, job, position), signal)
        : takeNext(follower, job, position);
      if (entries === null) return;
      for (const entry of entries) {
        if (signal.aborted) return;
        position = entry.position;
        yield entry;
        if (isTerminalEvent(entry.event)) return;
      }
      if (follower.lost) throw unavailable("The connection that tells of new output was closed.");
      if (entries.length === 0 && !follower.stale) await nextWake(follower, signal);
    }
  }

  /** Reads the stream from a position on; live entries that come meanwhile stay for after it. */
  async function catchUp(
    follower: Follower,
    job: JobId,
    position: OutputPosition,
  ): Promise<readonly OutputEntry[] | null> {
    follower.stale = false;
    follower.backlog.length = 0;
    try {
      const entries = await readOn(job, position);
      if (entries !== null && entries.length === PAGE) follower.stale = true;
      return entries;
    } catch (error) {
      follower.stale = true;
      throw error;
    }
  }

  /** The live entries that follow a position without a gap; marks the follower stale at the first gap (O1). */
  function takeNext(follower: Follower, job: JobId, position: OutputPosition): readonly OutputEntry[] {
    const entries: OutputEntry[] = [];
    let last = position;
    for (const stored of follower.backlog.splice(0)) {
      const entry = decodeEntry(job, stored, vault);
      if (comparePositions(entry.position, last) <= 0) continue;
      if (!isNext(entry.position, last)) {
        follower.stale = true;
        break;
      }
      entries.push(entry);
      last = entry.position;
    }
    return entries;
  }
}

/** Whether nothing can lie between: within an epoch, and before the very first entry that a job can have. */
const isNext = ({ epoch, seq }: OutputPosition, last: OutputPosition): boolean =>
  (epoch === last.epoch && seq === last.seq + 1) ||
  (comparePositions(last, START_OF_OUTPUT) === 0 && epoch === 1 && seq === 0);

/** Resolves at the follower's next change or abort; at once if there is one already. */
async function nextWake(follower: Follower, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    follower.wake = resolve;
    if (signal.aborted || follower.lost || follower.stale || follower.backlog.length > 0) resolve();
  });
}

/** Repeats what Redis did not answer until the outage has lasted too long; null on abort. */
async function patiently<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T | null> {
  const givesUpAt = performance.now() + OUTAGE_MAX_MS;
  for (;;) {
    try {
      // Each try follows the failure of the one before.
      // oxlint-disable-next-line no-await-in-loop
      return await ask();
    } catch (error) {
      if (!(error instanceof OperationalError && error.retriable)) throw error;
      if (performance.now() > givesUpAt) throw unavailable("Redis did not answer.", error);
    }
    // oxlint-disable-next-line no-await-in-loop
    await pause(RETRY_EVERY_MS, signal);
    if (signal.aborted) return null;
  }
}

function unavailable(what: string, cause?: unknown): OperationalError {
  return new OperationalError("output-unavailable", `${what} Follow again from the last position.`, {
    retriable: true,
    cause,
  });
}
