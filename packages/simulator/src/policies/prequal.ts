import type { JobId } from "@coop/core";
import type { FleetView, NodeState, PolicyMaker } from "../world/policy.ts";
import { createNodeQueues, leastBy } from "./node-queues.ts";
import type { Router } from "./node-queues.ts";

/**
 * Hot-cold lexicographic choice (Prequal, NSDI 2024). A node whose jobs in flight are beyond the Q_RIF quantile of
 * those lately probed is hot. Among cold nodes the one with the least estimated latency is chosen; when all are hot,
 * the one with the fewest jobs in flight. A node's latency is the median of what jobs lately took that found about
 * as many in flight as there are now.
 *
 * Kinder than the paper in three ways: every node is probed for every job, without delay; jobs in flight count per
 * slot, as nodes differ in size; and as jobs differ a thousandfold in length, latencies are kept in multiples of the
 * job's time alone on the node.
 */
export const prequal: PolicyMaker = {
  name: "prequal",
  summary:
    "the node of least recent latency among those with few jobs in flight, else the one with the fewest",
  hears: "jobs",
  create: ({ fleet, random }) =>
    createNodeQueues(fleet, () => {
      const latencies = createLatencies(fleet);
      const probed: number[] = [];
      return {
        route(job, nodes, load) {
          const perSlot = (node: NodeState): number => load.inFlight(node) / node.slots;
          for (const node of nodes) probed.push(perSlot(node));
          probed.splice(0, probed.length - PROBES_KEPT);
          const limit = quantile(probed, HOT_QUANTILE);
          const cold = nodes.filter((node) => perSlot(node) <= limit);
          const estimateS = (node: NodeState): number =>
            latencies.of(node, load.inFlight(node)) * load.aloneS(job, node);
          const chosen = cold.length > 0 ? leastBy(cold, estimateS, random) : leastBy(nodes, perSlot, random);
          latencies.sent(job.id, chosen, load.inFlight(chosen), load.aloneS(job, chosen));
          return chosen;
        },
        ended: (job) => latencies.ended(job.id),
      } satisfies Router;
    }),
};

/** Q_RIF, as the paper uses it. */
const HOT_QUANTILE = 2 ** -0.25;
const PROBES_KEPT = 128;
const LATENCIES_KEPT = 32;
/** Latencies that a median is taken of: those that found nearest as many in flight. */
const NEAREST = 8;

interface Seen {
  readonly inFlight: number;
  readonly stretch: number;
}

interface Latencies {
  readonly sent: (job: JobId, node: NodeState, inFlight: number, aloneS: number) => void;
  readonly ended: (job: JobId) => void;
  /** Median multiple of their time alone that jobs took which found about as many in flight; 1 before any ended. */
  readonly of: (node: NodeState, inFlight: number) => number;
}

function createLatencies(fleet: FleetView): Latencies {
  const seen = new Map<NodeState, Seen[]>();
  const underway = new Map<
    JobId,
    {
      readonly node: NodeState;
      readonly atMs: number;
      readonly inFlight: number;
      readonly aloneS: number;
    }
  >();
  return {
    sent(job, node, inFlight, aloneS) {
      underway.set(job, { node, atMs: fleet.nowMs(), inFlight, aloneS });
    },
    ended(job) {
      const run = underway.get(job);
      underway.delete(job);
      if (run === undefined) return;
      const { node, atMs, inFlight, aloneS } = run;
      const recent = seen.get(node) ?? [];
      seen.set(node, recent);
      recent.push({ inFlight, stretch: (fleet.nowMs() - atMs) / 1000 / aloneS });
      recent.splice(0, recent.length - LATENCIES_KEPT);
    },
    of(node, inFlight) {
      const distance = (one: Seen): number => Math.abs(one.inFlight - inFlight);
      const nearest = (seen.get(node) ?? [])
        .toSorted((one, other) => distance(one) - distance(other))
        .slice(0, NEAREST);
      return nearest.length === 0
        ? 1
        : quantile(
            nearest.map(({ stretch }) => stretch),
            0.5,
          );
    },
  };
}

/** The value that the given part of all values does not exceed; 0 for none. */
function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
}
