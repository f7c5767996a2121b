import type { NodeState, PolicyMaker } from "../world/policy.ts";
import { createNodeQueues, leastBy } from "./node-queues.ts";

/**
 * Weighted scores as llm-d's inference scheduler and the Gateway API inference extension give them by default. Of
 * all nodes that suit, each gets three scores from 0 to 1: jobs in its queue between the longest (0) and the
 * shortest (1), free cache (here: free slots), and the part of the prompt that it has in cache (here: whether it served
 * the conversation's last turn). The highest weighted sum wins, chance among equals. Speed plays no part.
 */
export const queueScore: PolicyMaker = {
  name: "queue-score",
  summary:
    "the node with the best sum of scores for its queue, its free slots and the conversation's last turn",
  hears: "jobs",
  create: ({ fleet, random }) =>
    createNodeQueues(fleet, () => {
      const lastTurn = new Map<string, NodeState>();
      return {
        route(job, nodes, { queued }) {
          const queues = nodes.map(queued);
          const most = Math.max(...queues);
          const fewest = Math.min(...queues);
          const score = (node: NodeState): number => {
            const queue = most === fewest ? 1 : (most - queued(node)) / (most - fewest);
            const free = Math.max(0, 1 - node.running / node.slots);
            const prefix = job.session !== null && lastTurn.get(job.session) === node ? 1 : 0;
            return QUEUE_WEIGHT * queue + FREE_WEIGHT * free + PREFIX_WEIGHT * prefix;
          };
          const chosen = leastBy(nodes, (node) => -score(node), random);
          if (job.session !== null) lastTurn.set(job.session, chosen);
          return chosen;
        },
      };
    }),
};

const QUEUE_WEIGHT = 2;
const FREE_WEIGHT = 2;
const PREFIX_WEIGHT = 3;
