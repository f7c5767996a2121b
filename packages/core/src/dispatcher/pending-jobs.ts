import type { FairCounters } from "../fairness/counters.ts";
import type { JobSpec } from "../job/job.ts";
import type { ModelCapacity, TierQueue } from "../fleet/node.ts";
import type { JobId, NodeId, Tier } from "../terms.ts";
import type { FleetNode } from "./fleet.ts";
import { createHeap } from "./heap.ts";
import type { Heap, HeapEntry } from "./heap.ts";
import { createJobKind, kindKeyOf, makeReady, takeOut } from "./job-kind.ts";
import type { JobKind } from "./job-kind.ts";
import type { OutputLengths } from "./output-lengths.ts";
import { createPendingJob, olderFirst } from "./pending-job.ts";
import type { PendingJob } from "./pending-job.ts";
import type { UsableModel, UsableModels } from "./usable.ts";

/** Every job that waits, by kind; changed in place, and fit for a hundred thousand. */
export interface PendingJobs {
  readonly kinds: ReadonlyMap<string, JobKind>;
  /** Answers whether anything changed: a job that waits already in the same way is left alone. */
  readonly add: (
    waiting: {
      readonly spec: JobSpec;
      readonly excludedNodes: readonly NodeId[];
      readonly notBeforeMs: number;
    },
    nowMs: number,
  ) => boolean;
  readonly remove: (id: JobId) => void;
  /** The job starts on a node: it goes, and older jobs that could have used the node were overtaken. */
  readonly started: (job: PendingJob, node: FleetNode) => void;
  readonly find: (id: JobId) => PendingJob | undefined;
  readonly count: () => number;
  /** Those that wait, by the tier that they ask for. */
  readonly byTier: () => Readonly<Record<Tier, TierQueue>>;
  /** Makes ready what has backed off long enough; answers whether anything was. */
  readonly wakeUp: (nowMs: number) => boolean;
}

const queueOf = (waiting: Heap<PendingJob>): TierQueue => ({
  jobs: waiting.size(),
  oldestMs: waiting.first()?.spec.submittedAtMs ?? null,
});

const capacityOf = (model: UsableModel | null): ModelCapacity | null =>
  model?.node.report.models[model.index]?.capacity ?? null;

/** Kinds without jobs are kept, for what was learned of them, up to this many. */
const KINDS_MAX = 1_000;

export function createPendingJobs(deps: {
  readonly counters: Pick<FairCounters, "arrive" | "ask">;
  readonly outputs: OutputLengths;
  /** What a kind may use now. */
  readonly usableBy: (kind: JobKind) => UsableModels;
}): PendingJobs {
  const jobs = new Map<JobId, { readonly job: PendingJob; readonly queued: HeapEntry<PendingJob> }>();
  const byTier: Readonly<Record<Tier, Heap<PendingJob>>> = {
    edge: createHeap(olderFirst),
    "local-small": createHeap(olderFirst),
    "local-large": createHeap(olderFirst),
    frontier: createHeap(olderFirst),
  };
  const kinds = new Map<string, JobKind>();
  const backingOff = createHeap<PendingJob>((one, other) => one.notBeforeMs < other.notBeforeMs);
  let arrivals = 0;

  const kindOf = (spec: JobSpec): JobKind => {
    const key = kindKeyOf(spec);
    const known = kinds.get(key);
    if (known !== undefined) return known;
    for (const kind of kinds.values()) {
      if (kinds.size < KINDS_MAX) break;
      if (kind.byAge.size() === 0 && kind.parked.size() === 0) kinds.delete(kind.key);
    }
    const made = createJobKind(spec);
    kinds.set(key, made);
    return made;
  };

  const drop = (job: PendingJob): void => {
    const known = jobs.get(job.spec.id);
    if (known !== undefined) byTier[job.spec.askedTier].remove(known.queued);
    jobs.delete(job.spec.id);
    if (job.place.state === "backing-off") backingOff.remove(job.place.entry);
    takeOut(job);
  };

  const enter = (job: PendingJob, nowMs: number): void => {
    deps.counters.arrive(job.spec.member, deps.usableBy(job.kind).claimClasses, nowMs);
    makeReady(job);
  };

  return {
    kinds,
    add({ spec, excludedNodes, notBeforeMs }, nowMs) {
      const known = jobs.get(spec.id)?.job;
      if (known !== undefined) {
        const isSame =
          known.notBeforeMs === notBeforeMs && known.excludedNodes.join() === excludedNodes.join();
        if (isSame) return false;
        drop(known);
      }
      arrivals += 1;
      const meanTokens = deps.outputs.meansFor(spec)("");
      const kind = kindOf(spec);
      const fastest = capacityOf(deps.usableBy(kind).fastest);
      const waiting = { spec, kind, excludedNodes, notBeforeMs };
      const job = createPendingJob(waiting, arrivals, meanTokens, fastest);
      if (known === undefined) {
        deps.counters.ask(spec.member, spec.weight, job.asked, Math.min(spec.submittedAtMs, nowMs));
      }
      jobs.set(spec.id, { job, queued: byTier[spec.askedTier].push(job) });
      if (notBeforeMs > nowMs) job.place = { state: "backing-off", entry: backingOff.push(job) };
      else enter(job, nowMs);
      return true;
    },
    remove(id) {
      const known = jobs.get(id);
      if (known !== undefined) drop(known.job);
    },
    started(job, node) {
      for (const kind of kinds.values()) {
        const oldest = kind.byAge.first();
        if (oldest === undefined || oldest === job || !olderFirst(oldest, job)) continue;
        if (kind.modelsFor(node).length > 0) kind.overtakes += 1;
      }
      drop(job);
      job.kind.shares.note(node.index);
    },
    find: (id) => jobs.get(id)?.job,
    count: () => jobs.size,
    byTier: () => ({
      edge: queueOf(byTier.edge),
      "local-small": queueOf(byTier["local-small"]),
      "local-large": queueOf(byTier["local-large"]),
      frontier: queueOf(byTier.frontier),
    }),
    wakeUp(nowMs) {
      let woke = false;
      for (
        let job = backingOff.first();
        job !== undefined && job.notBeforeMs <= nowMs;
        job = backingOff.first()
      ) {
        if (job.place.state === "backing-off") backingOff.remove(job.place.entry);
        enter(job, nowMs);
        woke = true;
      }
      return woke;
    },
  };
}
