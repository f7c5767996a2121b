import { assert } from "../assert.ts";
import type { JobSpec } from "../job/job.ts";
import { kindRefusals, ownerRefusals } from "../placement/feasible.ts";
import type { MemberId } from "../terms.ts";
import type { FleetNode } from "./fleet.ts";
import { createHeap, firstOf } from "./heap.ts";
import type { Heap } from "./heap.ts";
import { mostUrgentFirst, olderFirst, smallerFirst } from "./pending-job.ts";
import type { PendingJob } from "./pending-job.ts";
import { createShares } from "./shares.ts";
import type { Shares } from "./shares.ts";
import { isUrgent } from "./urgency.ts";
import type { UsableModels } from "./usable.ts";

/**
 * Jobs that the same models may serve: same target, endpoint, privacy and needs. What a kind may use is
 * worked out once per node and again when the node's models change.
 */
export interface JobKind {
  readonly key: string;
  /** Its jobs may run on their member's own nodes only. */
  readonly isOwn: boolean;
  /** Ready jobs of each member, small first. */
  readonly byMember: Map<MemberId, Heap<PendingJob>>;
  /** Ready jobs, oldest first. */
  readonly byAge: Heap<PendingJob>;
  /** Ready jobs that may still meet their deadlines, those first that must start earliest. */
  readonly byUrgency: Heap<PendingJob>;
  /** Jobs that no open node can serve now; those that need least of a token budget first. */
  readonly parked: Heap<PendingJob>;
  /** When the parked were last looked at, and the fleet's state of change then. */
  lookedAtMs: number;
  lookedAtChange: number;
  lookedAtBudgets: number;
  /** What the fleet could serve at most when they were last looked at. */
  lookedAt: { readonly nodes: number; readonly contextTokens: number; readonly budgetTokens: number };
  /** Jobs younger than the oldest that started where it could have. */
  overtakes: number;
  readonly shares: Shares;
  /** What it may use, as of the fleet's state of change `usableAtChange`. */
  usable: UsableModels | null;
  usableAtChange: number;
  /** Models by index of the node's report that the kind may use; by node index. */
  readonly modelsFor: (node: FleetNode) => readonly number[];
}

export const kindKeyOf = (spec: JobSpec): string => {
  const target = spec.target.kind === "tier" ? spec.target.tier : `=${spec.target.model}`;
  const privacy = spec.privacy === "own" ? `own:${spec.member}` : spec.privacy;
  return [spec.endpoint, target, privacy, [...spec.needs].sort().join()].join("|");
};

/** A kind as the given job defines it. */
export function createJobKind(spec: JobSpec): JobKind {
  /** By node index. */
  const known: ({ readonly version: number; readonly models: readonly number[] } | undefined)[] = [];
  return {
    key: kindKeyOf(spec),
    isOwn: spec.privacy === "own",
    byMember: new Map(),
    byAge: createHeap(olderFirst),
    byUrgency: createHeap(mostUrgentFirst),
    parked: createHeap((one, other) => one.holdTokens < other.holdTokens),
    lookedAtMs: 0,
    lookedAtChange: 0,
    lookedAtBudgets: 0,
    lookedAt: { nodes: 0, contextTokens: 0, budgetTokens: 0 },
    usable: null,
    usableAtChange: 0,
    overtakes: 0,
    shares: createShares(),
    modelsFor(node) {
      const found = known[node.index];
      if (found !== undefined && found.version === node.modelsVersion) return found.models;
      const models = eligibleModels(spec, node);
      known[node.index] = { version: node.modelsVersion, models };
      return models;
    },
  };
}

function eligibleModels(spec: JobSpec, node: FleetNode): readonly number[] {
  if (ownerRefusals(spec, node).length > 0) return [];
  const models: number[] = [];
  for (const [index, model] of node.report.models.entries()) {
    if (kindRefusals(spec, node, model).length === 0) models.push(index);
  }
  return models;
}

/** Makes a job ready to start. */
export function makeReady(job: PendingJob): void {
  assert(job.place.state !== "ready", "a job is made ready once");
  const { kind, spec } = job;
  const heap = kind.byMember.get(spec.member) ?? createHeap(smallerFirst);
  kind.byMember.set(spec.member, heap);
  job.place = {
    state: "ready",
    bySize: heap.push(job),
    byAge: kind.byAge.push(job),
    byUrgency: kind.byUrgency.push(job),
  };
}

/** Takes a ready or parked job out of its kind. */
export function takeOut(job: PendingJob): void {
  const { kind, place } = job;
  if (place.state === "parked") kind.parked.remove(place.entry);
  if (place.state === "ready") {
    if (kind.byAge.first() === job) kind.overtakes = 0;
    kind.byAge.remove(place.byAge);
    kind.byUrgency.remove(place.byUrgency);
    const heap = kind.byMember.get(job.spec.member);
    heap?.remove(place.bySize);
    if (heap?.size() === 0) kind.byMember.delete(job.spec.member);
  }
  job.place = { state: "out" };
}

/** Sets a ready job aside until the fleet changes. */
export function park(job: PendingJob): void {
  takeOut(job);
  job.place = { state: "parked", entry: job.kind.parked.push(job) };
}

/** Makes parked jobs ready again. */
export function unpark(jobs: Iterable<PendingJob>): void {
  for (const job of jobs) {
    takeOut(job);
    makeReady(job);
  }
}

/** Ready jobs of a kind that their deadlines make urgent, at most `limit`; those that are too late are forgotten. */
export function urgentJobs(kind: JobKind, limit: number, nowMs: number): readonly PendingJob[] {
  for (
    let job = kind.byUrgency.first();
    job !== undefined && job.urgency.latestStartMs < nowMs;
    job = kind.byUrgency.first()
  ) {
    if (job.place.state === "ready") kind.byUrgency.remove(job.place.byUrgency);
  }
  return firstOf([kind.byUrgency], limit, mostUrgentFirst).filter(({ urgency }) => isUrgent(urgency, nowMs));
}
