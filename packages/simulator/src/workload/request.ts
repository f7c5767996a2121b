import type { Prefix } from "../world/job.ts";

/** One request of a workload before it is dressed as a job: what a trace tells, or chance. */
export interface Request {
  /** Seconds from the beginning; in order. */
  readonly atS: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Who sent it, where that is known. */
  readonly client: string | null;
  /** Conversation that it says it belongs to. */
  readonly session: string | null;
  readonly prefix: Prefix | null;
  readonly sharedTokens: number;
}
