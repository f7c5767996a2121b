import { auditListSchema, auditVerificationSchema, memberListSchema } from "@coop/protocol";
import type { AuditEntryView, AuditVerificationView } from "@coop/protocol";
import { CliError } from "../cli-error.ts";
import { count, moment, plural, renderTable } from "../output.ts";
import type { Column } from "../output.ts";
import type { CommandContext } from "./context.ts";

const PAGE_ENTRIES = 1_000;
const VERIFY_PATIENCE_MS = 10 * 60_000;

const COLUMNS: readonly Column[] = [
  { heading: "NO.", align: "right" },
  { heading: "WHEN" },
  { heading: "WHO" },
  { heading: "ACT" },
  { heading: "PHASE" },
  { heading: "TARGET" },
  { heading: "DETAIL" },
];

/** Prints the audit log, oldest first. @param last only so many of the newest; null for all */
export async function listAudit(
  { client, output, json }: CommandContext,
  last: number | null,
): Promise<void> {
  const entries: AuditEntryView[] = [];
  let after: number | null = 0;
  while (after !== null) {
    const page: { data: AuditEntryView[]; nextCursor: number | null } = await client.get(
      `/admin/audit?limit=${PAGE_ENTRIES}&after=${after}`,
      auditListSchema,
    );
    entries.push(...page.data);
    if (last !== null) entries.splice(0, Math.max(0, entries.length - last));
    after = page.nextCursor;
  }
  if (json) output.json(entries);
  else if (entries.length === 0) output.line("No operator has done anything yet.");
  else {
    const { data } = await client.get("/admin/members", memberListSchema);
    const names = new Map(data.map(({ id, name }) => [id, name] as const));
    const rows = entries.map((entry) => row(entry, (id) => names.get(id) ?? id));
    for (const line of renderTable(COLUMNS, rows)) output.line(line);
  }
}

/** The log has ids only; whoever reads it wants names, as they are today. */
const row = (
  { seq, atMs, actor, act, phase, of, target, detail }: AuditEntryView,
  nameOf: (id: string) => string,
): readonly string[] => [
  String(seq),
  moment(atMs),
  nameOf(actor),
  act,
  of === null ? phase : `${phase} ${of}`,
  target === null ? "" : nameOf(target),
  inOwnWords(detail),
];

/** A detail that somebody tampered with may be no JSON any more: it is shown as it is, and `verify` tells of it. */
function inOwnWords(detail: string): string {
  let read: unknown;
  try {
    read = JSON.parse(detail);
  } catch {
    return detail;
  }
  return partsOf(read).join(", ").trim();
}

/** What was asked for or why it was refused, as it would be said: `tokens 500000, month 2026-12`. */
const partsOf = (detail: unknown, name = ""): readonly string[] =>
  typeof detail === "object" && detail !== null && !Array.isArray(detail)
    ? Object.entries(detail).flatMap(([key, value]) => partsOf(value, name === "" ? key : `${name}.${key}`))
    : [`${name} ${typeof detail === "string" ? detail : JSON.stringify(detail)}`];

/**
 * Checks that nobody changed the audit log, and prints its head to be written down.
 * @param head a head that was written down earlier; null for none
 * @throws CliError `audit-broken` when the log is not what was written
 */
export async function verifyAudit(
  { client, output, json }: CommandContext,
  head: string | null,
): Promise<void> {
  const query = head === null ? "" : `?head=${encodeURIComponent(head)}`;
  const found = await client.get(`/admin/audit/verify${query}`, auditVerificationSchema, VERIFY_PATIENCE_MS);
  if (json) output.json(found);
  else for (const finding of found.findings) output.line(inWords(finding));
  const seen = entriesInWords(found.entries);
  if (found.findings.length > 0) {
    throw new CliError(
      "audit-broken",
      `The audit log is not what was written: ${plural(found.findings.length, "finding")} in ${seen}.`,
    );
  }
  if (json) return;
  output.line(`The audit log is whole: ${seen}${head === null ? "" : ", the given head among them"}.`);
  if (found.unanswered.length > 0)
    output.line(`How these ended is not known: ${found.unanswered.map((seq) => `no. ${seq}`).join(", ")}.`);
  if (found.head === null) return;
  output.line(`Head: ${found.head.hash} (no. ${count(found.head.seq)})`);
  output.note("Keep the head outside of this co-op: with --head it shows whether the log's end was cut off.");
}

const entriesInWords = (amount: number): string => `${count(amount)} ${amount === 1 ? "entry" : "entries"}`;

type Finding = AuditVerificationView["findings"][number];

function inWords(finding: Finding): string {
  switch (finding.kind) {
    case "altered":
      return `no. ${finding.seq} is not what was written`;
    case "unlinked":
      return `no. ${finding.seq} does not follow the entry that stands before it`;
    case "misplaced":
      return `no. ${finding.seq} stands after one with a higher number`;
    case "missing":
      return finding.fromSeq === finding.toSeq
        ? `no. ${finding.fromSeq} is not in its place`
        : `no. ${finding.fromSeq} to ${finding.toSeq} are not in their places`;
    case "head-missing":
      return `no entry has the hash ${finding.hash}: the end was cut off, or the log replaced`;
  }
}
