import type { MemberId, NodeId, Tier } from "../terms.ts";

/** Sums over jobs and attempts; whole numbers. */
export interface UsageCounts {
  /** Jobs that ended, by how they did. An attempt that was followed by another counts in none of these. */
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  readonly expired: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Charged to the member, less what was given back. */
  readonly chargedTokens: number;
  /**
   * Time of the node, ms: while several attempts run on it each has its share, so that the sum over all attempts
   * is the time that the node was busy. Attempts that came to nothing count.
   */
  readonly nodeMs: number;
}

/** What was used on one day. */
export interface UsageOfDay extends UsageCounts {
  /** Day of admission in the co-op's time zone, `YYYY-MM-DD`: a job that runs past midnight stays with it. */
  readonly day: string;
}

/** What was used in one place. */
export interface UsageOfPlace extends UsageCounts {
  /** Null for jobs that ended without ever having been on a node. */
  readonly place: { readonly node: NodeId; readonly model: string; readonly tier: Tier } | null;
}

/** What one member used on one day in one place. */
export interface UsageRow extends UsageOfDay, UsageOfPlace {}

/** Upper edges of the wait histogram's buckets, ms; one more bucket holds what is beyond the last. */
export const WAIT_EDGES_MS = [
  10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000,
  1_800_000, 3_600_000, 7_200_000, 21_600_000, 86_400_000,
] as const;

/** One member's month by day and place at once. */
export interface MemberUsage {
  readonly member: MemberId;
  readonly month: string;
  readonly rows: readonly UsageRow[];
}

/** One member's month by each alone, which is a tenth of its rows: what they come to, to the last millisecond. */
export interface MemberUsageSums {
  readonly member: MemberId;
  readonly month: string;
  readonly days: readonly UsageOfDay[];
  readonly places: readonly UsageOfPlace[];
  /** From submission to the lease of the attempt that ended the job: jobs by bucket, `WAIT_EDGES_MS.length + 1` of them. */
  readonly waits: readonly number[];
}

/** Reads the rollups that the settling scripts keep: no scan of jobs or ledger. */
export interface UsageReader {
  /** Without rows where nothing was used. */
  month(member: MemberId, month: string): Promise<MemberUsage>;
  /** Of these members, in their order, read at once: a few at a time, or others wait. */
  sums(members: readonly MemberId[], month: string): Promise<readonly MemberUsageSums[]>;
}
