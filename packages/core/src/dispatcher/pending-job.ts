import { decodeStepMs, prefillMs } from "../capacity/decode.ts";
import { holdTokens } from "../job/job.ts";
import type { JobSpec } from "../job/job.ts";
import type { Asked } from "../fairness/asked.ts";
import type { ModelCapacity } from "../fleet/node.ts";
import type { NodeId } from "../terms.ts";
import { contextTokensOf } from "../placement/feasible.ts";
import { weightOf } from "../placement/plan-node.ts";
import type { HeapEntry } from "./heap.ts";
import type { JobKind } from "./job-kind.ts";
import { urgencyOf } from "./urgency.ts";
import type { Urgency } from "./urgency.ts";

/** A job that waits. */
export interface PendingJob {
  readonly spec: JobSpec;
  readonly kind: JobKind;
  readonly excludedNodes: readonly NodeId[];
  readonly notBeforeMs: number;
  /** Order of arrival here. */
  readonly arrival: number;
  /** Grows with its work against its weight; only its order within a kind counts. */
  readonly size: number;
  /** The size as the order counts it, about. */
  readonly roughSize: number;
  /** What it asks for, over its member's weight; of batch work, a part. */
  readonly asked: Asked;
  readonly holdTokens: number;
  readonly contextTokens: number;
  readonly urgency: Urgency;
  place: PendingPlace;
}

/**
 * `ready`: may start when a node suits. `backing-off`: not before its time. `parked`: no open node can serve
 * it, though its kind is served; looked at again when the fleet changes and now and then.
 */
export type PendingPlace =
  | {
      readonly state: "ready";
      readonly bySize: HeapEntry<PendingJob>;
      readonly byAge: HeapEntry<PendingJob>;
      readonly byUrgency: HeapEntry<PendingJob>;
    }
  | { readonly state: "backing-off"; readonly entry: HeapEntry<PendingJob> }
  | { readonly state: "parked"; readonly entry: HeapEntry<PendingJob> }
  | { readonly state: "out" };

/** One prompt token takes about this part of the time of one output token. */
const PROMPT_TOKEN_SHARE = 0.1;
/** The order counts sizes this much, for jobs of one kind. */
const ROUGH_EXPONENT = 0.7;

export function createPendingJob(
  waiting: {
    readonly spec: JobSpec;
    readonly kind: JobKind;
    readonly excludedNodes: readonly NodeId[];
    readonly notBeforeMs: number;
  },
  arrival: number,
  meanOutputTokens: number,
  /** What it could run on that takes least for an ordinary job. */
  fastest: ModelCapacity | null,
): PendingJob {
  const { spec } = waiting;
  const outputTokens = Math.min(spec.maxOutputTokens, meanOutputTokens);
  const size = (spec.promptTokens * PROMPT_TOKEN_SHARE + outputTokens) / weightOf(spec);
  return {
    ...waiting,
    arrival,
    size,
    roughSize: size ** ROUGH_EXPONENT,
    asked: {
      jobs: weightOf(spec) / spec.weight,
      promptTokens: (weightOf(spec) * spec.promptTokens) / spec.weight,
      outputTokens: (weightOf(spec) * outputTokens) / spec.weight,
    },
    holdTokens: holdTokens(spec),
    contextTokens: contextTokensOf(spec),
    urgency: urgencyOf(
      spec.deadlineMs,
      fastest === null
        ? 0
        : prefillMs(fastest, spec.promptTokens) + outputTokens * decodeStepMs(fastest, spec.promptTokens, 1),
    ),
    place: { state: "out" },
  };
}

/** Small jobs first, older ones among equals. */
export const smallerFirst = (one: PendingJob, other: PendingJob): boolean =>
  one.size === other.size ? olderFirst(one, other) : one.size < other.size;

export const olderFirst = (one: PendingJob, other: PendingJob): boolean =>
  one.spec.submittedAtMs === other.spec.submittedAtMs
    ? one.arrival < other.arrival
    : one.spec.submittedAtMs < other.spec.submittedAtMs;

/** Those that must start earliest to meet their deadlines first. */
export const mostUrgentFirst = (one: PendingJob, other: PendingJob): boolean =>
  one.urgency.latestStartMs === other.urgency.latestStartMs
    ? one.arrival < other.arrival
    : one.urgency.latestStartMs < other.urgency.latestStartMs;
