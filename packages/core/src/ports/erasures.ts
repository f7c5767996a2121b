import type { JobId, MemberId } from "../terms.ts";

/** What an erasure took away. */
export interface Erased {
  readonly jobs: number;
  readonly keys: number;
  readonly nodes: number;
  /**
   * What becomes of the file in which the store writes down every change, and with it what was removed: written anew
   * now without it, or `kept`, until the store's keeper has it rewritten. `none`: there is no such file.
   */
  readonly journal: "rewriting" | "kept" | "none";
}

export type EraseOutcome =
  | ({ readonly kind: "erased" } & Erased)
  | { readonly kind: "unknown" }
  /** Nobody could run the co-op any more, so nothing changed. */
  | { readonly kind: "last-operator" };

/** Takes what people wrote, read and are called out of the store, and leaves what was counted. */
export interface Erasures {
  /** Removes the prompt and the output of a job that has ended. False when it has not, or is unknown. */
  forgetJob(job: JobId): Promise<boolean>;
  /**
   * Ends what a member has under way, makes keys, join tokens and nodes useless, and removes prompts, outputs,
   * labels, idempotency keys and names. Accounts, usage and ledger stay as they are, under the member's id. It marks
   * the member first and may be repeated: a member whose erasure was cut short is among `unfinished`.
   */
  eraseMember(member: MemberId, nowMs: number): Promise<EraseOutcome>;
  /** Members whose erasure began and did not end. */
  unfinished(): Promise<readonly MemberId[]>;
  /** When the erasure of a member began; null for one that nobody erased. */
  erasedAtMs(member: MemberId): Promise<number | null>;
}
