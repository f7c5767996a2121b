import type { SimFleet } from "../world/fleet.ts";
import type { SimJob } from "../world/job.ts";
import { unloadedS } from "../world/unloaded.ts";
import { fleetCapacity } from "./fleet-capacity.ts";
import { srptMeanLatencyS, weightedMeanLatency } from "./pooled.ts";
import { leastWorkS, placesOf } from "./work.ts";
import type { SimPlace } from "./work.ts";

/**
 * Means that no policy goes below on given jobs at their given times, knowing every output length beforehand.
 * Three bounds, the greatest of which holds:
 *
 * `unloaded`: every job alone on its best place.
 * `pooled-by-class`: for the jobs that the same places may serve, one machine as fast as all those places, that
 *     nothing else uses; classes whose own unloaded mean is greater count with that.
 * `pooled-fleet`: one machine as fast as the whole fleet, with nodes priced by what their time is worth to the
 *     fluid capacity. It alone sees that classes compete.
 */
export interface LatencyBounds {
  readonly meanLatencyS: BoundedMean;
  readonly meanSlowdown: BoundedMean;
}

export interface BoundedMean {
  /** The greatest of the bounds. */
  readonly least: number;
  readonly from: BoundKind;
  readonly unloaded: number;
  readonly pooledByClass: number;
  readonly pooledFleet: number;
}

type BoundKind = "unloaded" | "pooled-by-class" | "pooled-fleet";

interface BoundedJob {
  readonly arrivalS: number;
  readonly places: readonly SimPlace[];
  /** Least time of the machine at each place, seconds. */
  readonly worksS: readonly number[];
  /** Alone on the best place, with the best of caches, seconds. */
  readonly aloneS: number;
  /** What its latency is divided by for its slowdown, seconds. */
  readonly bestS: number;
}

/**
 * @param jobs in order of arrival; those that nothing may serve are left out.
 * @param bestS what each job's latency is divided by for its slowdown, by index.
 */
export function latencyBounds(
  fleet: SimFleet,
  jobs: readonly SimJob[],
  bestS: ArrayLike<number>,
): LatencyBounds {
  const bounded: BoundedJob[] = [];
  const byPlaces = new Map<string, BoundedJob[]>();
  for (const [index, job] of jobs.entries()) {
    const places = placesOf(fleet, job.spec);
    if (places.length === 0) continue;
    const aloneS = Math.min(...places.map(({ model }) => unloadedS(job, model)));
    const worksS = places.map((place) => leastWorkS(place, job));
    const one = { arrivalS: job.arrivalS, places, worksS, aloneS, bestS: bestS[index] ?? aloneS };
    bounded.push(one);
    const key = places.map(({ node, model }) => `${node.index}:${model.index}`).join();
    const alike = byPlaces.get(key) ?? [];
    byPlaces.set(key, alike);
    alike.push(one);
  }
  const fleetWide = pooledMeans(bounded, timePrices(fleet, jobs));
  const unloaded = unloadedMeans(bounded);
  let classLatencyS = 0;
  let classSlowdown = 0;
  for (const alike of byPlaces.values()) {
    const pooled = pooledMeans(alike, speedsOf(alike));
    const alone = unloadedMeans(alike);
    const share = alike.length / bounded.length;
    classLatencyS += share * Math.max(pooled.latencyS, alone.latencyS);
    classSlowdown += share * Math.max(pooled.slowdown, alone.slowdown);
  }
  return {
    meanLatencyS: greatest(unloaded.latencyS, classLatencyS, fleetWide.latencyS),
    meanSlowdown: greatest(unloaded.slowdown, classSlowdown, fleetWide.slowdown),
  };
}

function greatest(unloaded: number, pooledByClass: number, pooledFleet: number): BoundedMean {
  const least = Math.max(unloaded, pooledByClass, pooledFleet);
  const pooled: BoundKind = pooledFleet >= pooledByClass ? "pooled-fleet" : "pooled-by-class";
  return { least, from: least > unloaded ? pooled : "unloaded", unloaded, pooledByClass, pooledFleet };
}

interface Means {
  readonly latencyS: number;
  readonly slowdown: number;
}

function unloadedMeans(jobs: readonly BoundedJob[]): Means {
  let latencyS = 0;
  let slowdown = 0;
  for (const { aloneS, bestS } of jobs) {
    latencyS += aloneS;
    slowdown += aloneS / bestS;
  }
  return { latencyS: latencyS / jobs.length, slowdown: slowdown / jobs.length };
}

/** Price of a second of each node, by node index; what is not named costs nothing. */
type Prices = ReadonlyMap<number, number>;

function pooledMeans(jobs: readonly BoundedJob[], prices: Prices): Means {
  let speed = 0;
  for (const price of prices.values()) speed += price;
  if (speed <= 0) return { latencyS: 0, slowdown: 0 };
  const priced = jobs.map(({ arrivalS, places, worksS }) => {
    let size = Infinity;
    for (const [place, { node }] of places.entries())
      size = Math.min(size, (prices.get(node.index) ?? 0) * (worksS[place] ?? Infinity));
    return { arrivalS, size };
  });
  const leastS = jobs.map(({ aloneS }) => aloneS);
  const alike = jobs.map(() => 1);
  const byBest = jobs.map(({ bestS }) => 1 / bestS);
  return {
    latencyS: Math.max(srptMeanLatencyS(priced, speed), weightedMeanLatency(priced, alike, leastS, speed)),
    slowdown: weightedMeanLatency(priced, byBest, leastS, speed),
  };
}

/** What a second of each node is worth to the fluid capacity, token budgets aside. */
function timePrices(fleet: SimFleet, jobs: readonly SimJob[]): Prices {
  const unlimited = fleet.nodes.map((node) => ({ ...node, tokensPerDay: null, tokensPerMonth: null }));
  const { nodes, groupOf } = fleetCapacity({ nodes: unlimited }, jobs);
  return new Map(
    fleet.nodes.map(({ index }, position) => [
      index,
      nodes[groupOf[position] ?? -1]?.jobsPerMachineSecond ?? 0,
    ]),
  );
}

/** Jobs of one class a second that each node could serve. */
function speedsOf(alike: readonly BoundedJob[]): Prices {
  const sumS = new Map<number, number>();
  for (const { places, worksS } of alike) {
    const least = new Map<number, number>();
    for (const [place, { node }] of places.entries()) {
      const workS = worksS[place] ?? Infinity;
      least.set(node.index, Math.min(workS, least.get(node.index) ?? Infinity));
    }
    for (const [node, workS] of least) sumS.set(node, (sumS.get(node) ?? 0) + workS);
  }
  return new Map(Array.from(sumS, ([node, workS]) => [node, alike.length / workS]));
}
