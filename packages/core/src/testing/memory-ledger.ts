import type { AccountBalance, LedgerEntry, LedgerLine, LedgerReader } from "../ports/ledger.ts";
import { asMemberId, asNodeId } from "../terms.ts";
import type { MemoryAccounts } from "./memory-accounts.ts";

/** Reads the ledger and the accounts of a memory job store. The first line is at `1-0`. */
export function createMemoryLedgerReader(
  ledger: readonly LedgerEntry[],
  accounts: MemoryAccounts,
  nodeAccountKeptMs: number,
): LedgerReader {
  const linesAfter = (after: string | null): readonly LedgerLine[] =>
    ledger
      .map((entry, index) => ({ ...entry, position: `${index + 1}-0` }))
      .slice(after === null ? 0 : Number.parseInt(after, 10));
  return {
    page: async (after, limit) => linesAfter(after).slice(0, limit),
    balances: async (after) => ({
      lines: linesAfter(after),
      accounts: [...accounts.all()].map(([name, { usedTokens }]) => balanceOf(name, usedTokens)),
      nodeAccountKeptMs,
    }),
  };
}

function balanceOf(name: string, usedTokens: number): AccountBalance {
  const [kind = "", owner = "", period = ""] = name.split(" ");
  return kind === "member"
    ? { kind, member: asMemberId(owner), month: period, usedTokens }
    : { kind: "node", node: asNodeId(owner), day: period, usedTokens };
}
