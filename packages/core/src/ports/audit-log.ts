/** An operator's act, as it was asked for and as it ended. Never a key, a prompt or an output. */
export interface AuditEntry {
  /** Counts from 1 without a gap. */
  readonly seq: number;
  readonly atMs: number;
  /** Who asked: member id and key id; `server` for what the server does by itself. */
  readonly actor: string;
  readonly key: string | null;
  /** Such as `members.add`. */
  readonly act: string;
  /** What it was done to, an id; null where nothing existed yet. */
  readonly target: string | null;
  /** `asked`: about to be done. `done` and `refused` answer the entry `of`. */
  readonly phase: "asked" | "done" | "refused";
  readonly of: number | null;
  /** The fields that were given, or why it was refused. JSON text. */
  readonly detail: string;
  /** Hash of the entry before, hex; of the first: 64 zeros. */
  readonly previousHash: string;
  /** HMAC-SHA256 of everything above, hex. */
  readonly hash: string;
}

/** Append-only; the caller computes the chain, the store refuses an entry that does not continue it. */
export interface AuditLog {
  last(): Promise<AuditEntry | null>;
  /** `stale`: another entry came first; nothing was written. */
  append(entry: AuditEntry): Promise<"appended" | "stale">;
  /** Entries after so many, in the order in which they stand; 0: from the first on. */
  page(after: number, limit: number): Promise<readonly AuditEntry[]>;
}
