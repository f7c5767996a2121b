import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AuditEntry } from "../ports/audit-log.ts";
import { chainEntry, createChainCheck } from "./chain.ts";
import type { AuditDraft, AuditFinding } from "./chain.ts";

const mac = (text: string): string => createHmac("sha256", "key").update(text).digest("hex");

const draft = (changes: Partial<AuditDraft> = {}): AuditDraft => ({
  atMs: 1_000,
  actor: "mem_olga",
  key: "key00001",
  act: "members.disable",
  target: "mem_maja",
  phase: "asked",
  of: null,
  detail: "{}",
  ...changes,
});

function chain(length: number): AuditEntry[] {
  const entries: AuditEntry[] = [];
  for (let index = 0; index < length; index++)
    entries.push(chainEntry(entries.at(-1) ?? null, draft({ atMs: index }), mac));
  return entries;
}

const check = (entries: readonly AuditEntry[], knownHead: string | null = null, key = mac) => {
  const checking = createChainCheck(key, knownHead);
  for (const entry of entries) checking.take(entry);
  return checking.result();
};
const findings = (entries: readonly AuditEntry[], knownHead: string | null = null): readonly AuditFinding[] =>
  check(entries, knownHead).findings;

describe("a chain of entries", () => {
  it("is sound when nothing was done to it", () => {
    const entries = chain(5);
    expect(check(entries, entries[2]?.hash ?? "")).toEqual({
      entries: 5,
      head: { seq: 5, hash: entries[4]?.hash },
      unanswered: [1, 2, 3, 4, 5],
      findings: [],
    });
    expect(check([])).toEqual({ entries: 0, head: null, unanswered: [], findings: [] });
  });

  it("takes an act as answered by the entry that names it", () => {
    const asked = chainEntry(null, draft(), mac);
    const done = chainEntry(asked, draft({ phase: "done", of: 1 }), mac);
    expect(check([asked, done]).unanswered).toEqual([]);
  });

  const changes: readonly Partial<AuditEntry>[] = [
    { atMs: 9 },
    { actor: "mem_eve" },
    { key: null },
    { act: "members.enable" },
    { target: null },
    { phase: "refused" },
    { of: 1 },
    { detail: '{"role":"operator"}' },
  ];
  it.each(changes)("shows that an entry was changed: %j", (change) => {
    const entries = chain(3).map((entry) => (entry.seq === 2 ? { ...entry, ...change } : entry));
    expect(findings(entries)).toEqual([{ kind: "altered", seq: 2 }]);
  });

  it("shows that an entry was changed and hashed anew without the key", () => {
    const entries = chain(3);
    const forged = chainEntry(entries[0] ?? null, draft({ actor: "mem_eve" }), (text) => mac(`guess${text}`));
    expect(findings(entries.with(1, forged))).toEqual([
      { kind: "altered", seq: 2 },
      { kind: "unlinked", seq: 3 },
    ]);
  });

  it("shows that entries were removed, from the beginning too", () => {
    const entries = chain(6);
    expect(findings(entries.toSpliced(2, 2))).toEqual([
      { kind: "missing", fromSeq: 3, toSeq: 4 },
      { kind: "unlinked", seq: 5 },
    ]);
    expect(findings(entries.slice(1))).toContainEqual({ kind: "missing", fromSeq: 1, toSeq: 1 });
  });

  it("shows that entries changed places", () => {
    const [first, second, third, fourth] = chain(4);
    if (!first || !second || !third || !fourth) throw new Error("four entries");
    expect(findings([first, third, second, fourth])).toEqual([
      { kind: "missing", fromSeq: 2, toSeq: 2 },
      { kind: "unlinked", seq: 3 },
      { kind: "misplaced", seq: 2 },
      { kind: "unlinked", seq: 2 },
      { kind: "missing", fromSeq: 3, toSeq: 3 },
      { kind: "unlinked", seq: 4 },
    ]);
  });

  it("shows that its end was cut off to who wrote the head down, and to nobody else", () => {
    const entries = chain(4);
    const head = entries[3]?.hash ?? "";
    expect(findings(entries.slice(0, 3))).toEqual([]);
    expect(findings(entries.slice(0, 3), head)).toEqual([{ kind: "head-missing", hash: head }]);
    expect(findings([], head)).toEqual([{ kind: "head-missing", hash: head }]);
  });

  it("shows any removal, doubling or change of places, wherever it was", () => {
    const at = fc.integer({ min: 0, max: 19 });
    fc.assert(
      fc.property(at, at, fc.constantFrom("remove", "double", "swap"), (from, to, what) => {
        const entries = chain(20);
        const known = entries[19]?.hash ?? "";
        const moved = [...entries];
        const [a, b] = [entries[from], entries[to]];
        if (!a || !b) throw new Error("twenty entries");
        if (what === "remove") moved.splice(from, 1);
        else if (what === "double") moved.splice(to, 0, a);
        else {
          moved[from] = b;
          moved[to] = a;
        }
        expect(findings(moved, known).length > 0).toBe(what !== "swap" || from !== to);
      }),
    );
  });
});
