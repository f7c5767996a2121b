import type { PolicyMaker } from "../world/policy.ts";
import { createNodeQueues, leastBy } from "./node-queues.ts";

/**
 * Join the shortest queue: a job goes to the node with the fewest jobs for its slots, waiting and running, chance
 * deciding among equals. Optimal for equal machines (Winston, 1977); it does not see speed.
 */
export const leastLoaded: PolicyMaker = {
  name: "least-loaded",
  summary: "each job joins the node with the fewest jobs for its slots",
  hears: "jobs",
  create: ({ fleet, random }) =>
    createNodeQueues(fleet, () => ({
      route: (_job, nodes, { inFlight }) => leastBy(nodes, (node) => inFlight(node) / node.slots, random),
    })),
};
