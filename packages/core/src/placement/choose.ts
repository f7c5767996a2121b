import type { Candidate, PlacementOption } from "./candidate.ts";
import { costOption, addedWorkS } from "./cost.ts";
import type { OptionCost } from "./cost.ts";
import { modelAt } from "./plan.ts";
import type { PlanNode } from "./plan.ts";
import {
  aloneS,
  createVirtualNode,
  evictionsFor,
  evictionsWhenIdle,
  isFull,
  occupy,
  runUntilFree,
  runUntilOthersEnd,
} from "./virtual-node.ts";
import type { VirtualNode } from "./virtual-node.ts";

/**
 * The list pass: jobs in their order each choose the option of least cost, on nodes that are run forward in
 * thought. A job whose best option is not free now reserves it there, so that those behind see it taken.
 */
export interface ListPass {
  /** Where a job stands in the order: work that its best startable option adds, small first. */
  readonly key: (candidate: Candidate) => number;
  /** Sets the order's prices: what a node's time costs those who wait. */
  readonly begin: (ordered: readonly Candidate[]) => void;
  /** A job's turn comes: it no longer waits behind anyone. */
  readonly turn: (candidate: Candidate) => void;
  /** The option of least cost among those that `mayUse` admits; null when there is none. */
  readonly choose: (candidate: Candidate, mayUse: (node: number) => boolean) => Choice | null;
  /** Takes the chosen option, in thought. */
  readonly take: (candidate: Candidate, choice: Choice) => void;
  /** The cost of an option as the pass stands. */
  readonly costOf: (candidate: Candidate, option: PlacementOption) => OptionCost;
}

export interface Choice {
  readonly option: PlacementOption;
  readonly cost: OptionCost;
}

export interface PassFleet {
  readonly planOf: (node: number) => PlanNode;
  /** Part of a class's jobs that went to a node lately. */
  readonly shareOf: (kind: string, node: number) => number;
  /** Jobs of a class that wait. */
  readonly waitingOf: (kind: string) => number;
}

/** How much a job's size against others' counts in the order. */
const SIZE_EXPONENT = -0.3;

export function createListPass(fleet: PassFleet): ListPass {
  const nodes = new Map<number, VirtualNode>();
  /** Weight of the jobs that are still to have their turn, by class. */
  const weightBehind = new Map<string, number>();
  const turned = new Map<string, number>();

  const nodeOf = (index: number): VirtualNode => {
    const known = nodes.get(index);
    if (known !== undefined) return known;
    const made = createVirtualNode(fleet.planOf(index));
    nodes.set(index, made);
    return made;
  };
  const priceOf = (node: number): number => {
    let price = 0;
    for (const [kind, weight] of weightBehind) price += weight * fleet.shareOf(kind, node);
    return price;
  };
  const costOn = (
    node: VirtualNode,
    candidate: Candidate,
    option: PlacementOption,
    nodePrice: number,
  ): OptionCost =>
    costOption(node, option.model, option.need, {
      weight: candidate.weight,
      nodePrice,
      tokens: candidate.tokens,
      waitingAlike: fleet.waitingOf(candidate.kind) - (turned.get(candidate.kind) ?? 0) + 1,
    });

  return {
    key(candidate) {
      let workS = Infinity;
      for (const { node, model, need } of candidate.options) {
        const virtual = nodeOf(node);
        if (isFull(virtual) || evictionsFor(virtual, model) === null) continue;
        workS = Math.min(workS, addedWorkS(virtual, model, need) * modelAt(virtual.plan, model).speed);
      }
      if (workS === Infinity) workS = candidate.bestS;
      return (workS * Math.max(candidate.bestS, 1e-3) ** SIZE_EXPONENT) / candidate.weight;
    },
    begin(ordered) {
      weightBehind.clear();
      for (const { kind, weight } of ordered) weightBehind.set(kind, (weightBehind.get(kind) ?? 0) + weight);
    },
    turn({ kind, weight }) {
      weightBehind.set(kind, Math.max(0, (weightBehind.get(kind) ?? 0) - weight));
      turned.set(kind, (turned.get(kind) ?? 0) + 1);
    },
    choose(candidate, mayUse) {
      let best: Choice | null = null;
      let bestS = Infinity;
      let pricedNode = -1;
      let nodePrice = 0;
      for (const option of candidate.options) {
        if (!mayUse(option.node)) continue;
        const node = nodeOf(option.node);
        runUntilFree(node);
        if (node.elapsedS + aloneS(option.need) >= bestS) continue;
        if (option.node !== pricedNode) {
          pricedNode = option.node;
          nodePrice = priceOf(option.node);
        }
        const cost = costOn(node, candidate, option, nodePrice);
        if (cost.terms.totalS < bestS) {
          bestS = cost.terms.totalS;
          best = { option, cost };
        }
      }
      return best;
    },
    take(candidate, { option, cost }) {
      const node = nodeOf(option.node);
      if (cost.kind === "switch") runUntilOthersEnd(node, option.model);
      const evicted = evictionsFor(node, option.model) ?? evictionsWhenIdle(node, option.model);
      const { need, model } = option;
      occupy(node, { model, loadS: cost.loadS, ...need, weight: candidate.weight }, evicted);
      runUntilFree(node);
    },
    costOf(candidate, option) {
      const node = nodeOf(option.node);
      runUntilFree(node);
      return costOn(node, candidate, option, priceOf(option.node));
    },
  };
}
