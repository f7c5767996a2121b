import { isInWindow } from "../fairness/window.ts";
import { createListPass } from "../placement/choose.ts";
import type { Choice, ListPass } from "../placement/choose.ts";
import type { FleetNode } from "./fleet.ts";
import { hasFreeSlot, planOf } from "./fleet.ts";
import { gather } from "./gather.ts";
import type { GatherDeps, Gathering, RoundCandidate } from "./gather.ts";
import type { JobKind } from "./job-kind.ts";
import { park, unpark } from "./job-kind.ts";

/**
 * One round: passes over the fairest and smallest jobs until nothing more starts.
 *
 * R1. A job starts only where its best option is free now; else it reserves that option and waits.
 * R2. A job that no open node can serve is parked, so that it holds back neither a pass nor the fair order.
 */

export interface RoundState extends GatherDeps {
  readonly kinds: ReadonlyMap<string, JobKind>;
  readonly fleet: () => readonly FleetNode[];
  readonly nodeAt: (index: number) => FleetNode;
  /** Grows with every change of what the fleet can serve. */
  readonly changes: () => number;
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
  for (;;) {
    if (!state.fleet().some((node) => node.open && hasFreeSlot(node))) return;
    let started = 0;
    const { gathering } = runPass(state, nowMs, (candidate, choice, view) => {
      if (choice?.cost.startsNow === true) {
        start(candidate, choice, view);
        started += 1;
      }
      return "go-on";
    });
    for (const job of gathering.unservable) {
      park(job);
      job.kind.parkedAtMs = nowMs;
      job.kind.parkedAtChange = state.changes();
    }
    const mayStartMore = gathering.leftOut && started > 0;
    if (!mayStartMore && gathering.unservable.length === 0) return;
  }
}

/** One pass. Each job in its order chooses and takes its best option, in thought. */
export function runPass(state: RoundState, nowMs: number, onTurn: OnTurn): PassView {
  const pass = createListPass({
    planOf: (node) => planOf(state.nodeAt(node), nowMs),
    sharesOf: (kind) => state.kinds.get(kind)?.shares ?? NO_SHARES,
    waitingOf: (kind) => state.kinds.get(kind)?.byAge.size() ?? 0,
  });
  const gathering = gather(state.kinds.values(), pass.key, state);
  const isItsTurn = (candidate: RoundCandidate, node: number): boolean =>
    isInWindow(state.counters.servedS(candidate.spec.member), gathering.leastServedS(node));
  // What started earlier in the pass may have taken what was left of a budget.
  const mayUse = (candidate: RoundCandidate, node: number): boolean =>
    (state.nodeAt(node).tokensLeftToday ?? Infinity) >= candidate.job.holdTokens &&
    isItsTurn(candidate, node);
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

function reconsiderParked(state: RoundState, nowMs: number): void {
  for (const kind of state.kinds.values()) {
    if (kind.parked.size === 0) continue;
    const isDue = nowMs >= kind.parkedAtMs + PARKED_MS || nowMs < kind.parkedAtMs;
    if (isDue || kind.parkedAtChange !== state.changes()) unpark(kind);
  }
}
