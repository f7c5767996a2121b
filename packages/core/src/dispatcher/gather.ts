import { FAIR_WINDOW_S, isInWindow, OVERTAKES_MAX } from "../fairness/window.ts";
import type { FairCounters } from "../fairness/counters.ts";
import type { Candidate, PlacementOption } from "../placement/candidate.ts";
import { needsOf, weightOf } from "../placement/plan-node.ts";
import { aloneS } from "../placement/virtual-node.ts";
import type { NodeId } from "../terms.ts";
import type { FleetNode } from "./fleet.ts";
import { firstOf } from "./heap.ts";
import type { Heap } from "./heap.ts";
import type { JobKind } from "./job-kind.ts";
import type { OutputLengths } from "./output-lengths.ts";
import { smallerFirst } from "./pending-job.ts";
import type { PendingJob } from "./pending-job.ts";
import { usableBy, worthWeighing } from "./usable.ts";
import type { UsableModel, UsableModels } from "./usable.ts";

/** The jobs that one pass looks at, each with its options, and who may use which node. */
export interface Gathering {
  readonly candidates: readonly RoundCandidate[];
  /** Jobs that no open node can serve: to be parked. */
  readonly unservable: readonly PendingJob[];
  /** Least service had by a member who waits for a node, by node index; Infinity where nobody does. */
  readonly leastServedS: (node: number) => number;
}

export interface RoundCandidate extends Candidate {
  readonly job: PendingJob;
  /** Nodes that are refused for earlier failures: none when no other node could serve the job. */
  readonly excludedNodes: readonly NodeId[];
  /** Overtaken too often: goes first. */
  readonly promoted: boolean;
}

export interface GatherDeps {
  readonly counters: FairCounters;
  readonly outputs: OutputLengths;
}

interface OpenKind {
  readonly kind: JobKind;
  readonly usable: UsableModels;
}

/** Up to `limit` jobs of each kind that the fair order admits, small ones first. */
export function gather(
  kinds: Iterable<JobKind>,
  fleet: readonly FleetNode[],
  limit: number,
  deps: GatherDeps,
): Gathering {
  const open: OpenKind[] = [];
  for (const kind of kinds) {
    if (kind.byMember.size === 0) continue;
    const usable = usableBy(kind, fleet);
    if (usable.models.length > 0) open.push({ kind, usable });
  }
  const leastServedS = leastServedByNode(open, deps.counters);
  const candidates: RoundCandidate[] = [];
  const unservable: PendingJob[] = [];
  for (const { kind, usable } of open) {
    let worth: readonly UsableModel[] | null = null;
    for (const { job, promoted } of admitted(kind, usable, leastServedS, limit, deps.counters)) {
      const needOf = needsOf(job.spec, deps.outputs.meansFor(job.spec));
      worth ??= worthWeighing(usable, ({ report }) => aloneS(needOf(report)) + loadS(report));
      const candidate = candidateOf(job, promoted, usable, worth, deps.outputs);
      if (candidate === null) unservable.push(job);
      else candidates.push(candidate);
    }
  }
  return { candidates, unservable, leastServedS };
}

const loadS = ({ loaded, cloud, capacity }: UsableModel["report"]): number =>
  loaded || cloud ? 0 : capacity.loadMs.value / 1000;

function leastServedByNode(open: readonly OpenKind[], counters: FairCounters): (node: number) => number {
  const leastS: (number | undefined)[] = [];
  for (const { kind, usable } of open) {
    let ofKindS = Infinity;
    for (const member of kind.byMember.keys()) ofKindS = Math.min(ofKindS, counters.servedS(member));
    for (const { index } of usable.nodes) leastS[index] = Math.min(leastS[index] ?? Infinity, ofKindS);
  }
  return (node) => leastS[node] ?? Infinity;
}

/**
 * Jobs of a kind whose members are inside the window. Those inside on every node and those inside on some
 * only are counted apart, so that the latter cannot fill the pass and leave the other nodes idle.
 */
function admitted(
  kind: JobKind,
  usable: UsableModels,
  leastServedS: (node: number) => number,
  limit: number,
  counters: FairCounters,
): { readonly job: PendingJob; readonly promoted: boolean }[] {
  let lowestS = Infinity;
  let highestS = -Infinity;
  for (const { index } of usable.nodes) {
    lowestS = Math.min(lowestS, leastServedS(index));
    highestS = Math.max(highestS, leastServedS(index));
  }
  const everywhere: Heap<PendingJob>[] = [];
  const somewhere: Heap<PendingJob>[] = [];
  for (const [member, heap] of kind.byMember) {
    const servedS = counters.servedS(member);
    if (isInWindow(servedS, lowestS)) everywhere.push(heap);
    else if (isInWindow(servedS, highestS)) somewhere.push(heap);
  }
  const oldest = kind.overtakes >= OVERTAKES_MAX ? kind.byAge.first() : undefined;
  const isFirst = (job: PendingJob) => job === oldest;
  const jobs = [...firstOf(everywhere, limit, smallerFirst), ...firstOf(somewhere, limit, smallerFirst)];
  const found = jobs.filter((job) => !isFirst(job)).map((job) => ({ job, promoted: false }));
  const mayGo = oldest !== undefined && isInWindow(counters.servedS(oldest.spec.member), highestS);
  return mayGo ? [{ job: oldest, promoted: true }, ...found] : found;
}

/** A job with its options among those worth weighing, else among all; null when it has none. */
export function candidateOf(
  job: PendingJob,
  promoted: boolean,
  usable: UsableModels,
  worth: readonly UsableModel[],
  outputs: OutputLengths,
): RoundCandidate | null {
  if (job.contextTokens > usable.mostContextTokens || job.holdTokens > usable.mostTokensLeft) return null;
  const meanOf = outputs.meansFor(job.spec);
  const needOf = needsOf(job.spec, meanOf);
  const optionsAmong = (models: readonly UsableModel[], excluded: readonly NodeId[]): PlacementOption[] => {
    const options: PlacementOption[] = [];
    for (const { node, index, report } of models) {
      if (report.contextTokens < job.contextTokens) continue;
      if (node.tokensLeftToday !== null && node.tokensLeftToday < job.holdTokens) continue;
      if (node.report.tokensPerDay !== null && node.report.tokensPerDay < job.holdTokens) continue;
      if (excluded.length > 0 && excluded.includes(node.identity.id)) continue;
      options.push({ node: node.index, model: index, need: needOf(report) });
    }
    return options;
  };
  let { excludedNodes } = job;
  let options = optionsAmong(worth, excludedNodes);
  if (options.length === 0) options = optionsAmong(usable.models, excludedNodes);
  if (options.length === 0 && excludedNodes.length > 0) {
    excludedNodes = [];
    options = optionsAmong(usable.models, excludedNodes);
  }
  if (options.length === 0) return null;
  let bestS = Infinity;
  for (const { need } of options) bestS = Math.min(bestS, aloneS(need));
  const { spec } = job;
  const outputTokens = Math.min(spec.maxOutputTokens, meanOf(""));
  return {
    spec,
    job,
    promoted,
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
