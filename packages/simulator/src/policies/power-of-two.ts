import type { NodeState, PolicyMaker } from "../world/policy.ts";
import { createNodeQueues, leastBy } from "./node-queues.ts";

/**
 * Two choices (Mitzenmacher, 1996): two different nodes are drawn, and the job joins the one with the fewer jobs for
 * its slots. For machines of unequal speed uniform draws are unstable, so a node is drawn as often as it is fast
 * for the job and has slots, as is known to help.
 */
export const powerOfTwo: PolicyMaker = {
  name: "power-of-two",
  summary: "of two nodes drawn by speed, each job joins the one with the fewer jobs for its slots",
  hears: "jobs",
  create: ({ fleet, random }) =>
    createNodeQueues(fleet, () => ({
      route(job, nodes, { inFlight, aloneS }) {
        const rate = (node: NodeState): number => node.slots / aloneS(job, node);
        const first = drawn(nodes, rate, random.next());
        const others = nodes.filter((node) => node !== first);
        const second = drawn(others, rate, random.next());
        const two = [first, second].filter((node) => node !== undefined);
        return leastBy(two, (node) => inFlight(node) / node.slots, random);
      },
    })),
};

/** The node that a chance in [0, 1) falls on when each is as likely as its weight. */
function drawn(
  nodes: readonly NodeState[],
  weightOf: (node: NodeState) => number,
  chance: number,
): NodeState | undefined {
  const weights = nodes.map(weightOf);
  let left = chance * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [index, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return nodes[index];
  }
  return nodes.at(-1);
}
