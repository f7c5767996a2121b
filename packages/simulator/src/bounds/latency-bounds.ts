import type { SimFleet } from "../world/fleet.ts";
import type { SimJob } from "../world/job.ts";
import { unloadedS } from "../world/unloaded.ts";
import { fleetCapacity } from "./fleet-capacity.ts";
import type { FleetCapacity } from "./fleet-capacity.ts";
import { srptMeanLatencyS, weightedMeanLatency } from "./pooled.ts";
import { pricedTimeBound } from "./priced-time.ts";
import type { PricedOption } from "./priced-time.ts";
import { batchFactorOf, countedPart, leastWorkS, needAt, placesOf } from "./work.ts";
import type { SimPlace } from "./work.ts";

/**
 * Means that no policy goes below on given jobs at their given times, knowing every output length beforehand.
 * Four bounds, the greatest of which holds:
 *
 * `unloaded`: every job alone on its best place.
 * `pooled-by-class`: for the jobs that the same places may serve, one machine as fast as all those places, that
 *     nothing else uses; classes whose own unloaded mean is greater count with that.
 * `pooled-fleet`: one machine as fast as the whole fleet, with nodes priced by what their time is worth to the
 *     fluid capacity. It sees that classes compete.
 * `priced-time`: jobs that share a machine slow each other down, and slow machines are needed when fast ones are full.
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
  readonly pricedTime: number;
}

type BoundKind = "unloaded" | "pooled-by-class" | "pooled-fleet" | "priced-time";

interface BoundedJob {
  readonly arrivalS: number;
  readonly places: readonly SimPlace[];
  readonly options: readonly PricedOption[];
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
  const unlimited = fleet.nodes.map((node) => ({ ...node, tokensPerDay: null, tokensPerMonth: null }));
  const capacity = fleetCapacity({ nodes: unlimited }, jobs);
  const bounded: BoundedJob[] = [];
  const byPlaces = new Map<string, BoundedJob[]>();
  for (const [index, job] of jobs.entries()) {
    const places = placesOf(fleet, job.spec);
    if (places.length === 0) continue;
    const aloneS = Math.min(...places.map(({ model }) => unloadedS(job, model)));
    const worksS = places.map((place) => leastWorkS(place, job));
    const options = pricedOptions(job, places, capacity);
    const one = { arrivalS: job.arrivalS, places, options, worksS, aloneS, bestS: bestS[index] ?? aloneS };
    bounded.push(one);
    const key = places.map(({ node, model }) => `${node.index}:${model.index}`).join();
    const alike = byPlaces.get(key) ?? [];
    byPlaces.set(key, alike);
    alike.push(one);
  }
  const fleetWide = pooledMeans(bounded, timePrices(fleet, capacity));
  const priced = pricedMeans(bounded, capacity);
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
  const meanOf = (of: (means: Means) => number, pooledByClass: number): BoundedMean =>
    greatest({
      unloaded: of(unloaded),
      pooledByClass,
      pooledFleet: of(fleetWide),
      pricedTime: of(priced),
    });
  return {
    meanLatencyS: meanOf(({ latencyS }) => latencyS, classLatencyS),
    meanSlowdown: meanOf(({ slowdown }) => slowdown, classSlowdown),
  };
}

function greatest(bounds: Omit<BoundedMean, "least" | "from">): BoundedMean {
  const named: readonly (readonly [BoundKind, number])[] = [
    ["unloaded", bounds.unloaded],
    ["pooled-by-class", bounds.pooledByClass],
    ["pooled-fleet", bounds.pooledFleet],
    ["priced-time", bounds.pricedTime],
  ];
  let from: BoundKind = "unloaded";
  let least = bounds.unloaded;
  for (const [kind, value] of named) {
    if (value <= least * (1 + BETTER_BY)) continue;
    from = kind;
    least = value;
  }
  return { ...bounds, least, from };
}

/** A bound that is higher by rounding alone does not give its name. */
const BETTER_BY = 1e-9;

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

function pricedMeans(jobs: readonly BoundedJob[], { nodes, groupOf }: FleetCapacity): Means {
  const priced = nodes.map(({ jobsPerMachineSecond }, group) => ({
    count: groupOf.filter((other) => other === group).length,
    startPrice: jobsPerMachineSecond,
  }));
  const alike = jobs.map(() => 1);
  const byBest = jobs.map(({ bestS }) => 1 / bestS);
  return {
    latencyS: pricedTimeBound(jobs, alike, priced),
    slowdown: pricedTimeBound(jobs, byBest, priced),
  };
}

/** One for each model of each group of machines that are alike. */
function pricedOptions(job: SimJob, places: readonly SimPlace[], { groupOf }: FleetCapacity): PricedOption[] {
  const options = new Map<string, PricedOption>();
  for (const place of places) {
    const group = groupOf[place.node.index] ?? -1;
    const key = `${group}:${place.model.index}`;
    if (options.has(key)) continue;
    options.set(key, {
      ...needAt(place, job),
      node: group,
      batchFactor: batchFactorOf(place),
      slots: place.node.slots,
      counted: countedPart(place),
    });
  }
  return [...options.values()];
}

/** What a second of each node is worth to the fluid capacity, token budgets aside. */
const timePrices = (fleet: SimFleet, { nodes, groupOf }: FleetCapacity): Prices =>
  new Map(fleet.nodes.map(({ index }) => [index, nodes[groupOf[index] ?? -1]?.jobsPerMachineSecond ?? 0]));

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
