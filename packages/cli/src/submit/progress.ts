import { count, seconds } from "../output.ts";

/** How far a run is, in words and as a bar. Pure: no I/O. */

export interface Counts {
  readonly total: number;
  readonly ended: number;
  readonly failed: number;
  readonly inFlight: number;
}

/** Ends a second over the last while. */
export interface Rate {
  /** @returns ends a second; null while there is nothing to tell it from */
  see(nowMs: number, ended: number): number | null;
}

const WINDOW_MS = 30_000;

export function createRate(): Rate {
  const seen: { readonly atMs: number; readonly ended: number }[] = [];
  return {
    see(atMs, ended) {
      seen.push({ atMs, ended });
      while ((seen[1]?.atMs ?? Infinity) <= atMs - WINDOW_MS) seen.shift();
      const [first] = seen;
      if (first === undefined || atMs <= first.atMs || ended <= first.ended) return null;
      return ((ended - first.ended) * 1000) / (atMs - first.atMs);
    },
  };
}

const percent = ({ ended, total }: Counts): string => `${Math.floor((100 * ended) / total)} %`;

function pace({ total, ended, inFlight, failed }: Counts, perSecond: number | null): string[] {
  return [
    ...(perSecond === null ? [] : [`${perSecond < 10 ? perSecond.toFixed(1) : count(perSecond)}/s`]),
    ...(perSecond === null || ended === total ? [] : [`${seconds((total - ended) / perSecond)} left`]),
    `${count(inFlight)} in flight`,
    ...(failed === 0 ? [] : [`${count(failed)} failed`]),
  ];
}

/** For a line of its own. */
export const progressLine = (counts: Counts, perSecond: number | null): string =>
  `${count(counts.ended)} of ${count(counts.total)} lines done (${percent(counts)}), ${pace(counts, perSecond).join(", ")}`;

const BAR_WIDTH = 24;

/** For one place on a terminal, drawn again and again. */
export function progressBar(counts: Counts, perSecond: number | null): string {
  const filled = Math.floor((BAR_WIDTH * counts.ended) / counts.total);
  const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
  return [
    bar,
    `${count(counts.ended)}/${count(counts.total)}`,
    percent(counts),
    ...pace(counts, perSecond),
  ].join("  ");
}
