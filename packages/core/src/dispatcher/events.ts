import type { NodeBudget } from "../budget/node-budget.ts";
import type { JobSpec, Usage } from "../job/job.ts";
import type { AttemptPhase, Machine, NodeIdentity, NodeReport } from "../fleet/node.ts";
import type { Placement } from "../placement/explanation.ts";
import type { JobId, NodeId, Tier } from "../terms.ts";

/** What the dispatcher is told. Time comes from its clock. */
export type DispatchEvent =
  /** A job is pending: new, retried, or found at boot. Repeating it changes nothing. */
  | {
      readonly kind: "job-pending";
      readonly spec: JobSpec;
      readonly excludedNodes: readonly NodeId[];
      readonly notBeforeMs: number;
    }
  /** A pending or active job ended elsewhere (cancelled, expired); its slot counts as free. Unknown jobs are ignored. */
  | { readonly kind: "job-gone"; readonly job: JobId }
  | {
      readonly kind: "node-joined";
      readonly identity: NodeIdentity;
      readonly machine: Machine;
      readonly report: NodeReport;
      /** Attempts that the node runs already and that were resumed. */
      readonly running: readonly {
        readonly spec: JobSpec;
        readonly model: string;
        readonly startedAtMs: number;
        readonly outputTokens: number;
      }[];
      readonly budget: NodeBudget;
    }
  | {
      readonly kind: "node-reported";
      readonly node: NodeId;
      readonly report: NodeReport;
      readonly budget: NodeBudget;
    }
  /** The node disconnected; its attempts stay active until each ends or is resumed. It gets nothing new. */
  | { readonly kind: "node-left"; readonly node: NodeId }
  /** The node was revoked: forget it. */
  | { readonly kind: "node-removed"; readonly node: NodeId }
  | {
      readonly kind: "attempt-progress";
      readonly job: JobId;
      readonly phase: AttemptPhase;
      readonly outputTokens: number;
    }
  /** The attempt ended, however; its slot is free. A job that is to be retried comes again as job-pending. */
  | { readonly kind: "attempt-ended"; readonly job: JobId; readonly usage: Usage | null }
  | { readonly kind: "tick" };

/** What the dispatcher wants done. */
export type DispatchEffect = {
  readonly kind: "assign";
  readonly spec: JobSpec;
  readonly node: NodeId;
  readonly model: string;
  readonly tier: Tier;
  readonly placement: Placement;
};
