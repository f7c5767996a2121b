import type { Epoch, JobId, MemberId, NodeId } from "../terms.ts";

/** One settlement: tokens that move between accounts. The deltas sum to zero. */
export interface LedgerEntry {
  /** What settled it: how a job ended, or how a node's hold did. */
  readonly kind: string;
  readonly job: JobId;
  readonly epoch: Epoch;
  readonly member: MemberId;
  readonly month: string;
  /** The node whose attempt is settled, with the day of its account; null when no attempt was on a node. */
  readonly node: NodeId | null;
  readonly day: string | null;
  readonly atMs: number;
  readonly toMember: number;
  readonly toNode: number;
  readonly toWaste: number;
  readonly toAbsorbed: number;
}

/** An entry where it stands in the ledger. */
export interface LedgerLine extends LedgerEntry {
  /** `number-number`; grows from line to line. */
  readonly position: string;
}

/** What an account says that it has used, tokens. */
export type AccountBalance =
  | {
      readonly kind: "member";
      readonly member: MemberId;
      readonly month: string;
      readonly usedTokens: number;
    }
  | { readonly kind: "node"; readonly node: NodeId; readonly day: string; readonly usedTokens: number };

export interface LedgerBalances {
  /** The lines after the position that was asked for. */
  readonly lines: readonly LedgerLine[];
  readonly accounts: readonly AccountBalance[];
  /** How long a node's account of a day is kept, ms; a member's is kept for good. */
  readonly nodeAccountKeptMs: number;
}

/** Reads what was settled. Nobody changes a line once it is there. */
export interface LedgerReader {
  /** Lines after a position, oldest first; null: from the first on. */
  page(after: string | null, limit: number): Promise<readonly LedgerLine[]>;
  /** Every account, with the lines after a position: both of the same moment, whatever runs meanwhile. */
  balances(after: string | null): Promise<LedgerBalances>;
}
