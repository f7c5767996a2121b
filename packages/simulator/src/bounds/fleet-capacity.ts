import type { SimFleet, SimNode } from "../world/fleet.ts";
import { sustainedSpeed } from "../world/fleet.ts";
import type { SimJob } from "../world/job.ts";
import { fluidCapacity } from "./fluid-capacity.ts";
import type { FluidCapacity, FluidClass, FluidNode, FluidOption } from "./fluid-capacity.ts";
import { leastWorkS, placesOf } from "./work.ts";
import type { SimPlace } from "./work.ts";

/**
 * The fluid capacity of a fleet for jobs like the given ones.
 *
 * Jobs are of one class when the same places may serve them and when prompt and output stand in about the same
 * relation: machines differ in how fast they do the one and the other, so within a class nothing could be gained
 * by telling jobs apart. Machines that are alike are one node of the bound. Every prefix that any cache could
 * hold counts as held; machines run at the speed that remains under lasting full use; a token budget comes
 * evenly over its day or month.
 */

/** Groups by the relation of prompt to output, of the jobs that the same places may serve; fewer for a large program. */
const RELATIONS = 8;
const FEW_RELATIONS = 3;
const MANY_NODES = 40;
const DAY_S = 86_400;
const MONTH_S = 30 * DAY_S;

/** `nodes` are groups of machines that are alike. */
export interface FleetCapacity extends FluidCapacity {
  /** Index into `nodes`, by the index of the machine. */
  readonly groupOf: readonly number[];
}

/** @throws OperationalError as `fluidCapacity`. @param overS over how long absences count, seconds; 0 for not at all. */
export function fleetCapacity(fleet: SimFleet, jobs: readonly SimJob[], overS = 0): FleetCapacity {
  const owners = new Set(jobs.flatMap(({ spec }) => (spec.privacy === "own" ? [spec.member] : [])));
  const groups = groupNodes(fleet, owners);
  const firsts: SimFleet = { nodes: groups.map(({ first }) => first) };
  const byPlaces = new Map<string, { readonly places: readonly SimPlace[]; readonly alike: SimJob[] }>();
  for (const job of jobs) {
    const places = placesOf(firsts, job.spec);
    const key = places.map(({ node, model }) => `${node.index}:${model.index}`).join();
    const known = byPlaces.get(key) ?? { places, alike: [] };
    byPlaces.set(key, known);
    known.alike.push(job);
  }
  const classes: FluidClass[] = [];
  for (const { places, alike } of byPlaces.values()) {
    for (const part of byRelation(alike, groups.length > MANY_NODES ? FEW_RELATIONS : RELATIONS))
      classes.push(classOf(`${targetOf(part)} ${classes.length + 1}`, part, places, firsts, jobs.length));
  }
  const groupOf = fleet.nodes.map((node) => groups.findIndex(({ members }) => members.includes(node)));
  const fluid = groups.map((group) => fluidNode(group, overS));
  return { ...fluidCapacity(fluid, classes), groupOf };
}

interface NodeGroup {
  readonly first: SimNode;
  readonly members: SimNode[];
}

/** Machines that differ in nothing that the bound looks at; an owner counts only where jobs ask for theirs. */
function groupNodes(fleet: SimFleet, owners: ReadonlySet<string>): NodeGroup[] {
  const groups = new Map<string, NodeGroup>();
  for (const node of fleet.nodes) {
    const { slots, modelMemoryBytes, models, tokensPerDay, tokensPerMonth, cooling, interference } = node;
    const owner = owners.has(node.owner) ? node.owner : null;
    const alike = { slots, modelMemoryBytes, models, tokensPerDay, tokensPerMonth, cooling, interference };
    const key = JSON.stringify({ ...alike, owner });
    const group = groups.get(key) ?? { first: node, members: [] };
    groups.set(key, group);
    group.members.push(node);
  }
  return [...groups.values()];
}

function fluidNode({ first, members }: NodeGroup, overS: number): FluidNode {
  const perMachine = budgetTokensPerSecond(first);
  return {
    name: first.name,
    count: members.reduce((sum, node) => sum + presentShare(node, overS), 0),
    tokensPerSecond: perMachine === null ? null : perMachine * members.length,
  };
}

function presentShare({ absences }: SimNode, overS: number): number {
  if (overS <= 0) return 1;
  let awayS = 0;
  for (const { fromS, untilS } of absences)
    awayS += Math.max(0, Math.min(untilS, overS) - Math.max(0, fromS));
  return 1 - awayS / overS;
}

function budgetTokensPerSecond({ tokensPerDay, tokensPerMonth }: SimNode): number | null {
  const least = Math.min((tokensPerDay ?? Infinity) / DAY_S, (tokensPerMonth ?? Infinity) / MONTH_S);
  return least === Infinity ? null : least;
}

/** Equal parts in the order of prompt to output. */
function byRelation(alike: readonly SimJob[], parts: number): SimJob[][] {
  const relation = ({ promptTokens, sharedTokens, outputTokens }: SimJob): number =>
    (promptTokens - sharedTokens) / Math.max(1, outputTokens);
  const sorted = alike.toSorted((one, other) => relation(one) - relation(other));
  const size = Math.ceil(sorted.length / parts);
  const divided: SimJob[][] = [];
  for (let from = 0; from < sorted.length; from += size) divided.push(sorted.slice(from, from + size));
  return divided;
}

function targetOf([first]: readonly SimJob[]): string {
  if (first === undefined) return "";
  return first.spec.target.kind === "tier" ? first.spec.target.tier : first.spec.target.model;
}

function classOf(
  name: string,
  alike: readonly SimJob[],
  places: readonly SimPlace[],
  groups: SimFleet,
  jobCount: number,
): FluidClass {
  const mean = (of: (job: SimJob) => number): number =>
    alike.reduce((sum, job) => sum + of(job), 0) / alike.length;
  return {
    name,
    share: alike.length / jobCount,
    tokens: mean(({ promptTokens, outputTokens }) => promptTokens + outputTokens),
    options: leastWorkOptions(
      places.map((place) => ({
        node: groups.nodes.indexOf(place.node),
        model: place.model.name,
        workS: mean((job) => leastWorkS(place, job)) / sustainedSpeed(place.node),
      })),
    ),
  };
}

/** Of each node the model that takes least work: nothing is gained by another. */
function leastWorkOptions(options: readonly FluidOption[]): FluidOption[] {
  const best = new Map<number, FluidOption>();
  for (const option of options) {
    const known = best.get(option.node);
    if (known === undefined || option.workS < known.workS) best.set(option.node, option);
  }
  return [...best.values()];
}
