import type { Clock } from "@coop/core";

/** Stops a timer; a second call, or one after it fired, changes nothing. */
export type CancelTimer = () => void;

/** Time as the agent sees it. Tests own one and move it by hand. */
export interface Timing extends Clock {
  /** Milliseconds since some fixed point; never jumps back. May stand still while the machine sleeps. */
  monotonicMs(): number;
  /** Calls back once. Delays beyond 24.8 days are shortened to that. */
  after(delayMs: number, callback: () => void): CancelTimer;
}

const longestDelayMs = 2 ** 31 - 1;

export function createSystemTiming(): Timing {
  return {
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    after(delayMs, callback) {
      const timer = setTimeout(callback, Math.min(longestDelayMs, Math.max(0, delayMs)));
      return () => clearTimeout(timer);
    },
  };
}

/** Resolves after the delay, or at once when the signal aborts; never rejects. */
export function pause(timing: Timing, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const wake = () => {
      cancel();
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const cancel = timing.after(delayMs, wake);
    signal.addEventListener("abort", wake, { once: true });
  });
}

/** Resolves when the signal aborts. */
export function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
