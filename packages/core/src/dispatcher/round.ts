import { leftTokens } from "../budget/node-budget.ts";
import { hasFloodShare } from "../fairness/share.ts";
import { BEHIND_S, FAIR_WINDOW_S } from "../fairness/window.ts";
import { createListPass } from "../placement/choose.ts";
import type { Choice, ListPass } from "../placement/choose.ts";
import type { MemberId } from "../terms.ts";
import type { FleetNode } from "./fleet.ts";
import { hasFreeSlot, noteTime, planOf } from "./fleet.ts";
import { gather, isWithin, limitsOf } from "./gather.ts";
import type { GatherDeps, Gathering, RoundCandidate } from "./gather.ts";
import type { JobKind } from "./job-kind.ts";
import { firstOf } from "./heap.ts";
import { park, unpark } from "./job-kind.ts";
import { hasHourFor, releaseFor } from "./node-pace.ts";
import { createOwnerFirst } from "./owner-first.ts";
import type { PendingJob } from "./pending-job.ts";
import type { Turns } from "./turns.ts";

/**
 * One round: passes over the fairest and smallest jobs until nothing more starts.
 *
 * R1. A job starts only where its best option is free now; else it reserves that option and waits.
 * R2. A pass ends as soon as no slot is free that it could start a job on.
 * R3. A job that no open node can serve is parked, so that it holds back neither a pass nor the fair order.
 * R4. Owners come first where they would start on their own nodes. Who is outside the fair order's window somewhere
 *     comes last, and may wait for a node there, so that nobody is driven to a slow node by the order of a moment.
 */

export interface RoundState extends Omit<GatherDeps, "ownerFirst" | "nowMs"> {
  readonly kinds: ReadonlyMap<string, JobKind>;
  readonly fleet: () => readonly FleetNode[];
  readonly nodeAt: (index: number) => FleetNode;
  readonly ownedBy: (member: MemberId) => readonly FleetNode[];
  /** Grows with every change of what the fleet can serve, token budgets aside. */
  readonly changes: () => number;
  /** Grows whenever more is left of a token budget. */
  readonly budgetGrowths: () => number;
}

/** A pass as it stands, for explanations. */
export interface PassView {
  readonly pass: ListPass;
  readonly gathering: Gathering;
  /** Whether it is the turn of the job's member on a node, and if not, who goes first. */
  readonly turnOf: (candidate: RoundCandidate, node: FleetNode) => Turn;
  /** Whether a job was turned away from a node that is kept for its owner. */
  readonly sawKeptNode: () => boolean;
}

/**
 * `owner-first`: the node is kept for its owner. `hour`: its token budget has too little left this hour. `fair-order`:
 * members with less go first. `share`: it has its part.
 */
export type Turn = "its-turn" | "passing" | "owner-first" | "hour" | "fair-order" | "share";

/** What to do with each candidate whose turn comes; `stop` ends the pass before its choice is taken. */
export type OnTurn = (candidate: RoundCandidate, choice: Choice | null, view: PassView) => "go-on" | "stop";

const NO_SHARES = { of: () => 0 };
/** Jobs in a pass. */
const PASS_DEPTH = 64;
/**
 * Jobs in the pass that follows when a node of a small fleet stays idle: a slow node is worth starting on only
 * for a job that a long queue keeps from the fast ones.
 */
const DEEP_PASS_DEPTH = 256;
const DEEP_FLEET_MAX = 32;
/** A round that finds ever more jobs that nothing can serve goes on at the next event. */
const PASSES_MAX = 40;
const PRICING_MIN = 12;
const PRICING_MAX = 64;
/** Parked jobs are looked at again this often even when nothing is known to have changed. */
const PARKED_MS = 10_000;

/** Jobs whose waiting prices the nodes: few for a small fleet, since a long list overprices it. */
const pricingJobs = (nodes: number): number => Math.min(PRICING_MAX, Math.max(PRICING_MIN, 4 * nodes));

/** Runs passes until one starts nothing. `start` makes a choice real. */
export function runRound(
  state: RoundState,
  nowMs: number,
  start: (candidate: RoundCandidate, choice: Choice, view: PassView) => void,
): void {
  reconsiderParked(state, nowMs);
  let depth = PASS_DEPTH;
  for (let passes = 0; passes < PASSES_MAX; passes += 1) {
    if (!state.fleet().some((node) => mayTakeMore(state, node, nowMs))) return;
    let started = 0;
    const { gathering, pass, sawKeptNode } = runPass(state, nowMs, depth, (candidate, choice, view) => {
      if (choice?.cost.startsNow === true) {
        start(candidate, choice, view);
        started += 1;
      } else if (!view.pass.canStartMore()) return "stop";
      return "go-on";
    });
    for (const job of gathering.unservable) park(job);
    if (started > 0 || gathering.unservable.length > 0) {
      if (!gathering.leftOut && gathering.unservable.length === 0 && !sawKeptNode()) return;
      depth = PASS_DEPTH;
      continue;
    }
    const mayLookDeeper = depth === PASS_DEPTH && state.fleet().length <= DEEP_FLEET_MAX;
    if (!mayLookDeeper || !gathering.leftOut || !pass.canStartMore()) return;
    depth = DEEP_PASS_DEPTH;
  }
}

/** One pass over at most `depth` jobs. Each in its turn chooses and takes its best option, in thought. */
export function runPass(state: RoundState, nowMs: number, depth: number, onTurn: OnTurn): PassView {
  const pass = createListPass({
    planOf: (node) => planOf(state.nodeAt(node), nowMs),
    sharesOf: (kind) => state.kinds.get(kind)?.shares ?? NO_SHARES,
    waitingOf: (kind) => state.kinds.get(kind)?.byAge.size() ?? 0,
  });
  const ownerFirst = createOwnerFirst({
    kinds: () => state.kinds.values(),
    ownedBy: state.ownedBy,
    nowMs,
  });
  const gathering = gather(state.kinds.values(), depth, pass.key, { ...state, ownerFirst, nowMs });
  const turnOf = ({ spec: { member }, referenceS, tokens }: RoundCandidate, node: FleetNode): Turn => {
    if (node.identity.owner === member) return "its-turn";
    if (ownerFirst.isKeptFrom(member, node)) return "owner-first";
    if (!hasHourFor(node, tokens, nowMs)) return "hour";
    if (!gathering.turns.isInside(member, node)) {
      return gathering.turns.mayPass(member, node, referenceS) ? "passing" : "fair-order";
    }
    return hasItsShare(state, gathering.turns, member, node, nowMs) ? "share" : "its-turn";
  };
  let kept = false;
  const mayStart = (candidate: RoundCandidate, node: FleetNode): boolean => {
    const turn = turnOf(candidate, node);
    return turn === "its-turn" || turn === "passing";
  };
  // What started earlier in the pass may have taken what was left of a budget.
  const mayWait = (candidate: RoundCandidate, node: FleetNode): boolean => {
    if (leftTokens(node.budget) < candidate.job.holdTokens) return false;
    const turn = turnOf(candidate, node);
    if (turn === "owner-first") kept = true;
    return turn !== "owner-first" && turn !== "hour" && turn !== "share";
  };
  const choose = (candidate: RoundCandidate): Choice | null => {
    const best = pass.choose(candidate, (index) => mayWait(candidate, state.nodeAt(index)));
    if (best === null || !best.cost.startsNow) return best;
    if (mayStart(candidate, state.nodeAt(best.option.node))) return best;
    // Nobody who goes first wants the node now, so that waiting for it could last for ever.
    return pass.choose(candidate, (index) => {
      const node = state.nodeAt(index);
      return mayWait(candidate, node) && mayStart(candidate, node);
    });
  };
  const view = { pass, gathering, turnOf, sawKeptNode: () => kept };
  const { candidates } = gathering;
  // What floods want of a node makes it no dearer for others.
  const pricing = candidates.filter(({ spec }) => !gathering.turns.floods(spec.member));
  pass.begin(pricing.slice(0, pricingJobs(state.fleet().length)));
  const takeTurn = (candidate: RoundCandidate, choice: Choice | null): "go-on" | "stop" => {
    pass.turn(candidate);
    if (onTurn(candidate, choice, view) === "stop") return "stop";
    if (choice !== null) pass.take(candidate, choice);
    return "go-on";
  };
  const began = new Set<RoundCandidate>();
  for (const candidate of gathering.owners) {
    const choice = choose(candidate);
    if (choice?.cost.startsNow !== true) continue;
    if (state.nodeAt(choice.option.node).identity.owner !== candidate.spec.member) continue;
    began.add(candidate);
    if (takeTurn(candidate, choice) === "stop") return view;
  }
  for (const candidate of candidates) {
    if (began.has(candidate)) continue;
    if (takeTurn(candidate, choose(candidate)) === "stop") return view;
  }
  return view;
}

/**
 * R5. A member takes no more than half of a node's slots, rounded up, while it floods and others had work there
 *     lately; or while its attempts in flight may yet come to a window more than they were charged and another
 *     inside the window waits for the node. A member who floods also keeps to its part of the node's time, unless it is
 *     far behind somebody who waits.
 */
function hasItsShare(
  { counters }: RoundState,
  turns: Turns,
  member: MemberId,
  node: FleetNode,
  nowMs: number,
): boolean {
  const floods = turns.floods(member);
  if (!floods && counters.overrunS(member) <= FAIR_WINDOW_S) return false;
  let running = 0;
  for (const { spec } of node.attempts.values()) if (spec.member === member) running += 1;
  const { slots } = node.report;
  const fairShare = floods ? turns.fairShare(member, node) : 1;
  if (fairShare < 1) {
    const isBehind = counters.claimS(member, node.claimClass) + BEHIND_S < turns.mostS(node);
    noteTime(node, nowMs);
    if (!isBehind && hasFloodShare(node.time, member, fairShare, { own: running, all: slots })) return true;
  }
  return running >= Math.ceil(slots / 2) && (fairShare < 1 || turns.isContended(member, node));
}

/** Whether a node could start anything now: a slot is free, tokens are left, and its plan allows it or its owner waits. */
function mayTakeMore(state: RoundState, node: FleetNode, nowMs: number): boolean {
  if (!node.open || !hasFreeSlot(node) || leftTokens(node.budget) <= 0) return false;
  const release = releaseFor(node, nowMs);
  if (release === null || release.interactiveMs <= nowMs) return true;
  for (const kind of state.kinds.values()) if (kind.byMember.has(node.identity.owner)) return true;
  return false;
}

/**
 * Makes parked jobs ready that the fleet may be able to serve by now: all that fit when it can serve more than at the
 * last look, else the few that need least, now and then.
 */
function reconsiderParked(state: RoundState, nowMs: number): void {
  for (const kind of state.kinds.values()) {
    if (kind.parked.size() === 0) continue;
    const isDue = nowMs >= kind.lookedAtMs + PARKED_MS || nowMs < kind.lookedAtMs;
    const hasChanged = isDue || kind.lookedAtChange !== state.changes();
    if (!hasChanged && kind.lookedAtBudgets === state.budgetGrowths()) continue;
    const usable = state.usableBy(kind);
    const limits = limitsOf(usable);
    const nodes = usable.nodes.length;
    const known = kind.lookedAt;
    const canMore =
      nodes > known.nodes ||
      limits.contextTokens > known.contextTokens ||
      limits.budgetTokens > known.budgetTokens;
    const depth = hasChanged && canMore ? Infinity : PASS_DEPTH;
    const first = kind.parked.first();
    if (first !== undefined && first.holdTokens <= limits.budgetTokens) {
      unpark(firstOf([kind.parked], depth, needsLess).filter((job) => isWithin(job, limits)));
    }
    kind.lookedAtBudgets = state.budgetGrowths();
    if (!hasChanged) continue;
    kind.lookedAt = { nodes, ...limits };
    kind.lookedAtMs = nowMs;
    kind.lookedAtChange = state.changes();
  }
}

const needsLess = (one: PendingJob, other: PendingJob): boolean => one.holdTokens < other.holdTokens;
