import { ledgerAuditSchema, ledgerListSchema } from "@coop/protocol";
import type { LedgerAuditView } from "@coop/protocol";
import { CliError } from "../cli-error.ts";
import { count, plural } from "../output.ts";
import type { CommandContext } from "./context.ts";

const PAGE_LINES = 1_000;
/** A million lines take the server some twenty seconds. */
const VERIFY_PATIENCE_MS = 10 * 60_000;

/**
 * Recomputes every balance from the ledger and prints what disagrees.
 * @throws CliError `ledger-drift` when something does
 */
export async function verifyLedger({ client, output, json }: CommandContext): Promise<void> {
  const audit = await client.get("/admin/ledger/verify", ledgerAuditSchema, VERIFY_PATIENCE_MS);
  if (json) output.json(audit);
  else {
    for (const finding of audit.findings) output.line(inWords(finding));
    const hidden = audit.findingCount - audit.findings.length;
    if (hidden > 0) output.line(`... and ${count(hidden)} more`);
  }
  const seen = `${plural(audit.lines, "line")}, ${plural(audit.accounts, "account")}`;
  if (audit.findingCount > 0) {
    throw new CliError(
      "ledger-drift",
      `The books do not agree: ${plural(audit.findingCount, "finding")} in ${seen}. Nothing was changed.`,
    );
  }
  if (!json) output.line(`The books agree: ${seen}.`);
}

type Finding = LedgerAuditView["findings"][number];

function inWords(finding: Finding): string {
  if (finding.kind === "unbalanced")
    return `entry ${finding.position} (${finding.job}) sums to ${count(finding.sumTokens)}, not to zero`;
  const account =
    finding.kind === "member-drift"
      ? `${finding.member} in ${finding.month}`
      : `${finding.node} on ${finding.day}`;
  const drift = finding.accountTokens - finding.ledgerTokens;
  return `${account}: the ledger has ${count(finding.ledgerTokens)} tokens, the account ${count(finding.accountTokens)} (${drift > 0 ? "+" : ""}${count(drift)})`;
}

/** Prints the whole ledger as JSON lines, oldest first. */
export async function exportLedger({ client, output }: CommandContext): Promise<void> {
  let after: string | null = null;
  do {
    const query: string = after === null ? "" : `&after=${after}`;
    const { data, nextCursor } = await client.get(
      `/admin/ledger?limit=${PAGE_LINES}${query}`,
      ledgerListSchema,
    );
    output.text(data.map((line) => `${JSON.stringify(line)}\n`).join(""));
    after = nextCursor;
  } while (after !== null);
}
