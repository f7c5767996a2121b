import type { NodeId } from "../terms.ts";

/**
 * What each attempt has of its node's time: while several are live, each has its share, so that all shares
 * together are the time that the node was busy. Microseconds, whole.
 */
export function createMemoryNodeClock() {
  const clocks = new Map<NodeId, { shareUs: number; live: number; atMs: number }>();

  const moved = (node: NodeId, nowMs: number) => {
    const clock = clocks.get(node) ?? { shareUs: 0, live: 0, atMs: nowMs };
    clocks.set(node, clock);
    if (clock.live > 0 && nowMs > clock.atMs)
      clock.shareUs += Math.floor(((nowMs - clock.atMs) * 1_000) / clock.live);
    clock.atMs = Math.max(clock.atMs, nowMs);
    return clock;
  };

  return {
    /** An attempt begins; answers what `stop` has to be told. */
    start(node: NodeId, nowMs: number): number {
      const clock = moved(node, nowMs);
      clock.live += 1;
      return clock.shareUs;
    },
    /** The attempt is over; answers its share, microseconds. */
    stop(node: NodeId, startUs: number, nowMs: number): number {
      const clock = moved(node, nowMs);
      const share = clock.shareUs - startUs;
      clock.live -= 1;
      if (clock.live === 0) clocks.delete(node);
      return share;
    },
  };
}

export type MemoryNodeClock = ReturnType<typeof createMemoryNodeClock>;
