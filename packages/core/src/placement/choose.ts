import type { Candidate, PlacementOption } from "./candidate.ts";
import { costOf, costOption, sharedBatch, weigh } from "./cost.ts";
import type { CostContext, OptionCost, Way } from "./cost.ts";
import { modelAt } from "./plan.ts";
import type { PlanNode } from "./plan.ts";
import {
  aloneS,
  createVirtualNode,
  evictionsFor,
  evictionsWhenIdle,
  isFull,
  loadLeftS,
  occupy,
  releaseS,
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
  /** Whether any node that was weighed still has a slot that is free now. */
  readonly canStartMore: () => boolean;
  /** The cost of an option as the pass stands. */
  readonly costOf: (candidate: Candidate, option: PlacementOption) => OptionCost;
}

export interface Choice {
  readonly option: PlacementOption;
  readonly cost: OptionCost;
}

export interface PassFleet {
  readonly planOf: (node: number) => PlanNode;
  /** Part of a kind's jobs that went to a node lately. */
  readonly sharesOf: (kind: string) => { readonly of: (node: number) => number };
  /** Jobs of a kind that wait. */
  readonly waitingOf: (kind: string) => number;
}

/** How much a job's size against others' counts in the order. */
const SIZE_EXPONENT = -0.3;

/** What a model on a node means for the order, as the pass begins. */
interface Start {
  readonly possible: boolean;
  /** Part of the decode time that falls on a running batch, up to `longestS`. */
  readonly sharedFactor: number;
  readonly longestS: number;
  readonly speed: number;
}

/** A node as a pass knows it, with the starts that were asked for, by model. */
interface PassNode {
  readonly ahead: VirtualNode;
  readonly starts: (Start | null)[];
}

interface Behind {
  weight: number;
  readonly shares: { readonly of: (node: number) => number };
}

export function createListPass(fleet: PassFleet): ListPass {
  const nodes = new Map<number, PassNode>();
  /** Weight of the jobs that are still to have their turn, by kind. */
  const behind = new Map<string, Behind>();
  const turned = new Map<string, number>();

  const passNodeOf = (index: number): PassNode => {
    const known = nodes.get(index);
    if (known !== undefined) return known;
    const plan = fleet.planOf(index);
    const node = { ahead: createVirtualNode(plan), starts: plan.models.map(() => null) };
    nodes.set(index, node);
    return node;
  };
  const nodeOf = (index: number): VirtualNode => passNodeOf(index).ahead;
  const startAt = (index: number, model: number): Start => {
    const { ahead, starts } = passNodeOf(index);
    const start = starts[model] ?? startOf(ahead, model);
    starts[model] = start;
    return start;
  };
  const priceOf = (node: number): number => {
    let price = 0;
    for (const { weight, shares } of behind.values()) if (weight > 0) price += weight * shares.of(node);
    return price;
  };
  const waitingAlike = ({ kind }: Candidate): number => fleet.waitingOf(kind) - (turned.get(kind) ?? 0) + 1;

  return {
    key(candidate) {
      let workS = Infinity;
      for (const option of candidate.options) {
        const { possible, sharedFactor, longestS, speed } = startAt(option.node, option.model);
        if (!possible) continue;
        const { prefillS, decodeS } = option;
        const addedS =
          prefillS + sharedFactor * Math.min(decodeS, longestS) + Math.max(0, decodeS - longestS);
        workS = Math.min(workS, addedS * speed);
      }
      if (workS === Infinity) workS = candidate.bestS;
      return (workS * Math.max(candidate.bestS, 1e-3) ** SIZE_EXPONENT) / candidate.weight;
    },
    begin(ordered) {
      behind.clear();
      for (const { kind, weight } of ordered) {
        const ofKind = behind.get(kind) ?? { weight: 0, shares: fleet.sharesOf(kind) };
        behind.set(kind, ofKind);
        ofKind.weight += weight;
      }
    },
    turn({ kind, weight }) {
      const ofKind = behind.get(kind);
      if (ofKind !== undefined) ofKind.weight = Math.max(0, ofKind.weight - weight);
      turned.set(kind, (turned.get(kind) ?? 0) + 1);
    },
    choose(candidate, mayUse) {
      let best: WeighedOption | null = null;
      let bestS = Infinity;
      let pricedNode = -1;
      let nodePrice = 0;
      const alike = waitingAlike(candidate);
      for (const option of candidate.options) {
        const node = nodeOf(option.node);
        if (isFull(node)) runUntilFree(node);
        if (node.elapsedS + aloneS(option) + loadLeftS(node, option.model) >= bestS) continue;
        if (!mayUse(option.node)) continue;
        if (option.node !== pricedNode) {
          pricedNode = option.node;
          nodePrice = priceOf(option.node);
        }
        const context = contextOf(node, candidate, nodePrice, alike);
        const way = weigh(node, option.model, option, context);
        if (way.totalS < bestS) {
          bestS = way.totalS;
          best = { option, node, context, way };
        }
      }
      if (best === null) return null;
      const { option, node, context, way } = best;
      return { option, cost: costOf(way, node, option, context) };
    },
    take(candidate, { option, cost }) {
      const { node: index, model, prefillS, decodeS } = option;
      const node = nodeOf(index);
      if (cost.kind === "switch") runUntilOthersEnd(node, model);
      const evicted = evictionsFor(node, model) ?? evictionsWhenIdle(node, model);
      occupy(node, { model, loadS: cost.loadS, prefillS, decodeS, weight: candidate.weight }, evicted);
      if (node.plan.release !== null) node.givenTokens += candidate.tokens;
      if (isFull(node)) runUntilFree(node);
    },
    canStartMore() {
      for (const { ahead } of nodes.values()) {
        if (ahead.isNow && !isFull(ahead) && releaseS(ahead, "interactive") <= 0) return true;
      }
      return false;
    },
    costOf(candidate, option) {
      const node = nodeOf(option.node);
      runUntilFree(node);
      const context = contextOf(node, candidate, priceOf(option.node), waitingAlike(candidate));
      return costOption(node, option.model, option, context);
    },
  };
}

interface WeighedOption {
  readonly option: PlacementOption;
  readonly node: VirtualNode;
  readonly context: CostContext;
  readonly way: Way;
}

const contextOf = (
  node: VirtualNode,
  candidate: Candidate,
  nodePrice: number,
  waitingAlike: number,
): CostContext => ({
  weight: candidate.weight,
  nodePrice,
  tokens: candidate.tokens,
  notBeforeS: notBeforeS(node, candidate),
  waitingAlike,
});

/** Owners need not keep to the pace that others keep to on their nodes. */
const notBeforeS = (node: VirtualNode, { spec }: Candidate): number =>
  node.plan.release === null || node.plan.release.owner === spec.member ? 0 : releaseS(node, spec.band);

function startOf(node: VirtualNode, model: number): Start {
  const { speed } = modelAt(node.plan, model);
  const { factor, longestS } = sharedBatch(node, model);
  return {
    possible: !isFull(node) && evictionsFor(node, model) !== null,
    sharedFactor: factor,
    longestS,
    speed,
  };
}
