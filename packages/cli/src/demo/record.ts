import type { JobView, NodeRow, PlacementView, QuotaView } from "@coop/protocol";
import type { Books } from "./books.ts";
import type { DemoMember, Phase } from "./workload.ts";

/** What became of one job of the demo. */
export interface JobRecord {
  readonly phase: Phase;
  readonly task: string;
  readonly member: DemoMember;
  readonly job: JobView;
  /** The decision that placed it; null for a job that never was. */
  readonly placement: PlacementView | null;
}

/** A job that was seen waiting for a better node while another could have started it. */
export interface HeldSight {
  readonly job: string;
  readonly task: string;
  readonly placement: PlacementView;
}

/** What a member's month says after the demo, tokens. */
export interface MemberMonth extends Readonly<
  Pick<QuotaView, "limitTokens" | "creditTokens" | "usedTokens" | "heldTokens" | "leftTokens">
> {
  readonly member: DemoMember;
}

/** All that the demo saw. */
export interface DemoRecords {
  readonly jobs: readonly JobRecord[];
  readonly held: readonly HeldSight[];
  readonly nodes: readonly NodeRow[];
  readonly months: readonly MemberMonth[];
  readonly books: Books;
}

/** From submission to the decision that placed it, seconds; null for a job that never was placed. */
export const waitS = ({ job, placement }: JobRecord): number | null =>
  placement?.decision.kind === "assigned" ? Math.max(0, placement.atMs - job.submittedAtMs) / 1000 : null;

/** From submission to the end, seconds; null while it runs. */
export const tookS = ({ job }: JobRecord): number | null =>
  job.finishedAtMs === null ? null : (job.finishedAtMs - job.submittedAtMs) / 1000;

/** The least value that at least a share `q` of the values does not exceed; 0 of none. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}

/** How long at least `slots` of the jobs ran at once, seconds, from their placement to their end. */
export function fullS(jobs: readonly JobRecord[], slots: number): number {
  const steps = jobs
    .flatMap(({ job, placement }) =>
      placement === null || job.finishedAtMs === null
        ? []
        : [
            { atMs: placement.atMs, change: 1 },
            { atMs: job.finishedAtMs, change: -1 },
          ],
    )
    .toSorted((a, b) => a.atMs - b.atMs || a.change - b.change);
  let running = 0;
  let fullMs = 0;
  steps.forEach(({ atMs, change }, index) => {
    running += change;
    if (running >= slots) fullMs += (steps[index + 1]?.atMs ?? atMs) - atMs;
  });
  return fullMs / 1000;
}
