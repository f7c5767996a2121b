import type { JobId, MemberId, Tier } from "../terms.ts";

/** What a member used, holds and was credited in a month, tokens. */
export interface MemberAccount {
  readonly usedTokens: number;
  readonly heldTokens: number;
  /** Earned by the member's nodes and granted by an operator. */
  readonly creditTokens: number;
  /** Of the used and held, what jobs that asked for a tier took; a tier that none asked for is left out. */
  readonly tiers: Readonly<
    Partial<Record<Tier, { readonly usedTokens: number; readonly heldTokens: number }>>
  >;
  /** Jobs that have not ended now, whatever month they are of. */
  readonly unfinishedJobs: number;
}

export type RefundOutcome =
  | { readonly kind: "refunded"; readonly tokens: number }
  /** Given back before: nothing changed. */
  | { readonly kind: "repeated" }
  | { readonly kind: "not-ended" }
  | { readonly kind: "not-found" };

/** Compensating entries: the only way in which a settled amount ever changes. */
export interface Accounting {
  account(member: MemberId, month: string): Promise<MemberAccount>;
  /** Gives a member what a job cost back; the co-op's waste account bears it. Once for each job. */
  refund(job: JobId, nowMs: number): Promise<RefundOutcome>;
  /** Credits (or, below zero, takes back) tokens for a month. Once for each id. */
  grant(
    grant: {
      readonly id: string;
      readonly member: MemberId;
      readonly month: string;
      readonly tokens: number;
    },
    nowMs: number,
  ): Promise<"granted" | "repeated">;
}
