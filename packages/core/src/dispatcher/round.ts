import { isInWindow } from "../fairness/window.ts";
import { createListPass } from "../placement/choose.ts";
import type { Choice, ListPass } from "../placement/choose.ts";
import { aloneS } from "../placement/virtual-node.ts";
import { needsOf } from "../placement/plan-node.ts";
import type { FleetNode } from "./fleet.ts";
import { hasFreeSlot, planOf } from "./fleet.ts";
import { gather } from "./gather.ts";
import type { GatherDeps, Gathering, RoundCandidate } from "./gather.ts";
import type { JobKind } from "./job-kind.ts";
import { park, unpark } from "./job-kind.ts";
import { usableBy } from "./usable.ts";

/**
 * One round: passes over the fairest and smallest jobs until nothing more starts.
 *
 * R1. A job starts only where its best option is free now; else it reserves that option and waits.
 * R2. A job that no open node can serve is parked, so that it holds back neither a pass nor the fair order.
 */

export interface RoundState extends GatherDeps {
  readonly kinds: ReadonlyMap<string, JobKind>;
  /** By index, without gaps in order. */
  readonly fleet: () => readonly FleetNode[];
  readonly nodeAt: (index: number) => FleetNode;
  /** Grows with every change of what the fleet can serve. */
  readonly changes: () => number;
}

/** A pass as it stands, for explanations. */
export interface PassView {
  readonly pass: ListPass;
  readonly gathering: Gathering;
  /** The node numbers that the fair order lets a member use. */
  readonly mayUse: (candidate: RoundCandidate, node: number) => boolean;
}

/** What to do with each candidate whose turn comes; `stop` ends the pass before its choice is taken. */
export type OnTurn = (candidate: RoundCandidate, choice: Choice | null, view: PassView) => "go-on" | "stop";

/** Jobs in a pass: enough for a long queue before a fast node to make a slow one worth its while. */
const CANDIDATES_MAX = 64;
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
    if (started === 0 && gathering.unservable.length === 0) return;
  }
}

/** One pass. Each job in its order chooses and takes its best option, in thought. */
export function runPass(state: RoundState, nowMs: number, onTurn: OnTurn): PassView {
  const fleet = state.fleet();
  coverShares(state);
  const gathering = gather(state.kinds.values(), fleet, CANDIDATES_MAX, state);
  const pass = createListPass({
    planOf: (node) => planOf(state.nodeAt(node), nowMs),
    shareOf: (kind, node) => state.kinds.get(kind)?.shares.of(node) ?? 0,
    waitingOf: (kind) => state.kinds.get(kind)?.byAge.size() ?? 0,
  });
  const mayUse = (candidate: RoundCandidate, node: number): boolean =>
    isInWindow(state.counters.servedS(candidate.spec.member), gathering.leastServedS(node));
  const view = { pass, gathering, mayUse };
  const ordered = inOrder(gathering.candidates, pass);
  pass.begin(ordered.slice(0, pricingJobs(fleet.length)));
  for (const candidate of ordered) {
    pass.turn(candidate);
    const choice = pass.choose(candidate, (node) => mayUse(candidate, node));
    if (onTurn(candidate, choice, view) === "stop") return view;
    if (choice !== null) pass.take(candidate, choice);
  }
  return view;
}

/** Promoted jobs first, then by key. */
function inOrder(candidates: readonly RoundCandidate[], pass: ListPass): readonly RoundCandidate[] {
  return candidates
    .map((candidate) => ({ candidate, key: candidate.promoted ? -Infinity : pass.key(candidate) }))
    .sort((one, other) => (one.key === other.key ? 0 : one.key - other.key))
    .slice(0, CANDIDATES_MAX)
    .map(({ candidate }) => candidate);
}

function reconsiderParked(state: RoundState, nowMs: number): void {
  for (const kind of state.kinds.values()) {
    if (kind.parked.size === 0) continue;
    const isDue = nowMs >= kind.parkedAtMs + PARKED_MS || nowMs < kind.parkedAtMs;
    if (isDue || kind.parkedAtChange !== state.changes()) unpark(kind);
  }
}

/** Gives nodes that are new to a kind their first share of it. */
function coverShares(state: RoundState): void {
  for (const kind of state.kinds.values()) {
    const sample = kind.byAge.first();
    if (sample === undefined || kind.coveredChange === state.changes()) continue;
    const needOf = needsOf(sample.spec, state.outputs.meansFor(sample.spec));
    const speeds = new Map<number, number>();
    for (const { node, report } of usableBy(kind, state.fleet()).models) {
      const speed = 1 / Math.max(1e-6, aloneS(needOf(report)));
      speeds.set(node.index, Math.max(speed, speeds.get(node.index) ?? 0));
    }
    kind.shares.cover(speeds);
    kind.coveredChange = state.changes();
  }
}
