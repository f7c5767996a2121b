import { WAIT_EDGES_MS } from "../ports/usage.ts";

/** A quantile of waits, read from a histogram. */
export interface WaitQuantile {
  /** Interpolated in proportion within its bucket, ms. */
  readonly ms: number;
  /** Between these the true value lies; null where the last bucket has no upper edge. */
  readonly atLeastMs: number;
  readonly atMostMs: number | null;
}

/** How long jobs waited for a node. */
export interface WaitSummary {
  /** Jobs that were on a node. */
  readonly jobs: number;
  /** Null where no job was. */
  readonly p50: WaitQuantile | null;
  readonly p95: WaitQuantile | null;
}

/** Jobs by bucket of the wait histogram, summed as they are added. */
export interface WaitSum {
  /** @param jobs by bucket */
  add(jobs: readonly number[]): void;
  jobs(): readonly number[];
  summary(): WaitSummary;
}

export function createWaitSum(): WaitSum {
  const buckets = Array.from({ length: WAIT_EDGES_MS.length + 1 }, () => 0);
  return {
    add(jobs) {
      for (const [index, amount] of jobs.entries()) buckets[index] = (buckets[index] ?? 0) + amount;
    },
    jobs: () => buckets,
    summary: () => ({
      jobs: buckets.reduce((sum, amount) => sum + amount, 0),
      p50: waitQuantile(buckets, 0.5),
      p95: waitQuantile(buckets, 0.95),
    }),
  };
}

/**
 * The wait that a share of the jobs does not exceed.
 * @param buckets jobs by bucket of WAIT_EDGES_MS
 * @returns null without jobs
 */
export function waitQuantile(buckets: readonly number[], share: number): WaitQuantile | null {
  const wanted = share * buckets.reduce((sum, amount) => sum + amount, 0);
  let below = 0;
  for (const [index, amount] of buckets.entries()) {
    if (amount > 0 && below + amount >= wanted) {
      const atLeastMs = WAIT_EDGES_MS[index - 1] ?? 0;
      const atMostMs = WAIT_EDGES_MS[index] ?? null;
      const within = atMostMs === null ? 0 : ((atMostMs - atLeastMs) * (wanted - below)) / amount;
      return { ms: atLeastMs + within, atLeastMs, atMostMs };
    }
    below += amount;
  }
  return null;
}
