import type { CancelTimer, Timing } from "./timing.ts";

/** How often the clock is looked at, ms. */
const lookMs = 5_000;

/**
 * Notices that this program did not run for a while: the machine slept, or the process was stopped. A clock that
 * was set forward by as much counts too; ending a few attempts for it is harmless.
 * @param onGap is told how long it was away, ms
 * @returns stops watching
 */
export function watchForSleep(
  timing: Timing,
  gapMs: () => number,
  onGap: (awayMs: number) => void,
): CancelTimer {
  let cancel: CancelTimer;
  const look = (wallMs: number, monotonicMs: number): void => {
    cancel = timing.after(lookMs, () => {
      const awayMs = Math.max(timing.now() - wallMs, timing.monotonicMs() - monotonicMs) - lookMs;
      look(timing.now(), timing.monotonicMs());
      if (awayMs > gapMs()) onGap(awayMs);
    });
  };
  look(timing.now(), timing.monotonicMs());
  return () => cancel();
}
