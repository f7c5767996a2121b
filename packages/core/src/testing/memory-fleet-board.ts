import type { FleetSnapshot } from "../fleet/node.ts";
import type { FleetBoard } from "../ports/fleet-board.ts";

/** @param fence the leader's fencing number, such as the memory leadership's */
export function createMemoryFleetBoard(fence: () => number): FleetBoard {
  let latest: FleetSnapshot | null = null;
  return {
    async publish(publisherFence, snapshot) {
      if (publisherFence === fence()) latest = structuredClone(snapshot);
    },
    async read() {
      return structuredClone(latest);
    },
  };
}
