import type { Clock, Log, NodeId } from "@coop/core";
import type { SchedulerTiming } from "./timing.ts";

/** Fewer nodes than this prove nothing when they vanish together. */
const NODES_MIN = 4;

/**
 * Notices when most of the fleet vanishes at once. Homes do not fail together: then the fault is rather this
 * server's, or its network's, and trying everything again elsewhere would only bury the nodes that are left.
 *
 * ML1. More than half of at least four nodes that vanish within a lease start an amnesty: nothing lapses in it.
 * ML2. An amnesty ends by itself. Whoever is still away then is gone.
 * ML3. A node that said that it would leave, or that was sent away, did not vanish.
 */
export interface MassLoss {
  joined(node: NodeId): void;
  vanished(node: NodeId): void;
  /** The node left as it should. */
  left(node: NodeId): void;
  inAmnesty(): boolean;
}

export function createMassLoss({
  clock,
  log,
  timing,
}: {
  readonly clock: Clock;
  readonly log: Log;
  readonly timing: Pick<SchedulerTiming, "leaseMs" | "amnestyMs">;
}): MassLoss {
  const connected = new Set<NodeId>();
  const vanishedAtMs = new Map<NodeId, number>();
  let amnestyUntilMs = Number.NEGATIVE_INFINITY;

  const inAmnesty = (): boolean => clock.now() < amnestyUntilMs;

  return {
    inAmnesty,
    joined(node) {
      vanishedAtMs.delete(node);
      connected.add(node);
    },
    left(node) {
      connected.delete(node);
      vanishedAtMs.delete(node);
    },
    vanished(node) {
      if (!connected.delete(node)) return;
      const nowMs = clock.now();
      vanishedAtMs.set(node, nowMs);
      for (const [other, atMs] of vanishedAtMs) {
        if (atMs <= nowMs - timing.leaseMs) vanishedAtMs.delete(other);
      }
      const vanished = vanishedAtMs.size;
      const known = vanished + connected.size;
      if (known < NODES_MIN || vanished * 2 <= known || inAmnesty()) return;
      amnestyUntilMs = nowMs + timing.amnestyMs;
      log.warn(
        { vanished, known, amnestyMs: timing.amnestyMs },
        "most nodes vanished at once: is this server cut off? Nothing is tried again until they had time to come back",
      );
    },
  };
}
