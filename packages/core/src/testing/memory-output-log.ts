import { assert } from "../assert.ts";
import { comparePositions, isTerminalEvent, type OutputEntry } from "../job/output.ts";
import type { OutputLog } from "../ports/output-log.ts";
import type { JobId } from "../terms.ts";

/** An output log in memory, with the writing side that the memory job store uses. */
export interface MemoryOutputLog extends OutputLog {
  /** Begins the log of a job; until then nobody can follow it. */
  begin(job: JobId): void;
  append(entry: OutputEntry): void;
  /** Forgets what a job produced so far; its attempt starts from scratch. */
  clear(job: JobId): void;
}

interface Stream {
  readonly entries: OutputEntry[];
  ended: boolean;
  /** Wakes each follower that waits for the next change. */
  readonly waiting: Set<() => void>;
}

export function createMemoryOutputLog(): MemoryOutputLog {
  const streams = new Map<JobId, Stream>();
  const after = (job: JobId, position: OutputEntry["position"]): readonly OutputEntry[] =>
    streams.get(job)?.entries.filter((entry) => comparePositions(entry.position, position) > 0) ?? [];

  return {
    begin(job) {
      streams.set(job, { entries: [], ended: false, waiting: new Set() });
    },
    append(entry) {
      const stream = streams.get(entry.job);
      assert(stream !== undefined && !stream.ended, `${entry.job} takes output`);
      const last = stream.entries.at(-1);
      assert(last === undefined || comparePositions(last.position, entry.position) < 0, "positions grow");
      stream.entries.push(entry);
      stream.ended = isTerminalEvent(entry.event);
      for (const wake of stream.waiting) wake();
    },
    clear(job) {
      streams.get(job)?.entries.splice(0);
    },

    read: async (job, position) => after(job, position),

    async *follow(job, start, signal) {
      const stream = streams.get(job);
      if (stream === undefined) return;
      let position = start;
      while (!signal.aborted) {
        const entries = after(job, position);
        for (const entry of entries) {
          // A consumer may abort while it holds an entry.
          if (signal.aborted) return;
          position = entry.position;
          yield entry;
          if (isTerminalEvent(entry.event)) return;
        }
        if (entries.length === 0 && stream.ended) return;
        // Entries are taken in order, so this waits for the next.
        // oxlint-disable-next-line no-await-in-loop
        if (entries.length === 0) await nextChange(stream, signal);
      }
    },
  };
}

async function nextChange(stream: Stream, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const wake = (): void => {
      stream.waiting.delete(wake);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    stream.waiting.add(wake);
    signal.addEventListener("abort", wake);
  });
}
