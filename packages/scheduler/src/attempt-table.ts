import type { Epoch, JobId, JobSpec, NodeId } from "@coop/core";
import { createSerialQueue } from "./serial-queue.ts";
import type { SerialQueue } from "./serial-queue.ts";

/** `assigned`: sent, not yet taken; its timer revokes it. `ended`: its end is kept, nothing more counts. */
export type AttemptState =
  | { readonly kind: "assigned"; readonly revocation: NodeJS.Timeout }
  | { readonly kind: "running" }
  | { readonly kind: "ended" };

/** An attempt as the leading scheduler follows it. Truth is in the store; this is what a frame is checked against. */
export interface Attempt {
  readonly spec: JobSpec;
  readonly epoch: Epoch;
  readonly node: NodeId;
  readonly model: string;
  readonly startedAtMs: number;
  /** Everything that changes the attempt in the store goes through here, so that output keeps its order. */
  readonly steps: SerialQueue;
  state: AttemptState;
  /** Number of the last output frame kept. */
  lastSeq: number;
  outputTokens: number;
  /** Bytes of output observed. */
  outputBytes: number;
  /** Bytes of output frames that arrived and are not kept yet. */
  bytesOnTheWay: number;
}

export type NewAttempt = Pick<
  Attempt,
  "spec" | "epoch" | "node" | "model" | "startedAtMs" | "state" | "lastSeq" | "outputTokens" | "outputBytes"
>;

/** The attempts of one term of leadership, by job and by node. A job has at most one. */
export interface AttemptTable {
  add(attempt: NewAttempt): Attempt;
  /** The attempt that this node holds, null when it is not this one. */
  held(node: NodeId, job: JobId, epoch: Epoch): Attempt | null;
  ofNode(node: NodeId): readonly Attempt[];
  /** Ends it: no frame of it changes anything any more. False when it had ended before. */
  end(attempt: Attempt): boolean;
  /** Ends them all here, in memory only: the term is over. */
  clear(): void;
  readonly size: number;
}

export function createAttemptTable(): AttemptTable {
  const byJob = new Map<JobId, Attempt>();
  const byNode = new Map<NodeId, Set<Attempt>>();

  const end = (attempt: Attempt): boolean => {
    if (attempt.state.kind === "ended") return false;
    if (attempt.state.kind === "assigned") clearTimeout(attempt.state.revocation);
    attempt.state = { kind: "ended" };
    if (byJob.get(attempt.spec.id) === attempt) byJob.delete(attempt.spec.id);
    const ofNode = byNode.get(attempt.node);
    ofNode?.delete(attempt);
    if (ofNode?.size === 0) byNode.delete(attempt.node);
    return true;
  };

  return {
    add(fresh) {
      const older = byJob.get(fresh.spec.id);
      if (older !== undefined) end(older);
      const attempt: Attempt = { ...fresh, steps: createSerialQueue(), bytesOnTheWay: 0 };
      byJob.set(fresh.spec.id, attempt);
      const ofNode = byNode.get(fresh.node) ?? new Set();
      byNode.set(fresh.node, ofNode.add(attempt));
      return attempt;
    },
    held(node, job, epoch) {
      const attempt = byJob.get(job);
      return attempt !== undefined && attempt.epoch === epoch && attempt.node === node ? attempt : null;
    },
    ofNode: (node) => [...(byNode.get(node) ?? [])],
    end,
    clear() {
      for (const attempt of byJob.values()) end(attempt);
    },
    get size() {
      return byJob.size;
    },
  };
}
