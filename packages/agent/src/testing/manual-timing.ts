import { assert } from "@coop/core";
import type { Timing } from "../timing.ts";

interface Timer {
  readonly atMs: number;
  readonly callback: () => void;
}

/** Time that stands still until a test moves it. */
export interface ManualTiming extends Timing {
  /** Moves on by so much and fires what falls due, in order. */
  advance(ms: number): void;
  /** The clock jumps while nothing runs, as when a machine sleeps; what fell due meanwhile fires after it. */
  sleep(ms: number): void;
  /** Timers that are set. */
  readonly pending: number;
}

export function createManualTiming(startMs = 1_700_000_000_000): ManualTiming {
  let elapsedMs = 0;
  let asleepMs = 0;
  const timers = new Set<Timer>();
  const nextDue = (untilMs: number): Timer | null => {
    const due = [...timers].filter((timer) => timer.atMs <= untilMs);
    return due.sort((a, b) => a.atMs - b.atMs)[0] ?? null;
  };
  return {
    now: () => startMs + elapsedMs + asleepMs,
    monotonicMs: () => elapsedMs,
    after(delayMs, callback) {
      assert(!Number.isNaN(delayMs), "a timer needs a delay");
      const timer = { atMs: elapsedMs + Math.max(0, delayMs), callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance(ms) {
      const untilMs = elapsedMs + ms;
      for (let timer = nextDue(untilMs); timer !== null; timer = nextDue(untilMs)) {
        timers.delete(timer);
        elapsedMs = Math.max(elapsedMs, timer.atMs);
        timer.callback();
      }
      elapsedMs = untilMs;
    },
    sleep(ms) {
      asleepMs += ms;
    },
    get pending() {
      return timers.size;
    },
  };
}
