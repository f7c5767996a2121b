import type { PolicyMaker } from "../world/policy.ts";
import { createNodeQueues, leastBy } from "./node-queues.ts";

/**
 * Shortest expected delay (Banawan and Zahorjan, 1989; the least-connections rule with weights of many load
 * balancers): a job goes where jobs ahead of it and itself, over slots and over the node's speed for it, are least.
 */
export const leastLoadedBySpeed: PolicyMaker = {
  name: "least-loaded-by-speed",
  summary: "each job joins the node with the fewest jobs for its slots and its speed",
  hears: "jobs",
  create: ({ fleet, random }) =>
    createNodeQueues(fleet, () => ({
      route: (job, nodes, { inFlight, aloneS }) =>
        leastBy(nodes, (node) => ((inFlight(node) + 1) / node.slots) * aloneS(job, node), random),
    })),
};
