import type { CostTerms } from "./explanation.ts";
import { modelAt } from "./plan.ts";
import type { Need } from "./plan.ts";
import {
  aloneS,
  evictionsFor,
  evictionsWhenIdle,
  finishTimesS,
  isFull,
  loadLeftS,
  runsOthers,
} from "./virtual-node.ts";
import type { VirtualNode } from "./virtual-node.ts";

/**
 * The cost of one option for one job, in seconds of the job's time:
 * wait + own time + weighted delay to co-runners + price of the node's time + eviction + budget price.
 */

/** What a job brings to its cost, besides what it needs of the option. */
export interface CostContext {
  /** What a second of its delay is worth; batch work less than interactive. */
  readonly weight: number;
  /** What a second of the node's time costs those who wait behind: the sum of their weights. */
  readonly nodePrice: number;
  /** Tokens that the job is expected to take from the node's budget. */
  readonly tokens: number;
  /** How long the node's token budget keeps it waiting, seconds. */
  readonly notBeforeS: number;
  /** Jobs of the same class that wait, this one included. */
  readonly waitingAlike: number;
}

export interface OptionCost {
  /** `switch`: after the other models' attempts have ended. */
  readonly kind: "join" | "switch";
  readonly startsNow: boolean;
  readonly loadS: number;
  readonly evicted: readonly number[];
  readonly terms: CostTerms;
}

/** Seconds that an attempt meets and causes. */
interface Impact {
  /** Own time, loading aside. */
  readonly ownS: number;
  /** Delay of co-runners, each by its weight. */
  readonly othersS: number;
  /** What it adds to the node's work. */
  readonly workS: number;
}

/** Models that hinder each other this much are worth taking in turns. */
const SWITCH_INTERFERENCE_MIN = 0.5;
/** A switch that starts this close to now still counts as waiting. */
const SWITCH_MARGIN_S = 1e-6;

/**
 * Waits come out this much longer than by what runs now, as those who come meanwhile join it: 1.2 times at little load
 * and up to twice at much, by the simulator, over chats, code and a public hour of conversations.
 */
const WAITS_LONGER = 1.25;

/** The cheaper of joining what runs and waiting for other models to end, in all its terms. */
export const costOption = (node: VirtualNode, model: number, need: Need, context: CostContext): OptionCost =>
  costOf(weigh(node, model, need, context), node, need, context);

/** One way to run a job at an option, and its total: of the many that are compared, few are told in all their terms. */
export interface Way {
  readonly kind: OptionCost["kind"];
  readonly waitS: number;
  readonly loadS: number;
  readonly evicted: readonly number[];
  readonly evictionS: number;
  readonly impact: Impact;
  readonly totalS: number;
}

/** The cheaper of joining what runs and waiting for other models to end. */
export function weigh(node: VirtualNode, model: number, need: Need, context: CostContext): Way {
  const evictions = evictionsFor(node, model);
  const evicted = evictions ?? evictionsWhenIdle(node, model);
  const loadS = loadLeftS(node, model);
  const lostS = evictionS(node, evicted, aloneS(need));
  const budgetS = budgetSeconds(node, context);
  const wayOf = (kind: Way["kind"], freeS: number, impact: Impact): Way => {
    const waitS = Math.max(WAITS_LONGER * freeS, context.notBeforeS);
    const coRunnersS = impact.othersS / context.weight;
    const queueS = (context.nodePrice * impact.workS) / context.weight;
    const totalS = waitS + loadS + impact.ownS + coRunnersS + queueS + lostS + budgetS;
    return { kind, waitS, loadS, evicted, evictionS: lostS, impact, totalS };
  };
  const join = evictions === null ? null : wayOf("join", node.elapsedS, joinImpact(node, model, need));
  const mayTakeTurns = runsOthers(node, model) && node.plan.interference >= SWITCH_INTERFERENCE_MIN;
  if (join !== null && !mayTakeTurns) return join;
  const { waitS, impact } = switchImpact(node, model, need, context);
  const after = wayOf("switch", node.elapsedS + waitS + SWITCH_MARGIN_S, impact);
  return join !== null && join.totalS <= after.totalS ? join : after;
}

/** The terms of a way that was weighed on the node as it stands. */
export function costOf(way: Way, node: VirtualNode, need: Need, context: CostContext): OptionCost {
  const { kind, waitS, loadS, evicted, evictionS: lostS, impact, totalS } = way;
  const terms: CostTerms = {
    waitS,
    loadS,
    prefillS: need.prefillS,
    decodeS: need.decodeS,
    sharingS: impact.ownS - aloneS(need),
    coRunnersS: impact.othersS / context.weight,
    queueS: (context.nodePrice * impact.workS) / context.weight,
    evictionS: lostS,
    budgetS: budgetSeconds(node, context),
    totalS,
  };
  const startsNow = kind === "join" && node.isNow && !isFull(node) && context.notBeforeS <= 0;
  return { kind, startsNow, loadS, evicted, terms };
}

const budgetSeconds = ({ plan }: VirtualNode, { tokens, weight }: CostContext): number =>
  (plan.tokenPriceS * tokens) / weight;

/** Starting beside what runs. */
export function joinImpact(node: VirtualNode, model: number, need: Need): Impact {
  const { prefillS, decodeS } = need;
  const batchFactor = modelAt(node.plan, model).capacity.batchFactor.value;
  const chi = node.plan.interference;
  const sameRuns = node.running.some((other) => other.model === model);
  let batchedS = aloneS(need);
  for (const other of node.running) {
    if (other.model === model) batchedS += batchFactor * Math.min(other.decodeS, decodeS);
  }
  const byOthersS = chi < 1 ? chi * decodeS : decodeS;
  let ownS = batchedS;
  let othersS = 0;
  for (const other of node.running) {
    if (other.prefillS > 0) ownS += Math.min(other.prefillS, batchedS);
    const leftS = other.prefillS + other.decodeS;
    if (other.model === model) {
      othersS += other.weight * (Math.min(prefillS, leftS) + batchFactor * Math.min(decodeS, other.decodeS));
    } else {
      const hinderedS = prefillS + (chi >= 1 && sameRuns ? batchFactor * decodeS : byOthersS);
      othersS += other.weight * Math.min(hinderedS, leftS);
    }
  }
  ownS += hinderedByOtherModelsS(node, model, batchedS);
  return { ownS, othersS, workS: addedWorkS(node, model, need) };
}

/**
 * Other models' batches take turns with ours, as long as the longest of each; those whose prompts are still processed
 * take theirs only when that is over.
 */
function hinderedByOtherModelsS(node: VirtualNode, model: number, withinS: number): number {
  const chi = node.plan.interference;
  let sumS = 0;
  for (const first of node.running) {
    if (first.model === model) continue;
    let size = 0;
    let longestS = 0;
    let isFirst = true;
    for (const other of node.running) {
      if (other.model !== first.model) continue;
      if (size === 0) isFirst = other === first;
      size += 1;
      longestS = Math.max(longestS, Math.min(other.decodeS, withinS - other.prefillS));
    }
    if (!isFirst) continue;
    sumS += Math.min(1, chi * size) * longestS;
  }
  return sumS;
}

/**
 * The batch that a job's decode would share: for its first `longestS` seconds it adds only `factor` of its
 * time to the node's work. Where it would share none, 0 seconds.
 */
export function sharedBatch(
  node: VirtualNode,
  model: number,
): { readonly factor: number; readonly longestS: number } {
  const chi = node.plan.interference;
  let longestS = 0;
  let sameRuns = false;
  for (const other of node.running) {
    if (other.model === model) sameRuns = true;
    if (other.model === model || chi < 1) longestS = Math.max(longestS, other.decodeS);
  }
  const batchFactor = modelAt(node.plan, model).capacity.batchFactor.value;
  return { factor: chi >= 1 ? batchFactor : Math.min(sameRuns ? batchFactor : chi, chi), longestS };
}

/** Seconds of the node's time that a job adds: less than alone where it can share a batch. */
function addedWorkS(node: VirtualNode, model: number, { prefillS, decodeS }: Need): number {
  const { factor, longestS } = sharedBatch(node, model);
  return prefillS + factor * Math.min(decodeS, longestS) + Math.max(0, decodeS - longestS);
}

/** Waiting until the other models' attempts have ended, then running with what is left of the same model. */
function switchImpact(
  node: VirtualNode,
  model: number,
  need: Need,
  context: CostContext,
): { readonly waitS: number; readonly impact: Impact } {
  const { prefillS, decodeS } = need;
  const batchFactor = modelAt(node.plan, model).capacity.batchFactor.value;
  const finishesS = finishTimesS(node);
  let waitS = 0;
  for (const [index, other] of node.running.entries()) {
    if (other.model !== model) waitS = Math.max(waitS, finishesS[index] ?? 0);
  }
  let ownS = aloneS(need);
  let othersS = 0;
  let survivors = 0;
  for (const [index, other] of node.running.entries()) {
    const leftS = (finishesS[index] ?? 0) - waitS;
    if (other.model !== model || leftS <= 0) continue;
    survivors += 1;
    ownS += batchFactor * Math.min(leftS, decodeS);
    othersS += other.weight * (Math.min(prefillS, leftS) + batchFactor * Math.min(decodeS, leftS));
  }
  const { slots } = node.plan;
  const batch = Math.min(slots, survivors + Math.min(slots, Math.max(1, context.waitingAlike)));
  const workS = prefillS + (decodeS * (1 + batchFactor * (batch - 1))) / batch;
  return { waitS, impact: { ownS, othersS, workS } };
}

/** What throwing models out costs: their load again, as likely as one of them is wanted meanwhile. */
function evictionS(node: VirtualNode, evicted: readonly number[], needS: number): number {
  let sumS = 0;
  for (const index of evicted) {
    const { loadS, startsPerSecond } = modelAt(node.plan, index);
    sumS += loadS * (1 - Math.exp(-startsPerSecond * (loadS + needS)));
  }
  return sumS;
}
