import { decodeTokensPerSecond } from "@coop/core";
import type { FleetSnapshot, ModelReport, NodeView, Tier } from "@coop/core";

/** The fleet as the co-op's page draws it; everyone may see it. Rates are output tokens a second. */
export interface LiveFleet {
  readonly atMs: number;
  readonly connected: number;
  readonly slots: number;
  readonly running: number;
  readonly waiting: number;
  /** What runs now gives, over the time since the snapshot before. */
  readonly outputRate: number;
  /** What connected nodes could give with all slots busy on the fastest model of each. */
  readonly possibleRate: number;
  readonly nodes: readonly LiveNode[];
}

export interface LiveNode {
  readonly id: string;
  readonly name: string;
  readonly chip: string;
  readonly memoryGib: number;
  readonly simulated: boolean;
  /** Whether it takes jobs, in words. */
  readonly state: "open" | "closed" | "away";
  readonly stateText: string;
  readonly slots: number;
  readonly running: number;
  readonly outputRate: number;
  readonly models: readonly LiveModel[];
  /** Budgets that its owner set, with the share of each that is left. */
  readonly budgets: readonly { readonly period: "day" | "month"; readonly leftShare: number }[];
  /** It runs another agent than the server hands out; not told of one that runs from its sources, which names no build. */
  readonly outdated: boolean;
}

export interface LiveModel {
  readonly name: string;
  readonly tier: Tier;
  readonly loaded: boolean;
  /** Of one generation alone; null for a model that makes no text. */
  readonly outputRate: number | null;
  readonly basis: "measured" | "prior";
  readonly healthy: boolean;
}

/**
 * @param before an older snapshot, null for none: rates are then 0
 * @param agentVersion of the agent that the server hands out, null when it hands out none
 */
export function liveFleet(
  snapshot: FleetSnapshot,
  before: FleetSnapshot | null,
  agentVersion: string | null,
): LiveFleet {
  const rates = outputRates(snapshot, before);
  const nodes = snapshot.nodes.map((node) => liveNode(node, rates, agentVersion));
  const connected = snapshot.nodes.filter((node) => node.connected);
  const sum = (of: (node: NodeView) => number): number =>
    connected.reduce((total, node) => total + of(node), 0);
  return {
    atMs: snapshot.atMs,
    connected: connected.length,
    slots: sum(({ report }) => report.slots),
    running: sum(({ active }) => active.length),
    waiting: snapshot.pendingJobs,
    outputRate: nodes.reduce((total, { outputRate }) => total + outputRate, 0),
    possibleRate: sum(possibleRate),
    nodes,
  };
}

/** Tokens a second of each job that both snapshots know; what began and ended between them is missed. */
function outputRates(now: FleetSnapshot, before: FleetSnapshot | null): ReadonlyMap<string, number> {
  const seconds = before === null ? 0 : (now.atMs - before.atMs) / 1000;
  if (before === null || seconds <= 0) return new Map();
  const known = new Map(
    before.nodes.flatMap(({ active }) => active.map(({ job, outputTokens }) => [job, outputTokens])),
  );
  return new Map(
    now.nodes.flatMap(({ active }) =>
      active.map(({ job, outputTokens }) => [
        job,
        Math.max(0, outputTokens - (known.get(job) ?? 0)) / seconds,
      ]),
    ),
  );
}

const isTextModel = (model: ModelReport): boolean => model.capabilities.includes("completion");

function possibleRate({ report }: NodeView): number {
  const slots = Math.max(1, report.slots);
  const rates = report.models
    .filter(isTextModel)
    .map(({ capacity }) => slots * decodeTokensPerSecond(capacity, 0, slots));
  return Math.max(0, ...rates);
}

function liveNode(node: NodeView, rates: ReadonlyMap<string, number>, agentVersion: string | null): LiveNode {
  const { identity, machine, report, active } = node;
  return {
    id: identity.id,
    name: identity.name,
    chip: machine.chip,
    memoryGib: Math.round(machine.memoryBytes / 2 ** 30),
    simulated: machine.simulated,
    ...stateOf(node),
    slots: report.slots,
    running: active.length,
    outputRate: active.reduce((total, { job }) => total + (rates.get(job) ?? 0), 0),
    models: report.models.map((model) => liveModel(node, model)),
    budgets: budgetsOf(node),
    outdated: agentVersion !== null && isOtherAgent(machine.agentVersion, agentVersion),
  };
}

const CLOSED = {
  paused: "paused by its owner",
  "outside-hours": "outside its serving hours",
  "owner-active": "its owner is using it",
  drained: "drained by an operator",
} as const;

function stateOf({ connected, report }: NodeView): Pick<LiveNode, "state" | "stateText"> {
  if (!connected) return { state: "away", stateText: "away" };
  if (report.draining) return { state: "closed", stateText: "stopping" };
  if (report.availability.kind === "closed")
    return { state: "closed", stateText: CLOSED[report.availability.reason] };
  if (report.pressure === "critical") return { state: "closed", stateText: "short of memory" };
  if (report.thermal === "critical") return { state: "closed", stateText: "too hot" };
  return { state: "open", stateText: "takes jobs" };
}

function liveModel({ report, tiers }: NodeView, model: ModelReport): LiveModel {
  const { capacity } = model;
  return {
    name: model.name,
    tier: tiers[model.name] ?? "edge",
    loaded: model.loaded,
    outputRate: isTextModel(model) ? decodeTokensPerSecond(capacity, 0, 1) : null,
    basis: capacity.effectiveBytesPerSecond.basis,
    healthy: !(model.name in report.unhealthy),
  };
}

function budgetsOf({ report, budget }: NodeView): LiveNode["budgets"] {
  const periods = [
    ["day", report.tokensPerDay, budget.dayLeftTokens],
    ["month", report.tokensPerMonth, budget.monthLeftTokens],
  ] as const;
  return periods.flatMap(([period, limit, left]) =>
    limit === null || left === null || limit === 0
      ? []
      : [{ period, leftShare: Math.min(1, Math.max(0, left / limit)) }],
  );
}

/** @param running `0.1.0+1f3a9c2e`, or `0.1.0` from its sources, which are as new as whoever keeps them */
const isOtherAgent = (running: string, handedOut: string): boolean =>
  running !== handedOut && running !== handedOut.split("+")[0];
