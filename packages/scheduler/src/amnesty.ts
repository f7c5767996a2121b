import type { Clock, Log } from "@coop/core";
import type { SchedulerTiming } from "./timing.ts";

/**
 * Whether leases that ran out may lapse now; to be asked at each sweep. In an amnesty they may not: the scheduler
 * does not know who is alive.
 *
 * AM1. A term begins with an amnesty.
 * AM2. Another begins when more than a lease passed between two sweeps: the machine slept, its clock was put
 *      forward, or the store did not answer, so leases ran out that nobody could renew.
 * AM3. A clock that is put back does not prolong an amnesty.
 */
export function createAmnesty({
  clock,
  log,
  timing,
}: {
  readonly clock: Clock;
  readonly log: Log;
  readonly timing: Pick<SchedulerTiming, "leaseMs" | "amnestyMs">;
}): () => boolean {
  const { leaseMs, amnestyMs } = timing;
  let askedAtMs = clock.now();
  let untilMs = askedAtMs + amnestyMs;

  return () => {
    const nowMs = clock.now();
    const awayMs = nowMs - askedAtMs;
    askedAtMs = nowMs;
    if (awayMs > leaseMs) {
      log.warn(
        { awayMs, amnestyMs },
        "this server was away for longer than a lease: nothing lapses for a while",
      );
      untilMs = nowMs + amnestyMs;
    }
    untilMs = Math.min(untilMs, nowMs + amnestyMs);
    return nowMs < untilMs;
  };
}
