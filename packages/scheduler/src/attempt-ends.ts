import { failurePolicy, MAX_ATTEMPTS } from "@coop/core";
import type {
  AttemptEnd,
  Clock,
  DispatchEvent,
  Epoch,
  FailureClass,
  FailurePolicy,
  JobId,
  Log,
  NodeId,
  Usage,
} from "@coop/core";
import type { Metrics } from "@coop/metrics";
import type { SchedulerFrame } from "@coop/protocol";
import type { Attempt, AttemptTable } from "./attempt-table.ts";
import type { FencedStore } from "./fenced-store.ts";
import type { SchedulerTiming } from "./timing.ts";

/** What everything that follows attempts works with. */
export interface AttemptDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly timing: SchedulerTiming;
  readonly store: FencedStore;
  readonly table: AttemptTable;
  readonly tell: (event: DispatchEvent) => void;
  /** Sends to the node if it is connected and the term lasts: a term that is over says nothing about attempts. */
  readonly sendTo: (node: NodeId, frame: SchedulerFrame) => void;
  /** Takes charge of a task: its failure is not lost. */
  readonly own: (task: Promise<void>) => void;
}

/** One attempt by its number and place. */
export interface AttemptRef {
  readonly job: JobId;
  readonly epoch: Epoch;
  readonly node: NodeId;
}

export interface AttemptFailure {
  readonly failure: FailureClass;
  readonly message: string;
  /** Null when unknown: the node's hold then waits for word of it. */
  readonly usage: Usage | null;
  /** Instead of the failure's own policy. */
  readonly policy?: FailurePolicy;
}

/** The ways in which an attempt ends. Each is safe to repeat; the store decides which one counts. */
export interface AttemptEnds {
  /** The attempt ends its job. */
  finish(attempt: Attempt, end: AttemptEnd): Promise<void>;
  /** The attempt failed; the job is tried again where the rules allow it. */
  fail(ref: AttemptRef, failure: AttemptFailure): Promise<void>;
  /**
   * The job does not belong to this attempt any more, or what it says cannot be kept: the agent is to stop, and
   * the lease, if it still holds, lapses. A store that lost its last changes may have the job queued again.
   */
  lose(attempt: Attempt): void;
  /** Frees what the dispatcher holds for the job, and gives the job back to it if the store has it queued. */
  handBack(
    job: JobId,
    how?: { readonly notBeforeMs?: number; readonly exclude?: readonly NodeId[] },
  ): Promise<void>;
  /** Settles the node's hold of an attempt that had ended before, and lets the agent forget it. */
  settle(ref: AttemptRef, usage: Usage): Promise<void>;
}

export const refOf = (attempt: Attempt): AttemptRef => ({
  job: attempt.spec.id,
  epoch: attempt.epoch,
  node: attempt.node,
});

export function createAttemptEnds(deps: AttemptDeps): AttemptEnds {
  const { store, table, tell, sendTo, own, metrics, log, clock, timing } = deps;

  const handBack: AttemptEnds["handBack"] = async (job, { notBeforeMs = 0, exclude = [] } = {}) => {
    tell({ kind: "attempt-ended", job, usage: null });
    const found = await store.read(job);
    if (found.kind === "unavailable" || found.record?.state.state !== "queued") return;
    const { spec, excludedNodes, state } = found.record;
    tell({
      kind: "job-pending",
      spec,
      excludedNodes: [...excludedNodes, ...exclude],
      notBeforeMs: Math.max(notBeforeMs, state.notBeforeMs),
    });
  };

  const settle = async ({ job, epoch, node }: AttemptRef, usage: Usage): Promise<void> => {
    const outcome = await store.settleNode(node, job, epoch, usage);
    if (outcome.kind === "unavailable") return;
    if (outcome.kind === "unknown")
      log.warn({ job, epoch, node }, "a node reported the end of an attempt that it never had");
    sendTo(node, { kind: "settled", job, epoch });
  };

  const lose = (attempt: Attempt): void => {
    const { job, epoch, node } = refOf(attempt);
    if (table.end(attempt)) own(handBack(job));
    sendTo(node, { kind: "cancel", job, epoch });
  };

  const finish = async (attempt: Attempt, end: AttemptEnd): Promise<void> => {
    const ref = refOf(attempt);
    const outcome = await store.finish(ref.job, ref.epoch, end);
    if (outcome.kind === "unavailable") return lose(attempt);
    if (table.end(attempt)) {
      tell({ kind: "attempt-ended", job: ref.job, usage: end.usage });
      if (outcome.kind === "stale") own(handBack(ref.job));
    }
    if (outcome.kind === "finished") metrics.jobEnded(end.kind);
    sendTo(ref.node, { kind: "settled", job: ref.job, epoch: ref.epoch });
  };

  const fail = async (ref: AttemptRef, failed: AttemptFailure): Promise<void> => {
    const { job, epoch, node } = ref;
    const policy = failed.policy ?? failurePolicy(failed.failure);
    const { excludeNode, afterMs } = nextTry(policy, epoch, timing.busyRetryMs);
    const outcome = await store.expire({
      job,
      epoch,
      failure: failed.failure,
      message: failed.message,
      usage: failed.usage,
      excludeNode,
      counts: policy.counts,
      notBeforeMs: clock.now() + afterMs,
      maxAttempts: MAX_ATTEMPTS,
    });
    const attempt = table.held(node, job, epoch);
    if (outcome.kind === "unavailable") return attempt === null ? undefined : lose(attempt);
    // Told once: a repeated end must not be taken for the end of the attempt that follows.
    if (attempt !== null && table.end(attempt)) {
      tell({ kind: "attempt-ended", job, usage: failed.usage });
      if (outcome.kind === "stale") own(handBack(job));
    }
    log.info(
      { job, epoch, node, failure: failed.failure, message: failed.message, outcome: outcome.kind },
      "an attempt failed",
    );
    switch (outcome.kind) {
      case "requeued": {
        const { record } = outcome;
        metrics.attemptRetried(failed.failure);
        const notBeforeMs = record.state.state === "queued" ? record.state.notBeforeMs : clock.now();
        tell({ kind: "job-pending", spec: record.spec, excludedNodes: record.excludedNodes, notBeforeMs });
        break;
      }
      case "failed":
        metrics.jobEnded("failed");
        break;
      case "stale":
        if (failed.usage !== null) await settle(ref, failed.usage);
        return;
    }
    if (failed.usage !== null) sendTo(node, { kind: "settled", job, epoch });
  };

  return { finish, fail, lose, handBack, settle };
}

/** Longest wait between tries of a job that is turned away, as a multiple of the first. */
const LONGEST_WAIT_FACTOR = 32;

/**
 * Where and when a job is tried again. What does not count has no limit: a job that was placed more often than it
 * may fail leaves a node that only says that it is busy, and is offered ever less often.
 */
function nextTry(
  policy: FailurePolicy,
  epoch: Epoch,
  busyRetryMs: number,
): { readonly excludeNode: boolean; readonly afterMs: number } {
  const surplus = epoch - MAX_ATTEMPTS;
  if (surplus <= 0) return { excludeNode: policy.excludeNode, afterMs: policy.excludeNode ? 0 : busyRetryMs };
  return { excludeNode: true, afterMs: busyRetryMs * Math.min(2 ** surplus, LONGEST_WAIT_FACTOR) };
}
