import type { Clock } from "../clock.ts";
import type { Leadership } from "../ports/leadership.ts";

export interface MemoryLeadership extends Leadership {
  /** The leader's fencing number, 0 before the first: what the other memory ports compare with. */
  fence(): number;
}

/** Leadership among candidates of one process. */
export function createMemoryLeadership(clock: Clock): MemoryLeadership {
  let fence = 0;
  let leader: { readonly candidate: string; readonly address: string; readonly untilMs: number } | null =
    null;

  return {
    async campaign(candidate, address, ttlMs) {
      const now = clock.now();
      if (leader !== null && leader.untilMs <= now) leader = null;
      if (leader !== null && leader.candidate !== candidate)
        return { kind: "following", leader: leader.address };
      if (leader === null) fence += 1;
      leader = { candidate, address, untilMs: now + ttlMs };
      return { kind: "leading", fence };
    },
    async resign(candidate) {
      if (leader?.candidate === candidate) leader = null;
    },
    fence: () => fence,
  };
}
