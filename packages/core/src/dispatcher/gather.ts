import { leftTokens } from "../budget/node-budget.ts";
import { referenceSeconds } from "../fairness/reference.ts";
import { FAIR_WINDOW_S, isInWindow, OVERTAKES_MAX } from "../fairness/window.ts";
import type { FairCounters } from "../fairness/counters.ts";
import type { ModelCapacity } from "../fleet/node.ts";
import type { Candidate, PlacementOption } from "../placement/candidate.ts";
import { optionsOf, weightOf } from "../placement/plan-node.ts";
import { aloneS } from "../placement/virtual-node.ts";
import type { MemberId, NodeId } from "../terms.ts";
import { firstOf } from "./heap.ts";
import type { Heap } from "./heap.ts";
import { urgentJobs } from "./job-kind.ts";
import type { JobKind } from "./job-kind.ts";
import type { OutputLengths } from "./output-lengths.ts";
import type { OwnerFirst } from "./owner-first.ts";
import { smallerFirst } from "./pending-job.ts";
import type { PendingJob } from "./pending-job.ts";
import type { Prefixes } from "./prefixes.ts";
import { turnsOf } from "./turns.ts";
import type { Turns } from "./turns.ts";
import { worthWeighing } from "./usable.ts";
import type { UrgentLane } from "./urgency.ts";
import type { UsableModel, UsableModels } from "./usable.ts";

/** The jobs that one pass looks at, each with its options, and who may use which node. */
export interface Gathering {
  /** In the order of their turns. */
  readonly candidates: readonly RoundCandidate[];
  /** Those among them that their members could start on nodes of their own. */
  readonly owners: readonly RoundCandidate[];
  /** Jobs that no open node can serve: to be parked. */
  readonly unservable: readonly PendingJob[];
  /** Whether ready jobs were left out. */
  readonly leftOut: boolean;
  readonly turns: Turns;
}

export interface RoundCandidate extends Candidate {
  /** What it will be charged, about: weighted reference-seconds. */
  readonly referenceS: number;
  readonly job: PendingJob;
  /** Goes before others of its standing, for its deadline. */
  readonly urgent: boolean;
  /** Nodes that are refused for earlier failures: none when no other node could serve the job. */
  readonly excludedNodes: readonly NodeId[];
}

export interface GatherDeps {
  readonly counters: FairCounters;
  readonly outputs: OutputLengths;
  readonly prefixes: Prefixes;
  readonly usableBy: (kind: JobKind) => UsableModels;
  readonly ownerFirst: OwnerFirst;
  readonly urgentLane: UrgentLane;
  readonly nowMs: number;
}

interface OpenKind {
  readonly kind: JobKind;
  readonly usable: UsableModels;
  readonly limits: KindLimits;
}

/** What no job of a kind can exceed at present: the longest context, and the most that a token budget has left. */
export interface KindLimits {
  readonly contextTokens: number;
  readonly budgetTokens: number;
}

export function limitsOf(usable: UsableModels): KindLimits {
  if (usable.hasUnbudgeted) return { contextTokens: usable.mostContextTokens, budgetTokens: Infinity };
  let budgetTokens = 0;
  for (const { budget } of usable.nodes) budgetTokens = Math.max(budgetTokens, leftTokens(budget));
  return { contextTokens: usable.mostContextTokens, budgetTokens };
}

export const isWithin = (job: PendingJob, limits: KindLimits): boolean =>
  job.contextTokens <= limits.contextTokens && job.holdTokens <= limits.budgetTokens;

/**
 * `promoted`: overtaken too often, goes first. `outside`: of a member outside the window on some node, goes after those
 * inside. `last`: of a member who floods.
 * `out`: of a member outside everywhere, goes where small jobs may pass or not at all.
 */
type Rank = "promoted" | "inside" | "outside" | "last" | "out";
/** Those outside everywhere are looked at first, whether they may pass. */
const PLACES: Readonly<Record<Rank, number>> = { out: -1, promoted: 0, inside: 1, outside: 2, last: 3 };

interface Admitted {
  readonly job: PendingJob;
  readonly rank: Rank;
  readonly urgent: boolean;
  /** Its member could start it on a node of their own. */
  readonly ofOwner: boolean;
  readonly kind: OpenKind;
  readonly worth: readonly UsableModel[];
}

/** A second of a flood's delay is worth as much as one of batch work. */
const FLOOD_WEIGHT = weightOf({ band: "batch" });
/** Jobs of one kind that are added for members who are inside the window on some nodes only. */
const SOMEWHERE_MAX = 16;
/** Jobs of one kind that are looked at of members who flood: they wait beside idle nodes, in every pass. */
const FLOODING_MAX = 64;
/** Small jobs of one kind that are looked at for the passing lane. */
const PASSING_JOBS_MAX = 8;
/** Urgent jobs of one kind that are looked at. */
const URGENT_JOBS_MAX = 16;

/**
 * At most `depth` jobs that the fair order admits: those overtaken too often, then urgent ones, then by `keyOf`; and
 * those that owners could start on their own nodes.
 */
export function gather(
  kinds: Iterable<JobKind>,
  depth: number,
  keyOf: (candidate: Candidate) => number,
  deps: GatherDeps,
): Gathering {
  const open: OpenKind[] = [];
  for (const kind of kinds) {
    if (kind.byMember.size === 0) continue;
    const usable = deps.usableBy(kind);
    if (usable.models.length > 0) open.push({ kind, usable, limits: limitsOf(usable) });
  }
  const turns = turnsOf(open, deps.counters, deps.nowMs);
  const nearest = nearestOf(
    open.map((kind) => admitted(kind, depth, turns, deps)),
    depth,
    keyOf,
    deps,
  );
  const unservable: PendingJob[] = [];
  const keyed: { readonly candidate: RoundCandidate; readonly rank: number; readonly key: number }[] = [];
  const ofOwners = new Set<RoundCandidate>();
  const hasOrder = nearest.length > 1;
  for (const { job, rank, urgent, ofOwner, kind, worth } of nearest) {
    const found = isWithin(job, kind.limits)
      ? candidateOf(job, kind.usable, withOwn(worth, job, kind, deps), deps)
      : null;
    if (found === null) {
      unservable.push(job);
      continue;
    }
    const floods = turns.floods(job.spec.member);
    const yields = floods && !ofOwner;
    const weight = yields ? found.weight * FLOOD_WEIGHT : found.weight;
    const candidate = urgent || yields ? { ...found, urgent, weight } : found;
    const isOutside = rank === "outside" || rank === "out";
    const passes = isOutside && candidate.referenceS <= deps.counters.passingS() && !floods;
    const turn = passes ? "inside" : rank;
    if (turn !== "out") keyed.push({ candidate, rank: PLACES[turn], key: hasOrder ? keyOf(candidate) : 0 });
    if (turn !== "out" && ofOwner) ofOwners.add(candidate);
  }
  const candidates = keyed
    .sort(
      (one, other) =>
        one.rank - other.rank || urgentFirst(one.candidate, other.candidate) || one.key - other.key,
    )
    .map(({ candidate }) => candidate);
  const owners = candidates.filter((candidate) => ofOwners.has(candidate));
  let ready = 0;
  for (const { kind } of open) ready += kind.byAge.size();
  return { candidates, owners, unservable, leftOut: ready > candidates.length, turns };
}

const urgentFirst = (one: RoundCandidate, other: RoundCandidate): number =>
  Number(other.urgent) - Number(one.urgent);

/** In a large fleet the nodes worth weighing may leave out a member's own, and the one of the conversation's last turn. */
function withOwn(
  worth: readonly UsableModel[],
  { spec }: PendingJob,
  { kind, usable }: OpenKind,
  { ownerFirst, prefixes }: GatherDeps,
): readonly UsableModel[] {
  if (worth === usable.models) return worth;
  const last = prefixes.lastNode(spec);
  const ofLast = last === null ? [] : usable.models.filter(({ node }) => node.index === last);
  const added = [...ownerFirst.ownModels(spec.member, kind), ...ofLast].filter(
    ({ node, index }) => !worth.some((model) => model.node === node && model.index === index),
  );
  return added.length === 0 ? worth : [...worth, ...added];
}

/**
 * Jobs of a kind whose members are inside the window. Those inside on every node and those inside on some
 * only are counted apart, so that the latter cannot fill the pass and leave the other nodes idle; and so are floods.
 */
function admitted(open: OpenKind, depth: number, turns: Turns, deps: GatherDeps): readonly Admitted[] {
  const { kind, usable } = open;
  const isAdmitted = admissionTo(open, turns, deps.counters);
  const everywhere: Heap<PendingJob>[] = [];
  const somewhere: Heap<PendingJob>[] = [];
  const nowhere: Heap<PendingJob>[] = [];
  const flooding: Heap<PendingJob>[] = [];
  for (const [member, heap] of kind.byMember) {
    const where = isAdmitted(member);
    const isFlood = turns.floods(member);
    if (isFlood && where !== "nowhere" && !kind.isOwn) flooding.push(heap);
    else if (where === "everywhere") everywhere.push(heap);
    else if (where === "somewhere") somewhere.push(heap);
    else if (!isFlood) nowhere.push(heap);
  }
  const outside = new Set(firstOf(somewhere, SOMEWHERE_MAX, smallerFirst));
  const out = new Set(deps.counters.passingS() > 0 ? firstOf(nowhere, PASSING_JOBS_MAX, smallerFirst) : []);
  const jobs = new Set([
    ...firstOf(everywhere, depth, smallerFirst),
    ...outside,
    ...out,
    ...firstOf(flooding, FLOODING_MAX, smallerFirst),
  ]);
  const floods = ({ spec }: PendingJob): boolean => !kind.isOwn && turns.floods(spec.member);
  const oldest = kind.overtakes >= OVERTAKES_MAX ? kind.byAge.first() : undefined;
  const promoted = oldest === undefined || floods(oldest) ? undefined : oldest;
  if (promoted !== undefined && isAdmitted(promoted.spec.member) !== "nowhere") jobs.add(promoted);
  const urgent = new Set<PendingJob>();
  for (const job of deps.urgentLane.isOpen() ? urgentJobs(kind, URGENT_JOBS_MAX, deps.nowMs) : []) {
    const where = isAdmitted(job.spec.member);
    if (where === "nowhere") continue;
    urgent.add(job);
    jobs.add(job);
    if (where === "somewhere") outside.add(job);
  }
  const ofOwners = new Set(deps.ownerFirst.jobsOf(kind));
  for (const job of ofOwners) if (!jobs.has(job) || out.has(job)) outside.add(job);
  for (const job of ofOwners) jobs.add(job);
  const worth = worthWeighing(usable);
  const rankOf = (job: PendingJob): Rank => {
    if (job === promoted) return "promoted";
    if (floods(job)) return "last";
    return outside.has(job) ? "outside" : out.has(job) ? "out" : "inside";
  };
  return Array.from(jobs, (job) => ({
    job,
    rank: rankOf(job),
    urgent: urgent.has(job),
    ofOwner: ofOwners.has(job),
    kind: open,
    worth,
  }));
}

/** The first `depth` of the kinds' jobs: by rank, then about as the order has them. */
function nearestOf(
  kinds: readonly (readonly Admitted[])[],
  depth: number,
  keyOf: (candidate: Candidate) => number,
  deps: GatherDeps,
): readonly Admitted[] {
  const all = kinds.flat();
  if (all.length <= depth) return all;
  const keyed = kinds.flatMap((ofKind) => {
    const keyPerSize = roughKeyPerSize(ofKind, keyOf, deps);
    return ofKind.map((one) => {
      const goesAhead = one.rank === "promoted" || one.ofOwner || one.urgent;
      // Their nodes are kept for them: left out, they would leave them idle.
      const place = one.ofOwner ? PLACES.out : PLACES[one.rank];
      return { one, place, key: goesAhead ? -Infinity : keyPerSize * one.job.roughSize };
    });
  });
  return keyed
    .sort((first, second) => first.place - second.place || first.key - second.key)
    .slice(0, depth)
    .map(({ one }) => one);
}

type Admission = "everywhere" | "somewhere" | "nowhere";

/** On which of a kind's nodes its members are inside the window. Tells the counters the classes' levels. */
function admissionTo(
  { kind, usable }: OpenKind,
  turns: Turns,
  counters: FairCounters,
): (member: MemberId) => Admission {
  // Own work is for few nodes, and nobody is ahead of its member there.
  if (kind.isOwn) return () => "everywhere";
  for (const claimClass of usable.claimClasses) counters.see(claimClass, turns.leastOfClassS(claimClass));
  return (member) => {
    const floods = turns.floods(member);
    let inside = 0;
    for (const claimClass of usable.claimClasses) {
      const claimS = counters.claimS(member, claimClass);
      if (isInWindow(claimS, turns.leastOfClassS(claimClass), floods)) inside += 1;
    }
    if (inside === usable.claimClasses.length) return "everywhere";
    return inside > 0 ? "somewhere" : "nowhere";
  };
}

/** What makes sizes of one kind comparable with those of another: the key of its first job that can be served. */
function roughKeyPerSize(
  ofKind: readonly Admitted[],
  keyOf: (candidate: Candidate) => number,
  deps: Pick<GatherDeps, "outputs" | "prefixes">,
): number {
  for (const { job, kind, worth } of ofKind) {
    const candidate = isWithin(job, kind.limits) ? candidateOf(job, kind.usable, worth, deps) : null;
    if (candidate !== null) return keyOf(candidate) / job.roughSize;
  }
  return 1;
}

/** A job with its options among those worth weighing, else among all; null when it has none. */
export function candidateOf(
  job: PendingJob,
  usable: UsableModels,
  worth: readonly UsableModel[],
  { outputs, prefixes }: Pick<GatherDeps, "outputs" | "prefixes">,
): RoundCandidate | null {
  const { spec } = job;
  const meanOf = outputs.meansFor(spec);
  const makeOption = optionsOf(spec, meanOf, (node, model) =>
    spec.session === null ? 0 : prefixes.cachedTokens(spec, node, model),
  );
  let bestS = Infinity;
  let best: ModelCapacity | null = null;
  const optionsAmong = (models: readonly UsableModel[], excluded: readonly NodeId[]): PlacementOption[] => {
    const options: PlacementOption[] = [];
    for (const { node, index } of models) {
      const report = node.report.models[index];
      if (report === undefined || report.contextTokens < job.contextTokens) continue;
      if (leftTokens(node.budget) < job.holdTokens) continue;
      if ((node.report.tokensPerDay ?? Infinity) < job.holdTokens) continue;
      if ((node.report.tokensPerMonth ?? Infinity) < job.holdTokens) continue;
      if (excluded.length > 0 && excluded.includes(node.identity.id)) continue;
      const option = makeOption(node.index, index, report);
      if (aloneS(option) < bestS) {
        bestS = aloneS(option);
        best = report.capacity;
      }
      options.push(option);
    }
    return options;
  };
  let { excludedNodes } = job;
  let options = optionsAmong(worth, excludedNodes);
  if (options.length === 0 && worth !== usable.models) options = optionsAmong(usable.models, excludedNodes);
  if (options.length === 0 && excludedNodes.length > 0) {
    excludedNodes = [];
    options = optionsAmong(usable.models, excludedNodes);
  }
  if (options.length === 0) return null;
  const outputTokens = Math.min(spec.maxOutputTokens, meanOf(""));
  const referenceS = best === null ? 0 : referenceSeconds(best, spec.promptTokens, outputTokens);
  return {
    referenceS: referenceS / spec.weight,
    spec,
    job,
    urgent: false,
    excludedNodes,
    kind: job.kind.key,
    weight: weightOf(spec),
    tokens: spec.promptTokens + outputTokens,
    bestS,
    options,
  };
}

/** For people: how far a member is ahead of those who wait for a node. */
export const aheadOf = (claimS: number, leastS: number): string =>
  `has had ${Math.round(claimS - leastS)} s more service than others who wait, ${FAIR_WINDOW_S} s is the window`;
