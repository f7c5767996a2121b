import { CLOSED_REASONS } from "../fleet/node.ts";
import type { NodeId, Tier } from "../terms.ts";

/** Why a node cannot take a job. `ever: false` in `Refusal` marks what no waiting can change. */
export const REFUSAL_REASONS = [
  "tier-below",
  "model-absent",
  "capability-missing",
  "context-too-small",
  "memory-too-small",
  "privacy-not-owner",
  "privacy-cloud",
  "budget-too-small",
  "budget-spent",
  "no-free-slot",
  "disconnected",
  "draining",
  ...CLOSED_REASONS,
  "excluded-after-failure",
  "model-unhealthy",
  "memory-pressure",
  "thermal-critical",
  "fair-order",
  "owner-first",
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** One reason why a (node, model) or a node is not feasible for a job. */
export interface Refusal {
  readonly reason: RefusalReason;
  /** Whether waiting could change it: a full slot passes, a missing model does not. */
  readonly passing: boolean;
  /** For people, with the numbers: "needs 9,000 tokens of context, llama3.2:3b has 8,192 here". */
  readonly detail: string;
}

/** The terms of the cost of one option, seconds of the job's time (scheduling: cost in one number). */
export interface CostTerms {
  /** Until the option could start. */
  readonly waitS: number;
  readonly loadS: number;
  readonly prefillS: number;
  readonly decodeS: number;
  /** What co-runners cost this job beyond running alone. */
  readonly sharingS: number;
  /** Weighted delay that this job gives to co-runners. */
  readonly coRunnersS: number;
  /** Price of the node's time to the jobs that wait behind. */
  readonly queueS: number;
  readonly evictionS: number;
  readonly budgetS: number;
  readonly totalS: number;
}

export type OptionVerdict =
  | {
      readonly kind: "costed";
      readonly model: string;
      readonly tier: Tier;
      readonly startsNow: boolean;
      readonly cost: CostTerms;
    }
  | { readonly kind: "refused"; readonly model: string | null; readonly refusals: readonly Refusal[] };

/** What placement made of one node for one job. */
export interface NodeVerdict {
  readonly node: NodeId;
  readonly nodeName: string;
  readonly simulated: boolean;
  readonly options: readonly OptionVerdict[];
}

/** A placement decision that explains itself. */
export interface Placement {
  readonly atMs: number;
  readonly decision:
    | {
        readonly kind: "assigned";
        readonly node: NodeId;
        readonly nodeName: string;
        readonly model: string;
        readonly tier: Tier;
      }
    /** A better node is worth waiting for. */
    | {
        readonly kind: "held";
        readonly forNode: NodeId;
        readonly forNodeName: string;
        readonly model: string;
        readonly expectedWaitS: number;
      }
    /** Nothing feasible is free, others go first, or nothing feasible is connected. */
    | { readonly kind: "waiting"; readonly why: string }
    /** No known node could ever serve it. */
    | { readonly kind: "impossible"; readonly why: string };
  readonly nodes: readonly NodeVerdict[];
}
