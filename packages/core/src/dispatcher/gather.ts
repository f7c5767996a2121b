import { leftTokens } from "../budget/node-budget.ts";
import { FAIR_WINDOW_S, isInWindow, OVERTAKES_MAX } from "../fairness/window.ts";
import type { FairCounters } from "../fairness/counters.ts";
import type { Candidate, PlacementOption } from "../placement/candidate.ts";
import { optionsOf, weightOf } from "../placement/plan-node.ts";
import { aloneS } from "../placement/virtual-node.ts";
import type { NodeId } from "../terms.ts";
import { firstOf } from "./heap.ts";
import type { Heap } from "./heap.ts";
import type { JobKind } from "./job-kind.ts";
import type { OutputLengths } from "./output-lengths.ts";
import { smallerFirst } from "./pending-job.ts";
import type { PendingJob } from "./pending-job.ts";
import { worthWeighing } from "./usable.ts";
import type { UsableModel, UsableModels } from "./usable.ts";

/** The jobs that one pass looks at, each with its options, and who may use which node. */
export interface Gathering {
  /** In the order of their turns. */
  readonly candidates: readonly RoundCandidate[];
  /** Jobs that no open node can serve: to be parked. */
  readonly unservable: readonly PendingJob[];
  /** Whether ready jobs were left out. */
  readonly leftOut: boolean;
  /** Least service had by a member who waits for a node, by node index; Infinity where nobody does. */
  readonly leastServedS: (node: number) => number;
}

export interface RoundCandidate extends Candidate {
  readonly job: PendingJob;
  /** Nodes that are refused for earlier failures: none when no other node could serve the job. */
  readonly excludedNodes: readonly NodeId[];
}

export interface GatherDeps {
  readonly counters: FairCounters;
  readonly outputs: OutputLengths;
  readonly usableBy: (kind: JobKind) => UsableModels;
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
  let budgetTokens = 0;
  for (const { budget } of usable.nodes) budgetTokens = Math.max(budgetTokens, leftTokens(budget));
  return { contextTokens: usable.mostContextTokens, budgetTokens };
}

export const isWithin = (job: PendingJob, limits: KindLimits): boolean =>
  job.contextTokens <= limits.contextTokens && job.holdTokens <= limits.budgetTokens;

interface Admitted {
  readonly job: PendingJob;
  /** Overtaken too often: goes first. */
  readonly promoted: boolean;
  readonly kind: OpenKind;
  readonly worth: readonly UsableModel[];
  /** Where it is about to stand in the order. */
  readonly roughKey: number;
}

/** Jobs of one kind that are added for members who are inside the window on some nodes only. */
const SOMEWHERE_MAX = 16;
/** The order counts sizes this much, for jobs of one kind. */
const ROUGH_EXPONENT = 0.7;

/** At most `depth` jobs that the fair order admits, small ones first: those overtaken too often, then by `keyOf`. */
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
  const leastServedS = leastServedByNode(open, deps.counters);
  const rough = open.flatMap((kind) => admitted(kind, depth, leastServedS, keyOf, deps));
  const nearest =
    rough.length <= depth ? rough : rough.sort((one, other) => one.roughKey - other.roughKey).slice(0, depth);
  const unservable: PendingJob[] = [];
  const keyed: { readonly candidate: RoundCandidate; readonly key: number }[] = [];
  for (const { job, promoted, kind, worth } of nearest) {
    const candidate = isWithin(job, kind.limits) ? candidateOf(job, kind.usable, worth, deps.outputs) : null;
    if (candidate === null) unservable.push(job);
    else keyed.push({ candidate, key: promoted ? -Infinity : keyOf(candidate) });
  }
  const candidates = keyed
    .sort((one, other) => (one.key === other.key ? 0 : one.key - other.key))
    .map(({ candidate }) => candidate);
  let ready = 0;
  for (const { kind } of open) ready += kind.byAge.size();
  return { candidates, unservable, leftOut: ready > candidates.length, leastServedS };
}

function leastServedByNode(open: readonly OpenKind[], counters: FairCounters): (node: number) => number {
  const leastS: (number | undefined)[] = [];
  for (const { kind, usable } of open) {
    let ofKindS = Infinity;
    for (const member of kind.byMember.keys()) ofKindS = Math.min(ofKindS, counters.servedS(member));
    if (open.length === 1) return () => ofKindS;
    for (const { index } of usable.nodes) leastS[index] = Math.min(leastS[index] ?? Infinity, ofKindS);
  }
  return (node) => leastS[node] ?? Infinity;
}

/**
 * Jobs of a kind whose members are inside the window. Those inside on every node and those inside on some
 * only are counted apart, so that the latter cannot fill the pass and leave the other nodes idle.
 */
function admitted(
  open: OpenKind,
  depth: number,
  leastServedS: (node: number) => number,
  keyOf: (candidate: Candidate) => number,
  deps: GatherDeps,
): readonly Admitted[] {
  const { kind, usable } = open;
  let lowestS = Infinity;
  let highestS = -Infinity;
  for (const { index } of usable.nodes) {
    lowestS = Math.min(lowestS, leastServedS(index));
    highestS = Math.max(highestS, leastServedS(index));
  }
  const everywhere: Heap<PendingJob>[] = [];
  const somewhere: Heap<PendingJob>[] = [];
  for (const [member, heap] of kind.byMember) {
    const servedS = deps.counters.servedS(member);
    if (isInWindow(servedS, lowestS)) everywhere.push(heap);
    else if (isInWindow(servedS, highestS)) somewhere.push(heap);
  }
  const jobs = [
    ...firstOf(everywhere, depth, smallerFirst),
    ...firstOf(somewhere, SOMEWHERE_MAX, smallerFirst),
  ];
  const oldest = kind.overtakes >= OVERTAKES_MAX ? kind.byAge.first() : undefined;
  const mayGo = oldest !== undefined && isInWindow(deps.counters.servedS(oldest.spec.member), highestS);
  if (mayGo && !jobs.includes(oldest)) jobs.push(oldest);
  const worth = worthWeighing(usable);
  const keyPerSize = roughKeyPerSize(jobs, open, worth, keyOf, deps.outputs);
  return jobs.map((job) => {
    const promoted = job === oldest;
    return {
      job,
      promoted,
      kind: open,
      worth,
      roughKey: promoted ? -Infinity : keyPerSize * job.size ** ROUGH_EXPONENT,
    };
  });
}

/** What makes sizes of one kind comparable with those of another: the key of its first job that can be served. */
function roughKeyPerSize(
  jobs: readonly PendingJob[],
  { usable, limits }: OpenKind,
  worth: readonly UsableModel[],
  keyOf: (candidate: Candidate) => number,
  outputs: OutputLengths,
): number {
  for (const job of jobs) {
    const candidate = isWithin(job, limits) ? candidateOf(job, usable, worth, outputs) : null;
    if (candidate !== null) return keyOf(candidate) / job.size ** ROUGH_EXPONENT;
  }
  return 1;
}

/** A job with its options among those worth weighing, else among all; null when it has none. */
export function candidateOf(
  job: PendingJob,
  usable: UsableModels,
  worth: readonly UsableModel[],
  outputs: OutputLengths,
): RoundCandidate | null {
  const { spec } = job;
  const meanOf = outputs.meansFor(spec);
  const makeOption = optionsOf(spec, meanOf);
  let bestS = Infinity;
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
      bestS = Math.min(bestS, aloneS(option));
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
  return {
    spec,
    job,
    excludedNodes,
    kind: job.kind.key,
    weight: weightOf(spec),
    tokens: spec.promptTokens + outputTokens,
    bestS,
    options,
  };
}

/** For people: how far a member is ahead of those who wait for a node. */
export const aheadOf = (servedS: number, leastServedS: number): string =>
  `has had ${Math.round(servedS - leastServedS)} s more service than others who wait, ${FAIR_WINDOW_S} s is the window`;
