import { leftTokens, spendTokens } from "../budget/node-budget.ts";
import type { NodeBudget } from "../budget/node-budget.ts";
import type { Release } from "../budget/pace.ts";
import { tierOfModel } from "../catalogue/tiers.ts";
import type {
  AttemptPhase,
  Machine,
  ModelReport,
  NodeIdentity,
  NodeReport,
  NodeView,
} from "../fleet/node.ts";
import type { JobSpec, Usage } from "../job/job.ts";
import { holdTokens } from "../job/job.ts";
import { openRefusals, readinessRefusals } from "../placement/feasible.ts";
import { planModels, planWith, weightOf } from "../placement/plan-node.ts";
import type { ModelUse, PlanSource } from "../placement/plan-node.ts";
import type { PlanModel, PlanNode } from "../placement/plan.ts";
import type { JobId, Tier } from "../terms.ts";
import { createNodePace, noteAttempt, releaseFor, tokenPriceS } from "./node-pace.ts";
import type { NodePace } from "./node-pace.ts";
import { createNodeTime, passTime } from "../fairness/node-time.ts";
import type { NodeTime } from "../fairness/node-time.ts";

/** The nodes and their attempts, as the dispatcher keeps them: changed in place. */

export interface Attempt {
  readonly spec: JobSpec;
  readonly node: FleetNode;
  readonly model: string;
  readonly startedAtMs: number;
  readonly meanOutputTokens: number;
  readonly cachedTokens: number;
  /** Prompt and output tokens that it is expected to use; what it has used, where that is more. */
  expectedTokens: number;
  /** Reference-seconds that its member was charged for it so far. */
  chargedS: number;
  /** Reference-seconds that it may come to at most. */
  readonly mostS: number;
  phase: AttemptPhase;
  outputTokens: number;
  /** When phase or tokens were last heard of. */
  heardAtMs: number;
}

export interface FleetNode {
  /** The dispatcher's number of the node; never used again. */
  readonly index: number;
  readonly identity: NodeIdentity;
  machine: Machine;
  report: NodeReport;
  /** Number of the claim class: nodes that serve the same models. */
  claimClass: number;
  tiers: Readonly<Record<string, Tier>>;
  connected: boolean;
  lastSeenMs: number;
  /** As reported, less the holds of what was assigned since. */
  budget: NodeBudget;
  readonly attempts: Map<JobId, Attempt>;
  readonly uses: Map<string, Use>;
  pace: NodePace;
  /** Who had its time lately, as of the last start or end. */
  time: NodeTime;
  /** Nothing keeps it from starting a job but its slots. */
  open: boolean;
  /** By model index: nothing keeps the model from running. */
  ready: readonly boolean[];
  /** Grows whenever the models, or what they are fit for, change. */
  modelsVersion: number;
  plan: { readonly atMs: number; readonly value: PlanNode; readonly release: Release | null } | null;
  /** Planned models: until a report or an attempt changes them, and for so long that their use fades little. */
  planModels: { readonly atMs: number; readonly value: readonly PlanModel[] } | null;
}

interface Use {
  lastUseMs: number;
  lastStartMs: number;
  /** As of the last start; it fades since. */
  startsPerSecond: number;
}

const USE_MEMORY_MS = 300_000;
const PLANNED_MODELS_MS = 2_000;

export function createFleetNode(
  index: number,
  claimClass: number,
  joined: {
    readonly identity: NodeIdentity;
    readonly machine: Machine;
    readonly report: NodeReport;
    readonly budget: NodeBudget;
  },
  nowMs: number,
): FleetNode {
  const node: FleetNode = {
    index,
    identity: joined.identity,
    machine: joined.machine,
    report: joined.report,
    claimClass,
    tiers: tiersOf(joined.report),
    connected: true,
    lastSeenMs: nowMs,
    budget: joined.budget,
    attempts: new Map(),
    uses: new Map(),
    pace: createNodePace(nowMs),
    time: createNodeTime(nowMs),
    open: false,
    ready: [],
    modelsVersion: 0,
    plan: null,
    planModels: null,
  };
  refresh(node);
  return node;
}

/** Takes in a report. Answers whether the node may now serve what it could not before, or the reverse. */
export function takeReport(node: FleetNode, report: NodeReport, budget: NodeBudget, nowMs: number): boolean {
  const conditions = () =>
    [node.open, node.ready.join(), node.report.slots, leftTokens(node.budget) === Infinity].join();
  const before = conditions();
  const sameModels =
    report.models.length === node.report.models.length &&
    report.models.every((model, index) => isAlike(model, node.report.models[index]));
  node.report = report;
  node.lastSeenMs = nowMs;
  node.budget = budget;
  if (!sameModels) {
    node.tiers = tiersOf(report);
    node.modelsVersion += 1;
  }
  refresh(node);
  return !sameModels || before !== conditions();
}

/** Works out again what the node is open to, after a change of its connection or report. */
export function refresh(node: FleetNode): void {
  node.open = openRefusals(node).length === 0;
  node.ready = node.report.models.map((model) => readinessRefusals(node, model).length === 0);
  forgetPlan(node);
}

export const hasFreeSlot = (node: FleetNode): boolean => node.attempts.size < node.report.slots;

/** Starts an attempt: it holds its slot and its tokens at once. */
export function startAttempt(attempt: Attempt, holdsTokens: boolean, nowMs: number): void {
  const { node, spec, model } = attempt;
  noteTime(node, nowMs);
  node.attempts.set(spec.id, attempt);
  if (holdsTokens) node.budget = spendTokens(node.budget, holdTokens(spec));
  const startsPerSecond = useOf(node, model, nowMs).startsPerSecond + 1000 / USE_MEMORY_MS;
  node.uses.set(model, { lastUseMs: nowMs, lastStartMs: nowMs, startsPerSecond });
  forgetPlan(node);
}

/** Ends an attempt. What it held and did not use is free again; when nobody knows what it used, nothing is. */
export function endAttempt(attempt: Attempt, usage: Usage | null, nowMs: number): void {
  const { node, spec, model } = attempt;
  noteTime(node, nowMs);
  node.attempts.delete(spec.id);
  const held = holdTokens(spec);
  const used = usage === null ? held : usage.promptTokens + usage.outputTokens;
  node.budget = spendTokens(node.budget, used - held);
  // What it used is not what it held, so that an attempt of unknown use teaches nothing.
  if (usage !== null) {
    const tookMs = nowMs - attempt.startedAtMs;
    noteAttempt(node.pace, { tookMs, tokens: used, unusedTokens: held - used });
  }
  const use = node.uses.get(model);
  if (use !== undefined) use.lastUseMs = nowMs;
  forgetPlan(node);
}

/** Counts the time since the last start or end for those who ran. */
export function noteTime({ time, attempts }: FleetNode, nowMs: number): void {
  if (nowMs > time.atMs)
    passTime(
      time,
      Array.from(attempts.values(), ({ spec }) => spec.member),
      nowMs,
    );
}

/** Before the next plan, everything is looked at again. */
function forgetPlan(node: FleetNode): void {
  node.plan = null;
  node.planModels = null;
}

/** Takes in how far an attempt has come. */
export function noteProgress(
  attempt: Attempt,
  phase: AttemptPhase,
  outputTokens: number,
  nowMs: number,
): void {
  attempt.phase = phase;
  attempt.outputTokens = outputTokens;
  attempt.expectedTokens = Math.max(attempt.expectedTokens, attempt.spec.promptTokens + outputTokens);
  attempt.heardAtMs = nowMs;
  attempt.node.plan = null;
}

/** The node as placement sees it now. */
export function planOf(node: FleetNode, nowMs: number): PlanNode {
  if (node.plan !== null && isStillTrue(node, node.plan.atMs, nowMs)) return node.plan.value;
  const release = releaseFor(node, nowMs);
  const source: PlanSource = {
    report: node.report,
    tiers: node.tiers,
    attempts: Array.from(node.attempts.values(), (attempt) => ({
      model: attempt.model,
      phase: attempt.phase,
      sinceHeardS: Math.max(0, nowMs - attempt.heardAtMs) / 1000,
      promptTokens: attempt.spec.promptTokens,
      cachedTokens: attempt.cachedTokens,
      maxOutputTokens: attempt.spec.maxOutputTokens,
      outputTokens: attempt.outputTokens,
      meanOutputTokens: attempt.meanOutputTokens,
      weight: weightOf(attempt.spec),
    })),
    useOf: (model) => useOf(node, model, nowMs),
    tokenPriceS: tokenPriceS(node, release, nowMs),
    release:
      release === null
        ? null
        : {
            interactiveS: (release.interactiveMs - nowMs) / 1000,
            batchS: (release.batchMs - nowMs) / 1000,
            tokensPerSecond: release.tokensPerSecond,
            owner: node.identity.owner,
          },
  };
  const known = node.planModels;
  const isFresh = known !== null && Math.abs(nowMs - known.atMs) < PLANNED_MODELS_MS;
  const models = isFresh ? known : { atMs: nowMs, value: planModels(source) };
  const value = planWith(source, models.value);
  node.planModels = models;
  node.plan = { atMs: nowMs, value, release };
  return value;
}

/** What runs moves on with every moment; an idle node stays as it is for a while. */
const isStillTrue = (node: FleetNode, plannedAtMs: number, nowMs: number): boolean =>
  nowMs === plannedAtMs ||
  (node.attempts.size === 0 &&
    Math.abs(nowMs - plannedAtMs) < PLANNED_MODELS_MS &&
    leftTokens(node.budget) === Infinity);

function useOf(node: FleetNode, model: string, nowMs: number): ModelUse {
  const use = node.uses.get(model);
  if (use === undefined) return { lastUseMs: 0, startsPerSecond: 0 };
  const fade = Math.exp(-Math.max(0, nowMs - use.lastStartMs) / USE_MEMORY_MS);
  return { lastUseMs: use.lastUseMs, startsPerSecond: use.startsPerSecond * fade };
}

export const viewOf = (node: FleetNode): NodeView => ({
  identity: node.identity,
  machine: node.machine,
  report: node.report,
  connected: node.connected,
  lastSeenMs: node.lastSeenMs,
  active: Array.from(node.attempts.values(), (attempt) => ({
    job: attempt.spec.id,
    model: attempt.model,
    phase: attempt.phase,
    startedAtMs: attempt.startedAtMs,
    promptTokens: attempt.spec.promptTokens,
    maxOutputTokens: attempt.spec.maxOutputTokens,
    outputTokens: attempt.outputTokens,
  })),
  budget: node.budget,
  tokenPriceS: leftTokens(node.budget) === Infinity ? 0 : node.pace.price.priceS,
  tiers: node.tiers,
});

const tiersOf = (report: NodeReport): Record<string, Tier> =>
  Object.fromEntries(report.models.map((model) => [model.name, tierOfModel(model)]));

/** Whether a model is fit for the same jobs as before; its speed may have changed. */
const isAlike = (one: ModelReport, other: ModelReport | undefined): boolean =>
  other !== undefined &&
  one.name === other.name &&
  one.cloud === other.cloud &&
  one.contextTokens === other.contextTokens &&
  one.parameterCount === other.parameterCount &&
  one.capabilities.join() === other.capabilities.join();
