import { assert } from "../assert.ts";
import type { JobSpec } from "../job/job.ts";
import { modelAt } from "./plan.ts";
import type { Need, PlanNode, Running } from "./plan.ts";

/**
 * A node run forward in thought, to see when it is free and what a job would meet there. The node's time is
 * shared evenly between units: each prefill is one, and so is each batch of decodes (one batch per model, or
 * one for all where models do not take turns). A load takes no share.
 */
export interface VirtualNode {
  readonly plan: PlanNode;
  readonly running: Progress[];
  /** By model index. */
  readonly loaded: boolean[];
  /** How far it was run forward, seconds. */
  elapsedS: number;
  /** Nothing was run forward: the slots that are free are free now. */
  isNow: boolean;
  /** Tokens of its budget that jobs were given in thought. */
  givenTokens: number;
  finishesS: readonly number[] | null;
}

interface Progress {
  readonly model: number;
  readonly weight: number;
  loadS: number;
  prefillS: number;
  decodeS: number;
  /** How fast it gets through its phase now, as a share of alone. */
  rate: number;
}

const DONE_S = 1e-6;
const NONE: readonly number[] = [];

export const createVirtualNode = (plan: PlanNode): VirtualNode => ({
  plan,
  running: plan.running.map(begun),
  loaded: plan.models.map((model) => model.loaded),
  elapsedS: 0,
  isNow: true,
  givenTokens: 0,
  finishesS: null,
});

const begun = ({ model, weight, loadS, prefillS, decodeS }: Running): Progress => ({
  model,
  weight,
  loadS,
  prefillS,
  decodeS,
  rate: 1,
});

export const isFull = (node: VirtualNode): boolean => node.running.length >= node.plan.slots;

/** Runs the node forward until it has a free slot. */
export function runUntilFree(node: VirtualNode): void {
  while (isFull(node) && node.running.length > 0) runToNextCompletion(node);
}

/** Runs the node forward until nothing but `model` runs. */
export function runUntilOthersEnd(node: VirtualNode, model: number): void {
  while (node.running.some((attempt) => attempt.model !== model)) runToNextCompletion(node);
}

/** Puts a job on the node in thought; `evicted` leaves the memory for its model. */
export function occupy(node: VirtualNode, attempt: Running, evicted: readonly number[]): void {
  for (const model of evicted) node.loaded[model] = false;
  node.loaded[attempt.model] = true;
  node.running.push(begun(attempt));
  node.finishesS = null;
}

/** When each running attempt ends if nothing is added, seconds from where the node stands; by index in `running`. */
export function finishTimesS(node: VirtualNode): readonly number[] {
  if (node.finishesS !== null) return node.finishesS;
  const ahead: VirtualNode = {
    plan: node.plan,
    running: node.running.map(begun),
    loaded: node.loaded,
    elapsedS: 0,
    isNow: false,
    givenTokens: 0,
    finishesS: null,
  };
  const order = ahead.running.slice();
  const finishesS = order.map(() => 0);
  while (ahead.running.length > 0) {
    const ended = runToNextCompletion(ahead);
    finishesS[order.indexOf(ended)] = ahead.elapsedS;
  }
  node.finishesS = finishesS;
  return finishesS;
}

function runToNextCompletion(node: VirtualNode): Progress {
  node.isNow = false;
  for (;;) {
    setRates(node);
    let stepS = Infinity;
    let next: Progress | null = null;
    for (const attempt of node.running) {
      const phaseS = phaseLeftS(attempt) / attempt.rate;
      if (phaseS < stepS) {
        stepS = phaseS;
        next = attempt;
      }
    }
    assert(next !== null, "a node that runs forward runs something");
    for (const attempt of node.running) {
      if (attempt !== next) progress(attempt, stepS * attempt.rate);
    }
    endPhase(next);
    node.elapsedS += stepS;
    if (next.loadS <= DONE_S && next.prefillS <= DONE_S && next.decodeS <= DONE_S) {
      node.running.splice(node.running.indexOf(next), 1);
      node.finishesS = null;
      return next;
    }
  }
}

function phaseLeftS(attempt: Progress): number {
  if (attempt.loadS > 0) return attempt.loadS;
  return attempt.prefillS > 0 ? attempt.prefillS : attempt.decodeS;
}

function progress(attempt: Progress, workS: number): void {
  if (attempt.loadS > 0) attempt.loadS = Math.max(0, attempt.loadS - workS);
  else if (attempt.prefillS > 0) attempt.prefillS = Math.max(0, attempt.prefillS - workS);
  else attempt.decodeS = Math.max(0, attempt.decodeS - workS);
}

function endPhase(attempt: Progress): void {
  if (attempt.loadS > 0) attempt.loadS = 0;
  else if (attempt.prefillS > 0) attempt.prefillS = 0;
  else attempt.decodeS = 0;
}

/** Sets how fast each attempt gets through its phase. */
function setRates({ plan, running }: VirtualNode): void {
  const oneBatch = plan.interference < 1;
  let units = 0;
  for (const attempt of running) {
    const { model, loadS, prefillS } = attempt;
    attempt.rate = 1;
    if (loadS > 0) continue;
    let batch = 0;
    let isFirst = true;
    for (const other of running) {
      if (prefillS > 0 || other.loadS > 0 || other.prefillS > 0) continue;
      if (!oneBatch && other.model !== model) continue;
      if (batch === 0) isFirst = other === attempt;
      batch += 1;
    }
    if (isFirst) units += 1;
    if (batch > 0) attempt.rate = 1 + modelAt(plan, model).capacity.batchFactor.value * (batch - 1);
  }
  for (const attempt of running) if (attempt.loadS <= 0) attempt.rate = 1 / (units * attempt.rate);
}

/**
 * The idle models that must leave memory for `model`, least recently used first; empty when it fits, null
 * when it does not fit beside what runs.
 */
export function evictionsFor(node: VirtualNode, model: number): readonly number[] | null {
  if (node.loaded[model] === true) return NONE;
  const busy = new Set(node.running.map((attempt) => attempt.model));
  const needBytes = modelAt(node.plan, model).residentBytes;
  let busyBytes = 0;
  for (const index of busy) busyBytes += modelAt(node.plan, index).residentBytes;
  if (busyBytes + needBytes > node.plan.modelMemoryBytes) return null;
  return leastRecentlyUsed(node, needBytes, busy);
}

/** The same when everything that runs now has ended. */
export const evictionsWhenIdle = (node: VirtualNode, model: number): readonly number[] =>
  node.loaded[model] === true
    ? []
    : leastRecentlyUsed(node, modelAt(node.plan, model).residentBytes, new Set());

function leastRecentlyUsed(
  node: VirtualNode,
  needBytes: number,
  kept: ReadonlySet<number>,
): readonly number[] {
  const { plan } = node;
  const inMemory = plan.models.map((_, index) => index).filter((index) => node.loaded[index] === true);
  let usedBytes = inMemory.reduce((sum, index) => sum + modelAt(plan, index).residentBytes, 0);
  const candidates = inMemory
    .filter((index) => !kept.has(index))
    .sort((one, other) => modelAt(plan, one).lastUseMs - modelAt(plan, other).lastUseMs);
  const evicted: number[] = [];
  for (const index of candidates) {
    if (usedBytes + needBytes <= plan.modelMemoryBytes) break;
    evicted.push(index);
    usedBytes -= modelAt(plan, index).residentBytes;
  }
  return evicted;
}

/** Seconds of loading that a job meets: the model's own, or what is left of a load under way. */
export function loadLeftS(node: VirtualNode, model: number): number {
  if (node.loaded[model] !== true) return modelAt(node.plan, model).loadS;
  if (node.running.length === 0) return 0;
  let leftS = 0;
  for (const attempt of node.running) if (attempt.model === model) leftS = Math.max(leftS, attempt.loadS);
  return leftS;
}

/** Whether something other than `model` runs. */
export const runsOthers = (node: VirtualNode, model: number): boolean =>
  node.running.some((attempt) => attempt.model !== model);

/** How long the node's token budget keeps a job of others than its owner waiting, seconds; not above 0: it may start. */
export function releaseS({ plan: { release }, givenTokens }: VirtualNode, band: JobSpec["band"]): number {
  if (release === null) return 0;
  const { interactiveS, batchS, tokensPerSecond } = release;
  const leastS = band === "batch" ? batchS : interactiveS;
  return givenTokens === 0 ? leastS : leastS + givenTokens / Math.max(tokensPerSecond, 1e-9);
}

export const aloneS = (need: Need): number => need.prefillS + need.decodeS;
