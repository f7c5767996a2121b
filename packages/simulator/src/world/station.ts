import { assert, holdTokens, tierAtLeast } from "@coop/core";
import type { Calendar, DispatchEvent, JobSpec } from "@coop/core";
import type { SimNode } from "./fleet.ts";
import type { LiveNode } from "./fleet-view.ts";
import type { SimJob } from "./job.ts";
import { createMachine } from "./machine.ts";
import type { SimAttempt, SimMachine } from "./machine.ts";
import { createNodeReports, machineOf } from "./node-reports.ts";
import type { NodeReports } from "./node-reports.ts";
import { createNodeRecord } from "./records.ts";
import type { NodeRecord } from "./records.ts";
import { createTokenAccount } from "./token-account.ts";
import type { TokenAccount, TokenHold } from "./token-account.ts";
import { suits } from "./unloaded.ts";

/** One node with everything that the world keeps of it. */
export interface Station {
  readonly node: SimNode;
  readonly machine: SimMachine;
  readonly reports: NodeReports;
  readonly account: TokenAccount;
  readonly record: NodeRecord;
  readonly live: LiveNode;
  readonly runs: Map<SimAttempt, TokenHold>;
  /** Its next report says something new. */
  hasNews: boolean;
  /** What is in memory and how hot it is, as last reported. */
  reported: string;
  /** Tokens of its budget that were left when it last reported. */
  reportedTokensLeft: number;
}

export function createStation(node: SimNode, live: LiveNode, calendar: Calendar, bucketS: number): Station {
  return {
    node,
    machine: createMachine(node),
    reports: createNodeReports(node),
    account: createTokenAccount(node, calendar),
    record: createNodeRecord(node, bucketS),
    live,
    runs: new Map(),
    hasNews: false,
    reported: "",
    reportedTokensLeft: Infinity,
  };
}

/**
 * Begins a job, after checking that the policy may.
 * @throws a broken invariant when it may not.
 */
export function beginAt(station: Station, job: SimJob, modelName: string, nowMs: number): SimAttempt {
  const { node, live, machine } = station;
  const model = node.models.find(({ name }) => name === modelName);
  assert(model !== undefined, `${node.name} has ${modelName}`);
  assert(live.present, `${node.name} is present when ${job.spec.id} starts there`);
  assert(live.running < node.slots, `${node.name} has a slot for ${job.spec.id}`);
  assert(
    suits(job.spec, model) && mayRun(job.spec, node),
    `${model.name} on ${node.name} may serve ${job.spec.id}`,
  );
  const hold = station.account.hold(holdTokens(job.spec), nowMs);
  const attempt = machine.start(job, model.index);
  station.runs.set(attempt, hold);
  count(station, attempt, 1);
  return attempt;
}

const mayRun = (spec: JobSpec, node: SimNode): boolean =>
  spec.privacy !== "own" || node.owner === spec.member;

/** Settles an attempt that is over, however: its slot is free and its node paid for `usedTokens`. */
export function settleAt(station: Station, attempt: SimAttempt, usedTokens: number, nowMs: number): void {
  const hold = station.runs.get(attempt);
  assert(hold !== undefined, `${attempt.job.spec.id} runs on ${station.node.name}`);
  station.runs.delete(attempt);
  station.account.settle(hold, usedTokens, nowMs);
  station.hasNews = true;
  count(station, attempt, -1);
}

function count({ live, node }: Station, { model }: SimAttempt, by: number): void {
  live.running += by;
  const state = live.models[model];
  assert(state !== undefined, `${node.name} has a model ${model}`);
  state.running += by;
}

/** Whether memory or heat changed since the node last reported, or more is left of its budget: a new day began. */
export function hasTurned(station: Station): boolean {
  const { machine, node, live } = station;
  if ((live.tokensLeft ?? 0) > station.reportedTokensLeft) return true;
  return station.reported !== stateOf(machine, node);
}

const stateOf = (machine: SimMachine, node: SimNode): string =>
  `${machine.thermal()} ${node.models.map(({ index }) => (machine.isLoaded(index) ? 1 : 0)).join("")}`;

/** What the node says now; policies that hear no reports see it in the view. */
export function reportOf(station: Station, nowMs: number): Extract<DispatchEvent, { kind: "node-reported" }> {
  const { node, machine, reports, account, live } = station;
  const thermalBefore = station.reported.split(" ")[0];
  if (thermalBefore !== "" && thermalBefore !== machine.thermal()) reports.conditionsChanged();
  station.reported = stateOf(machine, node);
  station.reportedTokensLeft = live.tokensLeft ?? Infinity;
  station.hasNews = false;
  for (const model of live.models) model.capacity = reports.capacityOf(model.index);
  return {
    kind: "node-reported",
    node: node.id,
    report: reports.report(machine),
    budget: account.budget(nowMs),
  };
}

export function joinedEvent(
  station: Station,
  nowMs: number,
): Extract<DispatchEvent, { kind: "node-joined" }> {
  const { report, budget } = reportOf(station, nowMs);
  const { id, name, owner } = station.node;
  return {
    kind: "node-joined",
    identity: { id, name, owner },
    machine: machineOf(station.node),
    report,
    running: [],
    budget,
  };
}

/** Whether a job is served below the tier that it asks for. */
export function isBelowTier(spec: JobSpec, node: SimNode, model: number): boolean {
  const tier = node.models[model]?.tier;
  return tier !== undefined && spec.target.kind === "tier" && !tierAtLeast(tier, spec.target.tier);
}
