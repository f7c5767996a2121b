import { assert, holdTokens } from "@coop/core";
import type { JobId, JobSpec, Random } from "@coop/core";
import type { FleetView, NodeState, Place, Policy } from "../world/policy.ts";
import { createOpenings, fastest } from "./openings.ts";

/**
 * One queue a node, first come first served, as behind a load balancer: a job goes to a node when it arrives and
 * stays there, unless the node leaves or its token budget no longer has room. Which model of the node serves it is
 * decided when it starts: the fastest.
 */
export interface Router {
  /** @param nodes at least one: all that are present, suit the job and have tokens for it and for those before it. */
  readonly route: (job: JobSpec, nodes: readonly NodeState[], load: NodeLoad) => NodeState;
  /** Hears of every job that has ended well, and where. */
  readonly ended?: (job: JobSpec, node: NodeState) => void;
}

export interface NodeLoad {
  /** Jobs that wait in the node's queue. */
  readonly queued: (node: NodeState) => number;
  /** Those and the ones that run. */
  readonly inFlight: (node: NodeState) => number;
  /** Expected time of a job on the node with nothing beside it, on its fastest model, seconds. */
  readonly aloneS: (job: JobSpec, node: NodeState) => number;
}

export function createNodeQueues(fleet: FleetView, createRouter: () => Router): Policy {
  const openings = createOpenings(fleet);
  const router = createRouter();
  const queues = new Map<NodeState, JobSpec[]>(fleet.nodes.map((node) => [node, []]));
  const runsOn = new Map<JobId, { readonly job: JobSpec; readonly node: NodeState }>();
  /** Jobs that no present node has tokens for. */
  const homeless: JobSpec[] = [];

  const queueOf = (node: NodeState): JobSpec[] => queues.get(node) ?? [];
  const placesOn = (job: JobSpec, node: NodeState): readonly Place[] =>
    fleet.placesFor(job).filter((place) => place.node === node);
  const load: NodeLoad = {
    queued: (node) => queueOf(node).length,
    inFlight: (node) => queueOf(node).length + node.running,
    aloneS: (job, node) => Math.min(...placesOn(job, node).map((place) => fleet.aloneS(job, place))),
  };

  const route = (job: JobSpec): void => {
    const nodes = new Set(fleet.placesFor(job).map(({ node }) => node));
    const open = [...nodes].filter((node) => node.present && hasTokensFor(job, node, queueOf(node)));
    if (open.length === 0) homeless.push(job);
    else queueOf(router.route(job, open, load)).push(job);
  };
  const routeAgain = (jobs: readonly JobSpec[]): void => {
    for (const job of jobs) route(job);
  };

  const forget = (id: JobId): void => {
    runsOn.delete(id);
    for (const queue of [...queues.values(), homeless]) {
      const index = queue.findIndex((job) => job.id === id);
      if (index >= 0) queue.splice(index, 1);
    }
  };

  const ended = (id: JobId, isServed: boolean): void => {
    const run = runsOn.get(id);
    runsOn.delete(id);
    if (run !== undefined && isServed) router.ended?.(run.job, run.node);
  };

  /** Starts from the head of every queue; jobs that their node has no tokens for any more go elsewhere. */
  const startAll = (): void => {
    const turnedAway: JobSpec[] = [];
    for (const [node, queue] of queues) {
      for (let [job] = queue; job !== undefined; [job] = queue) {
        const next = job;
        if ((node.tokensLeft ?? Infinity) < holdTokens(next)) {
          turnedAway.push(next);
          queue.shift();
          continue;
        }
        const open = placesOn(next, node).filter((place) => openings.isOpen(next, place));
        const place = fastest(fleet, next, open);
        if (place === null) break;
        queue.shift();
        openings.take(next, place);
        runsOn.set(next.id, { job: next, node });
      }
    }
    if (turnedAway.length === 0) return;
    routeAgain(turnedAway);
    startAll();
  };

  return {
    step(event) {
      openings.hear(event);
      if (event.kind === "job-pending") route(event.spec);
      else if (event.kind === "job-gone") forget(event.job);
      else if (event.kind === "attempt-ended") ended(event.job, event.usage !== null);
      else if (event.kind === "node-left") {
        const node = fleet.nodes.find(({ id }) => id === event.node);
        if (node !== undefined) routeAgain(queueOf(node).splice(0));
      }
      if (event.kind !== "job-pending" && homeless.length > 0) routeAgain(homeless.splice(0));
      startAll();
      return openings.takeStarts();
    },
  };
}

/** Whether the node's tokens suffice for the job after those that wait there. */
const hasTokensFor = (job: JobSpec, { tokensLeft }: NodeState, queue: readonly JobSpec[]): boolean =>
  tokensLeft === null ||
  queue.reduce((sum, waiting) => sum + holdTokens(waiting), holdTokens(job)) <= tokensLeft;

/** The node of least value, chance among equals. */
export function leastBy(
  nodes: readonly NodeState[],
  valueOf: (node: NodeState) => number,
  random: Random,
): NodeState {
  const values = nodes.map(valueOf);
  const least = Math.min(...values);
  const equals = nodes.filter((_, index) => values[index] === least);
  const node = equals[Math.floor(random.next() * equals.length)];
  assert(node !== undefined, "there is a node to choose");
  return node;
}
