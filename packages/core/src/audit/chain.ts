import type { AuditEntry } from "../ports/audit-log.ts";

/** A keyed hash of a text, hex. Who has no key can neither make an entry nor change one unseen. */
export type AuditMac = (text: string) => string;

/** An entry before it has its place in the chain. */
export type AuditDraft = Omit<AuditEntry, "seq" | "previousHash" | "hash">;

/** What the first entry follows. */
const NO_HASH = "0".repeat(64);

/** The draft as the entry that follows `last`, or as the first. Pure: no I/O. */
export function chainEntry(last: AuditEntry | null, draft: AuditDraft, mac: AuditMac): AuditEntry {
  const { atMs, actor, key, act, target, phase, of, detail } = draft;
  const unsigned = {
    seq: (last?.seq ?? 0) + 1,
    atMs,
    actor,
    key,
    act,
    target,
    phase,
    of,
    detail,
    previousHash: last?.hash ?? NO_HASH,
  };
  return { ...unsigned, hash: mac(signedText(unsigned)) };
}

/** Every field but the hash, in one order, so that no two entries have the same text. */
const signedText = (entry: Omit<AuditEntry, "hash">): string =>
  JSON.stringify([
    entry.seq,
    entry.atMs,
    entry.actor,
    entry.key,
    entry.act,
    entry.target,
    entry.phase,
    entry.of,
    entry.detail,
    entry.previousHash,
  ]);

/** Something that was done to the log other than appending to it. */
export type AuditFinding =
  /** The entry is not what was written. */
  | { readonly kind: "altered"; readonly seq: number }
  /** These entries are not there: taken out, or moved elsewhere. */
  | { readonly kind: "missing"; readonly fromSeq: number; readonly toSeq: number }
  /** The entry stands after one with a higher number. */
  | { readonly kind: "misplaced"; readonly seq: number }
  /** The entry does not follow the one that stands before it. */
  | { readonly kind: "unlinked"; readonly seq: number }
  /** No entry has the hash that was written down: entries were cut off the end, or the whole log was replaced. */
  | { readonly kind: "head-missing"; readonly hash: string };

/** The last entry's place and hash; whoever writes it down elsewhere can tell later whether the log was cut. */
export interface AuditHead {
  readonly seq: number;
  readonly hash: string;
}

/** Checks entries one after another, from the first on. Pure: no I/O. */
export interface ChainCheck {
  take(entry: AuditEntry): void;
  /** After the last entry. */
  result(): {
    readonly entries: number;
    readonly head: AuditHead | null;
    /** Acts that were asked for and have no answer: under way, or their outcome could not be written down. */
    readonly unanswered: readonly number[];
    readonly findings: readonly AuditFinding[];
  };
}

/** Findings beyond these add nothing that anybody reads. */
const FINDINGS_MOST = 1_000;

/** @param knownHead a head that was written down elsewhere; null for none */
export function createChainCheck(mac: AuditMac, knownHead: string | null): ChainCheck {
  const findings: AuditFinding[] = [];
  const unanswered = new Set<number>();
  let entries = 0;
  let last: AuditEntry | null = null;
  let headSeen = false;

  const find = (finding: AuditFinding): void => {
    if (findings.length < FINDINGS_MOST) findings.push(finding);
  };
  const place = (entry: AuditEntry): void => {
    const expected = (last?.seq ?? 0) + 1;
    if (entry.seq > expected) find({ kind: "missing", fromSeq: expected, toSeq: entry.seq - 1 });
    else if (entry.seq < expected) find({ kind: "misplaced", seq: entry.seq });
    if (entry.previousHash !== (last?.hash ?? NO_HASH)) find({ kind: "unlinked", seq: entry.seq });
  };

  return {
    take(entry) {
      if (mac(signedText(entry)) !== entry.hash) find({ kind: "altered", seq: entry.seq });
      place(entry);
      if (entry.phase === "asked") unanswered.add(entry.seq);
      else if (entry.of !== null) unanswered.delete(entry.of);
      headSeen ||= entry.hash === knownHead;
      entries += 1;
      last = entry;
    },
    result() {
      if (knownHead !== null && !headSeen) find({ kind: "head-missing", hash: knownHead });
      const head = last === null ? null : { seq: last.seq, hash: last.hash };
      return { entries, head, unanswered: [...unanswered], findings };
    },
  };
}
