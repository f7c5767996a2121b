import { leftTokens } from "../budget/node-budget.ts";
import { isInWindow } from "../fairness/window.ts";
import { createListPass } from "../placement/choose.ts";
import type { Choice, ListPass } from "../placement/choose.ts";
import type { FleetNode } from "./fleet.ts";
import { hasFreeSlot, planOf } from "./fleet.ts";
import { gather, isWithin, limitsOf } from "./gather.ts";
import type { GatherDeps, Gathering, RoundCandidate } from "./gather.ts";
import type { JobKind } from "./job-kind.ts";
import { firstOf } from "./heap.ts";
import { park, unpark } from "./job-kind.ts";
import type { PendingJob } from "./pending-job.ts";

/**
 * One round: passes over the fairest and smallest jobs until nothing more starts.
 *
 * R1. A job starts only where its best option is free now; else it reserves that option and waits.
 * R2. A pass ends as soon as no slot is free that it could start a job on.
 * R3. A job that no open node can serve is parked, so that it holds back neither a pass nor the fair order.
 */

export interface RoundState extends GatherDeps {
  readonly kinds: ReadonlyMap<string, JobKind>;
  readonly fleet: () => readonly FleetNode[];
  readonly nodeAt: (index: number) => FleetNode;
  /** Grows with every change of what the fleet can serve, token budgets aside. */
  readonly changes: () => number;
  /** Grows whenever more is left of a token budget. */
  readonly budgetGrowths: () => number;
}

/** A pass as it stands, for explanations. */
export interface PassView {
  readonly pass: ListPass;
  readonly gathering: Gathering;
  /** Whether the fair order lets the job's member use a node. */
  readonly isItsTurn: (candidate: RoundCandidate, node: number) => boolean;
}

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
const pricingJobs = (nodes: number): number => Math.min(PRICING_MAX, Math.max(PRICING_MIN, 2 * nodes + 4));

/** Runs passes until one starts nothing. `start` makes a choice real. */
export function runRound(
  state: RoundState,
  nowMs: number,
  start: (candidate: RoundCandidate, choice: Choice, view: PassView) => void,
): void {
  reconsiderParked(state, nowMs);
  let depth = PASS_DEPTH;
  for (let passes = 0; passes < PASSES_MAX; passes += 1) {
    if (!state.fleet().some((node) => node.open && hasFreeSlot(node))) return;
    let started = 0;
    const { gathering, pass } = runPass(state, nowMs, depth, (candidate, choice, view) => {
      if (!view.pass.canStartMore()) return "stop";
      if (choice?.cost.startsNow === true) {
        start(candidate, choice, view);
        started += 1;
      }
      return "go-on";
    });
    for (const job of gathering.unservable) park(job);
    if (started > 0 || gathering.unservable.length > 0) {
      if (!gathering.leftOut && gathering.unservable.length === 0) return;
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
  const gathering = gather(state.kinds.values(), depth, pass.key, state);
  const isItsTurn = (candidate: RoundCandidate, node: number): boolean =>
    isInWindow(state.counters.servedS(candidate.spec.member), gathering.leastServedS(node));
  // What started earlier in the pass may have taken what was left of a budget.
  const mayUse = (candidate: RoundCandidate, node: number): boolean =>
    leftTokens(state.nodeAt(node).budget) >= candidate.job.holdTokens && isItsTurn(candidate, node);
  const view = { pass, gathering, isItsTurn };
  const { candidates } = gathering;
  pass.begin(candidates.slice(0, pricingJobs(state.fleet().length)));
  for (const candidate of candidates) {
    pass.turn(candidate);
    const choice = pass.choose(candidate, (node) => mayUse(candidate, node));
    if (onTurn(candidate, choice, view) === "stop") return view;
    if (choice !== null) pass.take(candidate, choice);
  }
  return view;
}

/** Makes parked jobs ready that the fleet may be able to serve by now. */
function reconsiderParked(state: RoundState, nowMs: number): void {
  for (const kind of state.kinds.values()) {
    if (kind.parked.size() === 0) continue;
    const isDue = nowMs >= kind.lookedAtMs + PARKED_MS || nowMs < kind.lookedAtMs;
    const hasChanged = isDue || kind.lookedAtChange !== state.changes();
    if (!hasChanged && kind.lookedAtBudgets === state.budgetGrowths()) continue;
    const limits = limitsOf(state.usableBy(kind));
    const depth = hasChanged ? Infinity : PASS_DEPTH;
    unpark(firstOf([kind.parked], depth, needsLess).filter((job) => isWithin(job, limits)));
    kind.lookedAtBudgets = state.budgetGrowths();
    if (!hasChanged) continue;
    kind.lookedAtMs = nowMs;
    kind.lookedAtChange = state.changes();
  }
}

const needsLess = (one: PendingJob, other: PendingJob): boolean => one.holdTokens < other.holdTokens;
