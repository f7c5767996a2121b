import { setTimeout as sleep } from "node:timers/promises";
import { OperationalError } from "@coop/core";
import type { Clock, Log, Random } from "@coop/core";
import type { SchedulerTiming } from "./timing.ts";

/** The term is over, or the store did not answer for as long as a lease lives: let go of what was meant. */
export interface Unavailable {
  readonly kind: "unavailable";
}

export interface PatienceDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly timing: SchedulerTiming;
  /** Aborts when the term ends. */
  readonly signal: AbortSignal;
}

/** Repeats a failing call of a store with growing waits, while the term lasts and a lease would live. */
export type Patience = <T>(name: string, call: () => Promise<T>) => Promise<T | Unavailable>;

export function createPatience({ clock, random, log, timing, signal }: PatienceDeps): Patience {
  const untilAborted = createUntilAborted(signal);
  return async (name, call) => {
    const giveUpAtMs = clock.now() + timing.leaseMs;
    for (let waitMs = timing.storeRetryFirstMs; ; waitMs = Math.min(waitMs * 2, timing.storeRetryMostMs)) {
      if (signal.aborted) return { kind: "unavailable" };
      try {
        return await untilAborted(call());
      } catch (error) {
        log.warn({ err: error, call: name }, "the store did not answer");
        const hopeless = error instanceof OperationalError && !error.retriable;
        if (hopeless || clock.now() >= giveUpAtMs) return { kind: "unavailable" };
      }
      await slept(waitMs * (0.5 + random.next() / 2), signal);
    }
  };
}

/**
 * The outcome of a call, or `unavailable` as soon as the signal aborts: a call that hangs holds nobody up. One listener
 * serves all calls: there are thousands a second.
 */
function createUntilAborted(signal: AbortSignal): <T>(call: Promise<T>) => Promise<T | Unavailable> {
  const underWay = new Set<() => void>();
  const abandonAll = (): void => {
    for (const abandon of underWay) abandon();
    underWay.clear();
  };
  signal.addEventListener("abort", abandonAll, { once: true });
  return (call) =>
    new Promise((resolve, reject) => {
      const abandon = (): void => resolve({ kind: "unavailable" });
      const settle =
        <Result>(pass: (result: Result) => void) =>
        (result: Result): void => {
          underWay.delete(abandon);
          pass(result);
        };
      underWay.add(abandon);
      call.then(settle(resolve), settle(reject));
    });
}

/** Waits; false when the signal aborted first. */
export async function slept(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, { signal });
    return true;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

/** Runs a task again and again, `ms` after it last ended, until the signal aborts. */
export async function periodically(
  ms: number,
  signal: AbortSignal,
  task: () => void | Promise<void>,
): Promise<void> {
  while (await slept(ms, signal)) await task();
}
