import type { Clock } from "../clock.ts";

export interface ManualClock extends Clock {
  /** Moves time forward by `ms` milliseconds. */
  advance(ms: number): void;
  /** Sets the time, milliseconds since the Unix epoch; it may go back, as real clocks do. */
  set(nowMs: number): void;
}

/** A clock that only moves when told. It starts at noon (UTC) of 1 March 2026 unless told otherwise. */
export function createManualClock(startMs = Date.UTC(2026, 2, 1, 12)): ManualClock {
  let nowMs = startMs;
  return {
    now: () => nowMs,
    advance: (ms) => {
      nowMs += ms;
    },
    set: (ms) => {
      nowMs = ms;
    },
  };
}
