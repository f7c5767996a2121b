import type { Epoch, JobId, MemberId, NodeId } from "../terms.ts";

/** One settlement: tokens that move between accounts. The deltas sum to zero. */
export interface LedgerEntry {
  /** What settled it: how a job ended, how a node's hold did, `refunded` or `granted`. */
  readonly kind: string;
  /** Null when it was granted. */
  readonly job: JobId | null;
  /** Id of what was granted; null for all else. */
  readonly grant: string | null;
  readonly epoch: Epoch;
  readonly member: MemberId;
  readonly month: string;
  /** The node whose attempt is settled, with the day of its account; null when no attempt was on a node. */
  readonly node: NodeId | null;
  readonly day: string | null;
  /** Whose credit of the month grows by `toCredit`; null when nobody's does. */
  readonly owner: MemberId | null;
  readonly atMs: number;
  readonly toMember: number;
  readonly toNode: number;
  readonly toWaste: number;
  readonly toAbsorbed: number;
  readonly toCredit: number;
  readonly toGrant: number;
}

/** An entry where it stands in the ledger. */
export interface LedgerLine extends LedgerEntry {
  /** `number-number`; grows from line to line. */
  readonly position: string;
}

/** What lines of the ledger come to, tokens. */
export interface LedgerSums {
  readonly lines: number;
  /** Position of the last line; null when there was none. */
  readonly last: string | null;
  readonly members: readonly {
    readonly member: MemberId;
    readonly month: string;
    readonly usedTokens: number;
    readonly creditTokens: number;
  }[];
  readonly nodes: readonly { readonly node: NodeId; readonly day: string; readonly usedTokens: number }[];
  /** Lines whose deltas do not sum to zero. */
  readonly unbalanced: readonly {
    readonly position: string;
    /** The job's id, or that of what was granted. */
    readonly of: string;
    readonly sumTokens: number;
  }[];
}

/** What an account says, tokens. A node has one for each day `YYYY-MM-DD` and one for each month `YYYY-MM`. */
export type AccountBalance =
  | {
      readonly kind: "member";
      readonly member: MemberId;
      readonly month: string;
      readonly usedTokens: number;
      readonly creditTokens: number;
    }
  | { readonly kind: "node"; readonly node: NodeId; readonly period: string; readonly usedTokens: number };

export interface LedgerBalances {
  /** Of the lines after the position that was asked for. */
  readonly sums: LedgerSums;
  readonly accounts: readonly AccountBalance[];
  /** How long a node's accounts of a month and its days are kept from the month's first lease on, ms; a member's is kept for good. */
  readonly nodeAccountKeptMs: number;
}

export interface MemberMonth {
  readonly member: MemberId;
  readonly month: string;
}

export interface RolledUp extends MemberMonth {
  /** Of the account. */
  readonly usedTokens: number;
  /** Of the usage. */
  readonly chargedTokens: number;
  /** How many of the sums that are kept beside the usage are not what it comes to. */
  readonly wrongSums: number;
}

/** Reads what was settled. Nobody changes a line once it is there. */
export interface LedgerReader {
  /** Lines after a position, oldest first; null: from the first on. */
  page(after: string | null, limit: number): Promise<readonly LedgerLine[]>;
  /** What the lines after a position come to, at most `limit` of them. Takes its time, for the sake of others. */
  sums(after: string | null, limit: number): Promise<LedgerSums>;
  /** Every account, with the sums of all lines after a position: both of the same moment, whatever runs meanwhile. */
  balances(after: string | null): Promise<LedgerBalances>;
  /** What members' accounts of a month and the usage rolled up for them say, both of the same moment. */
  rolledUp(accounts: readonly MemberMonth[]): Promise<readonly RolledUp[]>;
}
