import type { LedgerBalances, LedgerLine, LedgerReader } from "../ports/ledger.ts";
import { asMemberId, asNodeId, type JobId, type MemberId, type NodeId } from "../terms.ts";

/** Something in the books that is not as it must be. Tokens. */
export type LedgerFinding =
  | {
      readonly kind: "unbalanced";
      readonly position: string;
      readonly job: JobId;
      readonly sumTokens: number;
    }
  | {
      readonly kind: "member-drift";
      readonly member: MemberId;
      readonly month: string;
      readonly ledgerTokens: number;
      readonly accountTokens: number;
    }
  | {
      readonly kind: "node-drift";
      readonly node: NodeId;
      readonly day: string;
      readonly ledgerTokens: number;
      readonly accountTokens: number;
    };

export interface LedgerAudit {
  readonly lines: number;
  /** Accounts compared with the ledger. */
  readonly accounts: number;
  /** Days of nodes whose account is past its keeping, so that nothing is there to compare. */
  readonly agedOut: number;
  readonly findings: readonly LedgerFinding[];
  /** Findings in all, of which at most MOST_FINDINGS are listed. */
  readonly findingCount: number;
}

/** Most findings that an audit lists. */
export const MOST_FINDINGS = 1_000;

/** Few enough that reading them holds nobody else up for more than some milliseconds. */
const PAGE_LINES = 250;
const DAY_MS = 24 * 3_600_000;

/** Recomputes every balance from the ledger and compares the accounts with it, while the co-op runs on. */
export async function auditLedger(ledger: LedgerReader, nowMs: number): Promise<LedgerAudit> {
  const sums = createSums();
  let after: string | null = null;
  for (;;) {
    const page: readonly LedgerLine[] = await ledger.page(after, PAGE_LINES);
    sums.take(page);
    after = page.at(-1)?.position ?? after;
    if (page.length < PAGE_LINES) break;
  }
  const balances = await ledger.balances(after);
  sums.take(balances.lines);
  return sums.compare(balances, nowMs);
}

/** Tokens by account, where an account is two words that have no space. */
const nameOf = (owner: string, period: string): string => `${owner} ${period}`;
const partsOf = (name: string): [string, string] => {
  const [owner = "", period = ""] = name.split(" ");
  return [owner, period];
};

function createSums() {
  const members = new Map<string, number>();
  const nodes = new Map<string, number>();
  const findings: LedgerFinding[] = [];
  let findingCount = 0;
  let lineCount = 0;

  const find = (finding: LedgerFinding): void => {
    findingCount += 1;
    if (findings.length < MOST_FINDINGS) findings.push(finding);
  };
  const add = (sums: Map<string, number>, name: string, tokens: number): void => {
    sums.set(name, (sums.get(name) ?? 0) + tokens);
  };

  const take = (lines: readonly LedgerLine[]): void => {
    for (const { position, job, member, month, node, day, ...line } of lines) {
      lineCount += 1;
      add(members, nameOf(member, month), line.toMember);
      if (node !== null && day !== null) add(nodes, nameOf(node, day), 0 - line.toNode);
      const sumTokens = line.toMember + line.toNode + line.toWaste + line.toAbsorbed;
      if (sumTokens !== 0) find({ kind: "unbalanced", position, job, sumTokens });
    }
  };

  const compare = ({ accounts, nodeAccountKeptMs }: LedgerBalances, nowMs: number): LedgerAudit => {
    const memberAccounts = new Map<string, number>();
    const nodeAccounts = new Map<string, number>();
    for (const account of accounts) {
      if (account.kind === "member")
        memberAccounts.set(nameOf(account.member, account.month), account.usedTokens);
      else nodeAccounts.set(nameOf(account.node, account.day), account.usedTokens);
    }
    let agedOut = 0;
    let compared = 0;
    for (const [name, ledgerTokens, accountTokens] of sideBySide(members, memberAccounts)) {
      compared += 1;
      if (ledgerTokens === (accountTokens ?? 0)) continue;
      const [member, month] = partsOf(name);
      find({
        kind: "member-drift",
        member: asMemberId(member),
        month,
        ledgerTokens,
        accountTokens: accountTokens ?? 0,
      });
    }
    for (const [name, ledgerTokens, accountTokens] of sideBySide(nodes, nodeAccounts)) {
      const [node, day] = partsOf(name);
      // An account is kept from the first hold of its day on, in whatever time zone that day is.
      if (accountTokens === null && nowMs - Date.parse(day) >= nodeAccountKeptMs - DAY_MS) {
        agedOut += 1;
        continue;
      }
      compared += 1;
      if (ledgerTokens !== (accountTokens ?? 0))
        find({
          kind: "node-drift",
          node: asNodeId(node),
          day,
          ledgerTokens,
          accountTokens: accountTokens ?? 0,
        });
    }
    return { lines: lineCount, accounts: compared, agedOut, findings, findingCount };
  };

  return { take, compare };
}

/** Each name of either side with its sum in the ledger and what its account says, null for no account. */
function* sideBySide(
  ledger: ReadonlyMap<string, number>,
  accounts: ReadonlyMap<string, number>,
): Generator<readonly [string, number, number | null]> {
  for (const [name, tokens] of ledger) yield [name, tokens, accounts.get(name) ?? null];
  for (const [name, tokens] of accounts) if (!ledger.has(name)) yield [name, 0, tokens];
}
