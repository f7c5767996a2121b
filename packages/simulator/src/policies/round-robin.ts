import { assert } from "@coop/core";
import type { PolicyMaker } from "../world/policy.ts";
import { createNodeQueues } from "./node-queues.ts";

/**
 * Jobs go to the nodes in turn. Every set of nodes that some job may use has a turn of its own, as a load balancer
 * keeps one for each of its pools.
 */
export const roundRobin: PolicyMaker = {
  name: "round-robin",
  summary: "nodes take jobs in turn, each into its own queue",
  hears: "jobs",
  create: ({ fleet }) =>
    createNodeQueues(fleet, () => {
      const turns = new Map<string, number>();
      return {
        route(_job, nodes) {
          const pool = nodes.map(({ index }) => index).join();
          const turn = turns.get(pool) ?? 0;
          turns.set(pool, turn + 1);
          const node = nodes[turn % nodes.length];
          assert(node !== undefined, "there is a node to choose");
          return node;
        },
      };
    }),
};
