import type { MemberId } from "../terms.ts";

/**
 * Service received per member, in reference-seconds over the member's weight.
 *
 * F1. A member who comes back to the queue is lifted to the least served of those who wait (or, when nobody
 *     waits, to the last who did): absence saves nothing up.
 * F2. Service is charged at dispatch as expected, and put right when the attempt ends.
 */
export interface FairCounters {
  /** A job of the member joins those that wait. */
  readonly join: (member: MemberId) => void;
  /** A job of the member no longer waits. */
  readonly leave: (member: MemberId) => void;
  /** Adds service; negative takes it back. `weight` is the member's share. */
  readonly charge: (member: MemberId, weight: number, referenceS: number) => void;
  /** Weighted service so far, reference-seconds. */
  readonly servedS: (member: MemberId) => number;
}

export function createFairCounters(): FairCounters {
  const served = new Map<MemberId, number>();
  const waiting = new Map<MemberId, number>();
  let lastLeaverS = 0;

  const servedS = (member: MemberId): number => served.get(member) ?? 0;

  return {
    join(member) {
      const jobs = waiting.get(member) ?? 0;
      if (jobs === 0) {
        let leastS = waiting.size === 0 ? lastLeaverS : Infinity;
        for (const other of waiting.keys()) leastS = Math.min(leastS, servedS(other));
        served.set(member, Math.max(servedS(member), leastS));
      }
      waiting.set(member, jobs + 1);
    },
    leave(member) {
      const jobs = waiting.get(member) ?? 0;
      if (jobs > 1) {
        waiting.set(member, jobs - 1);
        return;
      }
      waiting.delete(member);
      if (waiting.size === 0) lastLeaverS = servedS(member);
    },
    charge(member, weight, referenceS) {
      served.set(member, Math.max(0, servedS(member) + referenceS / weight));
    },
    servedS,
  };
}
