import type { ModelCapacity } from "../fleet/node.ts";
import type { MemberId, Tier } from "../terms.ts";

/**
 * The fleet as one placement decision sees it, at one moment. Times are seconds; what a job or an attempt
 * needs "alone" is what it would take with the node to itself.
 */

/** A model on a node. */
export interface PlanModel {
  readonly name: string;
  readonly tier: Tier;
  readonly capacity: ModelCapacity;
  readonly residentBytes: number;
  readonly loadS: number;
  /** In memory now, or on its way there for an attempt. */
  readonly loaded: boolean;
  readonly lastUseMs: number;
  /** How often attempts of it start, per second, over the last minutes. */
  readonly startsPerSecond: number;
  /** Reference machine's step time over this node's, at most 1: what a second here is worth. */
  readonly speed: number;
}

/** What an attempt still needs, alone. */
export interface Running {
  /** Index into the node's models. */
  readonly model: number;
  readonly loadS: number;
  readonly prefillS: number;
  readonly decodeS: number;
  /** What a second of its delay costs. */
  readonly weight: number;
}

export interface PlanNode {
  readonly slots: number;
  readonly modelMemoryBytes: number;
  /** chi: 1 when models share the node by turns, towards the batch factor when they share one batch. */
  readonly interference: number;
  /** Price of one token of the node's budget, seconds. */
  readonly tokenPriceS: number;
  /** When its token budgets let the next job start; null without a budget. */
  readonly release: PlanRelease | null;
  readonly models: readonly PlanModel[];
  readonly running: readonly Running[];
}

/** Seconds from now, by band, not after now when a job may start; its owner's own jobs need not wait for it. */
export interface PlanRelease {
  readonly interactiveS: number;
  readonly batchS: number;
  readonly tokensPerSecond: number;
  readonly owner: MemberId;
}

/** What one job needs of one model on one node, alone. */
export interface Need {
  readonly prefillS: number;
  readonly decodeS: number;
}

/** The model at an index that the plan itself handed out. */
export function modelAt(node: PlanNode, index: number): PlanModel {
  const model = node.models[index];
  if (model === undefined)
    throw new Error(`broken invariant: no model ${index} on a node of ${node.models.length}`);
  return model;
}
