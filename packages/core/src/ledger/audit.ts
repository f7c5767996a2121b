import { monthOfDay } from "../calendar.ts";
import type { LedgerBalances, LedgerReader, LedgerSums } from "../ports/ledger.ts";
import { asMemberId, asNodeId, type MemberId, type NodeId } from "../terms.ts";

/** Something in the books that is not as it must be. Tokens. */
export type LedgerFinding =
  /** `of`: the job's id, or that of what was granted. */
  | {
      readonly kind: "unbalanced";
      readonly position: string;
      readonly of: string;
      readonly sumTokens: number;
    }
  | {
      readonly kind: "member-drift" | "credit-drift";
      readonly member: MemberId;
      readonly month: string;
      readonly ledgerTokens: number;
      readonly accountTokens: number;
    }
  /** The account of a day `YYYY-MM-DD` or of a month `YYYY-MM`. */
  | {
      readonly kind: "node-drift";
      readonly node: NodeId;
      readonly period: string;
      readonly ledgerTokens: number;
      readonly accountTokens: number;
    }
  /** The usage from which reports are made says something else than the account. */
  | {
      readonly kind: "usage-drift";
      readonly member: MemberId;
      readonly month: string;
      readonly usageTokens: number;
      readonly accountTokens: number;
    }
  /** So many sums of a month's usage, which reports are made from, are not what its days come to. */
  | {
      readonly kind: "sums-drift";
      readonly member: MemberId;
      readonly month: string;
      readonly wrongSums: number;
    };

export interface LedgerAudit {
  readonly lines: number;
  /** Accounts compared with the ledger. */
  readonly accounts: number;
  /** Accounts of nodes that are past their keeping, so that nothing is there to compare. */
  readonly agedOut: number;
  readonly findings: readonly LedgerFinding[];
  /** Findings in all, of which at most MOST_FINDINGS are listed. */
  readonly findingCount: number;
}

/** Most findings that an audit lists. */
export const MOST_FINDINGS = 1_000;

/** Few enough that summing them up holds nobody else up for more than a millisecond. */
const PAGE_LINES = 250;
const DAY_MS = 24 * 3_600_000;

/** Recomputes every balance from the ledger and compares accounts and usage with it, while the co-op runs on. */
export async function auditLedger(ledger: LedgerReader, nowMs: number): Promise<LedgerAudit> {
  const findings = createFindings();
  const sums = createSums(findings);
  let after: string | null = null;
  for (;;) {
    const page: LedgerSums = await ledger.sums(after, PAGE_LINES);
    sums.take(page);
    after = page.last ?? after;
    if (page.lines < PAGE_LINES) break;
  }
  const balances = await ledger.balances(after);
  sums.take(balances.sums);
  const compared = sums.compare(balances, nowMs);
  const accounts = balances.accounts.filter((account) => account.kind === "member");
  for (const { member, month, usedTokens, chargedTokens, wrongSums } of await ledger.rolledUp(accounts)) {
    if (wrongSums > 0) findings.add({ kind: "sums-drift", member, month, wrongSums });
    if (usedTokens !== chargedTokens)
      findings.add({
        kind: "usage-drift",
        member,
        month,
        usageTokens: chargedTokens,
        accountTokens: usedTokens,
      });
  }
  return { lines: sums.lines(), ...compared, ...findings.all() };
}

function createFindings() {
  const listed: LedgerFinding[] = [];
  let count = 0;
  return {
    add(finding: LedgerFinding): void {
      count += 1;
      if (listed.length < MOST_FINDINGS) listed.push(finding);
    },
    all: () => ({ findings: listed, findingCount: count }),
  };
}

/** Tokens by account, where an account is two words that have no space. */
const nameOf = (owner: string, period: string): string => `${owner} ${period}`;
const partsOf = (name: string): readonly [string, string] => {
  const [owner = "", period = ""] = name.split(" ");
  return [owner, period];
};

function createSums(findings: ReturnType<typeof createFindings>) {
  const used = new Map<string, number>();
  const credit = new Map<string, number>();
  const nodes = new Map<string, number>();
  let lineCount = 0;

  const add = (sums: Map<string, number>, name: string, tokens: number): void => {
    sums.set(name, (sums.get(name) ?? 0) + tokens);
  };

  const take = (sums: LedgerSums): void => {
    lineCount += sums.lines;
    for (const { member, month, usedTokens, creditTokens } of sums.members) {
      add(used, nameOf(member, month), usedTokens);
      add(credit, nameOf(member, month), creditTokens);
    }
    for (const { node, day, usedTokens } of sums.nodes) {
      add(nodes, nameOf(node, day), usedTokens);
      add(nodes, nameOf(node, monthOfDay(day)), usedTokens);
    }
    for (const line of sums.unbalanced) findings.add({ kind: "unbalanced", ...line });
  };

  const compare = ({ accounts, nodeAccountKeptMs }: LedgerBalances, nowMs: number) => {
    const accountsUsed = new Map<string, number>();
    const accountsCredit = new Map<string, number>();
    const accountsOfNodes = new Map<string, number>();
    for (const account of accounts) {
      if (account.kind === "node") {
        accountsOfNodes.set(nameOf(account.node, account.period), account.usedTokens);
        continue;
      }
      accountsUsed.set(nameOf(account.member, account.month), account.usedTokens);
      accountsCredit.set(nameOf(account.member, account.month), account.creditTokens);
    }
    const ofMember = (
      kind: "member-drift" | "credit-drift",
      sums: typeof used,
      says: typeof used,
    ): number => {
      let compared = 0;
      for (const [name, ledgerTokens, accountTokens] of sideBySide(sums, says)) {
        compared += 1;
        if (ledgerTokens === (accountTokens ?? 0)) continue;
        const [member, month] = partsOf(name);
        findings.add({
          kind,
          member: asMemberId(member),
          month,
          ledgerTokens,
          accountTokens: accountTokens ?? 0,
        });
      }
      return compared;
    };
    let compared = ofMember("member-drift", used, accountsUsed);
    ofMember("credit-drift", credit, accountsCredit);

    let agedOut = 0;
    for (const [name, ledgerTokens, accountTokens] of sideBySide(nodes, accountsOfNodes)) {
      const [node, period] = partsOf(name);
      // Kept from the first lease of its month on, in whatever time zone that month is.
      const monthBeganMs = Date.parse(`${monthOfDay(period)}-01`);
      if (accountTokens === null && nowMs - monthBeganMs >= nodeAccountKeptMs - DAY_MS) {
        agedOut += 1;
        continue;
      }
      compared += 1;
      if (ledgerTokens !== (accountTokens ?? 0))
        findings.add({
          kind: "node-drift",
          node: asNodeId(node),
          period,
          ledgerTokens,
          accountTokens: accountTokens ?? 0,
        });
    }
    return { accounts: compared, agedOut };
  };

  return { take, compare, lines: () => lineCount };
}

/** Each name of either side with its sum in the ledger and what its account says, null for no account. */
function* sideBySide(
  ledger: ReadonlyMap<string, number>,
  accounts: ReadonlyMap<string, number>,
): Generator<readonly [string, number, number | null]> {
  for (const [name, tokens] of ledger) yield [name, tokens, accounts.get(name) ?? null];
  for (const [name, tokens] of accounts) if (!ledger.has(name)) yield [name, 0, tokens];
}
