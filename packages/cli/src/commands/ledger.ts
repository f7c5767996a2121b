import { ledgerAuditSchema, ledgerListSchema, refundViewSchema } from "@coop/protocol";
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
  switch (finding.kind) {
    case "unbalanced":
      return `entry ${finding.position} (${finding.of}) sums to ${count(finding.sumTokens)}, not to zero`;
    case "member-drift":
      return drift(`${finding.member} in ${finding.month}`, "the ledger", finding.ledgerTokens, finding);
    case "credit-drift":
      return drift(
        `credit of ${finding.member} in ${finding.month}`,
        "the ledger",
        finding.ledgerTokens,
        finding,
      );
    case "usage-drift":
      return drift(
        `usage of ${finding.member} in ${finding.month}`,
        "the report",
        finding.usageTokens,
        finding,
      );
    case "sums-drift":
      return `usage of ${finding.member} in ${finding.month}: ${plural(finding.wrongSums, "sum")} differ from what the days come to`;
    case "node-drift":
      return drift(`${finding.node} in ${finding.period}`, "the ledger", finding.ledgerTokens, finding);
  }
}

function drift(
  account: string,
  other: string,
  otherTokens: number,
  { accountTokens }: { readonly accountTokens: number },
): string {
  const difference = accountTokens - otherTokens;
  return `${account}: ${other} has ${count(otherTokens)} tokens, the account ${count(accountTokens)} (${difference > 0 ? "+" : ""}${count(difference)})`;
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

/** Gives a member back what a job cost. */
export async function refundJob({ client, output, json }: CommandContext, job: string): Promise<void> {
  const refund = await client.post(`/admin/jobs/${encodeURIComponent(job)}/refund`, {}, refundViewSchema);
  if (json) output.json(refund);
  else if (refund.repeated) output.line(`${refund.job} was given back before; nothing changed.`);
  else output.line(`${refund.job} cost ${plural(refund.tokens, "token")}; its member has that back.`);
}
