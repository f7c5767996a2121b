import type { Choice } from "../placement/choose.ts";
import { couldNeverServe, decisionFor, nodeVerdict } from "../placement/explain.ts";
import type { NodeVerdict, Placement, Refusal } from "../placement/explanation.ts";
import { optionsOf } from "../placement/plan-node.ts";
import type { MemberId } from "../terms.ts";
import type { FleetNode } from "./fleet.ts";
import { aheadOf, candidateOf } from "./gather.ts";
import type { RoundCandidate } from "./gather.ts";
import type { PendingJob } from "./pending-job.ts";
import { runPass } from "./round.ts";
import type { PassView, RoundState, Turn } from "./round.ts";

/** Explanations from the dispatcher's own state: what a decision was made on, not a second opinion. */

/** Jobs further back are told how many go before them. */
const EXPLAINED_DEPTH = 64;
/** Larger fleets are explained in part: the nodes that were weighed, then others, up to this many. */
const EXPLAINED_NODES_MAX = 16;

/** The placement that goes with an assignment. */
export function explainAssigned(
  state: RoundState,
  nowMs: number,
  candidate: RoundCandidate,
  choice: Choice,
  view: PassView,
): Placement {
  return {
    atMs: nowMs,
    decision: decisionOf(state, choice),
    nodes: verdicts(state, candidate, choice, view),
  };
}

/** Why a pending job is where it is. */
export function explainPending(state: RoundState, nowMs: number, job: PendingJob): Placement {
  let placement: Placement | null = null;
  let ahead = 0;
  const asItEnded = runPass(state, nowMs, EXPLAINED_DEPTH, (candidate, choice, view) => {
    if (candidate.job !== job) {
      ahead += 1;
      return "go-on";
    }
    const nodes = verdicts(state, candidate, choice, view);
    const isItsTurn =
      choice !== null && view.turnOf(candidate, state.nodeAt(choice.option.node)) === "its-turn";
    const decision = isItsTurn
      ? decisionOf(state, choice)
      : { kind: "waiting" as const, why: whyInOrder(job, turnsAt(state, candidate, view), ahead) };
    placement = { atMs: nowMs, decision, nodes };
    return "stop";
  });
  return placement ?? explainAside(state, nowMs, job, ahead, asItEnded);
}

const fairOrder = (job: PendingJob): string =>
  `others go first in the fair order: ${job.spec.member} has had more`;

/** A job that had no turn: it backs off, no open node can serve it, or others go first. */
function explainAside(
  state: RoundState,
  nowMs: number,
  job: PendingJob,
  ahead: number,
  view: PassView,
): Placement {
  const usable = state.usableBy(job.kind);
  const candidate = candidateOf(job, usable, usable.models, state);
  if (candidate === null) {
    const nodes = refusedVerdicts(state, job);
    if (couldNeverServe(nodes)) {
      return {
        atMs: nowMs,
        decision: { kind: "impossible", why: "no known node could ever serve it" },
        nodes,
      };
    }
    const why = nodes.length === 0 ? "no node has joined yet" : "no node that could serve it can now";
    return { atMs: nowMs, decision: { kind: "waiting", why: backOff(job, nowMs) ?? why }, nodes };
  }
  const why = backOff(job, nowMs) ?? whyInOrder(job, turnsAt(state, candidate, view), ahead);
  return { atMs: nowMs, decision: { kind: "waiting", why }, nodes: verdicts(state, candidate, null, view) };
}

const turnsAt = (state: RoundState, candidate: RoundCandidate, view: PassView): readonly Turn[] =>
  candidate.options.map(({ node }) => view.turnOf(candidate, state.nodeAt(node)));

function whyInOrder(job: PendingJob, turns: readonly Turn[], ahead: number): string {
  if (turns.includes("share") && !turns.includes("its-turn")) {
    return `${job.spec.member} has had its part of the nodes that could serve it, and others use them too`;
  }
  if (turns.includes("its-turn")) return `at least ${ahead} smaller, older or more urgent jobs go first`;
  if (turns.includes("hour") && !turns.includes("fair-order"))
    return "the token budgets of the nodes that could serve it have too little left for it this hour";
  return turns.includes("owner-first") && !turns.includes("fair-order")
    ? "the nodes that could serve it are kept for jobs of their owners"
    : fairOrder(job);
}

const backOff = (job: PendingJob, nowMs: number): string | null =>
  job.notBeforeMs > nowMs ? `is tried again from ${new Date(job.notBeforeMs).toISOString()}` : null;

function decisionOf(state: RoundState, choice: Choice): Placement["decision"] {
  const node = state.nodeAt(choice.option.node);
  return decisionFor(choice, node, node.report.models[choice.option.model]?.name ?? "");
}

function verdicts(
  state: RoundState,
  candidate: RoundCandidate,
  choice: Choice | null,
  view: PassView,
): readonly NodeVerdict[] {
  const { spec, excludedNodes, options } = candidate;
  const makeOption = optionsOf(spec, state.outputs.meansFor(spec), (node, model) =>
    state.prefixes.cachedTokens(spec, node, model),
  );
  const first = [choice?.option.node, ...options.map(({ node }) => node)].filter(
    (index) => index !== undefined,
  );
  return nodesToExplain(state, first).map((node) =>
    nodeVerdict(spec, node, excludedNodes, turnRefusals(state, candidate, node, view), (model) => {
      const report = node.report.models[model];
      const option = options.find((known) => known.node === node.index && known.model === model);
      if (choice !== null && option !== undefined && option === choice.option) return choice.cost;
      if (report === undefined)
        throw new Error(`broken invariant: no model ${model} on ${node.identity.name}`);
      return view.pass.costOf(candidate, option ?? makeOption(node.index, model, report));
    }),
  );
}

/** The whole fleet in its order when it is small, else the given nodes before others. */
function nodesToExplain(state: RoundState, first: readonly number[]): readonly FleetNode[] {
  const fleet = state.fleet();
  if (fleet.length <= EXPLAINED_NODES_MAX) return fleet;
  const chosen = new Set<FleetNode>();
  for (const index of first) if (chosen.size < EXPLAINED_NODES_MAX) chosen.add(state.nodeAt(index));
  for (const node of fleet) if (chosen.size < EXPLAINED_NODES_MAX) chosen.add(node);
  return [...chosen];
}

function turnRefusals(
  state: RoundState,
  candidate: RoundCandidate,
  node: FleetNode,
  view: PassView,
): Refusal[] {
  const turn = node.open ? view.turnOf(candidate, node) : "its-turn";
  const { member } = candidate.spec;
  const { name } = node.identity;
  switch (turn) {
    case "its-turn":
    case "passing":
      return [];
    case "owner-first":
      return [{ reason: "owner-first", passing: true, detail: `${name} is kept for a job of its owner` }];
    case "hour": {
      const detail = `${name} has too little left of its token budget for this hour`;
      return [{ reason: "budget-spent", passing: true, detail }];
    }
    case "fair-order": {
      const claimS = state.counters.claimS(member, node.claimClass);
      const detail = `${member} ${aheadOf(claimS, view.gathering.turns.leastS(node))}`;
      return [{ reason: "fair-order", passing: true, detail }];
    }
    case "share":
      return [
        {
          reason: "fair-order",
          passing: true,
          detail: shareDetail(member, node, view),
        },
      ];
  }
}

function shareDetail(member: MemberId, node: FleetNode, view: PassView): string {
  const { name } = node.identity;
  if (!view.gathering.turns.floods(member)) {
    return `${member} has its part of the slots of ${name} while others wait`;
  }
  return (
    `${member} asked for far more than all others together in the last ten minutes, and has had its part of ` +
    `the time of ${name}: others use it too`
  );
}

/** Verdicts of a job that nothing can serve now: refusals only. */
const refusedVerdicts = (state: RoundState, job: PendingJob): readonly NodeVerdict[] =>
  nodesToExplain(state, []).map((node) =>
    nodeVerdict(job.spec, node, job.excludedNodes, [], () => {
      throw new Error(
        `broken invariant: ${node.identity.name} could serve ${job.spec.id}, which no node can`,
      );
    }),
  );
