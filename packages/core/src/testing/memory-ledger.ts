import { sumLines } from "../ledger/sums.ts";
import type { AccountBalance, LedgerEntry, LedgerLine, LedgerReader } from "../ports/ledger.ts";
import { asMemberId, asNodeId } from "../terms.ts";
import type { MemoryAccounts } from "./memory-accounts.ts";
import { memberAccount } from "./memory-settlement.ts";
import type { MemoryUsage } from "./memory-usage.ts";

/** Reads the ledger and the accounts of a memory job store. The first line is at `1-0`. */
export function createMemoryLedgerReader(
  ledger: readonly LedgerEntry[],
  accounts: MemoryAccounts,
  usage: MemoryUsage,
  nodeAccountKeptMs: number,
): LedgerReader {
  const linesAfter = (after: string | null): readonly LedgerLine[] =>
    ledger
      .map((entry, index) => ({ ...entry, position: `${index + 1}-0` }))
      .slice(after === null ? 0 : Number.parseInt(after, 10));
  return {
    page: async (after, limit) => linesAfter(after).slice(0, limit),
    sums: async (after, limit) => sumLines(linesAfter(after).slice(0, limit)),
    balances: async (after) => ({
      sums: sumLines(linesAfter(after)),
      accounts: [...accounts.all()].flatMap(([name, { usedTokens }]) =>
        balanceOf(name, usedTokens, accounts.credit(name)),
      ),
      nodeAccountKeptMs,
    }),
    rolledUp: async (asked) =>
      asked.map(({ member, month }) => ({
        member,
        month,
        usedTokens: accounts.read(memberAccount(member, month)).usedTokens,
        chargedTokens: usage.charged(member, month),
        // They are made from the rows at each reading.
        wrongSums: 0,
      })),
  };
}

function balanceOf(name: string, usedTokens: number, creditTokens: number): readonly AccountBalance[] {
  const [kind = "", owner = "", period = ""] = name.split(" ");
  if (kind === "member")
    return [{ kind, member: asMemberId(owner), month: period, usedTokens, creditTokens }];
  return kind === "node" ? [{ kind, node: asNodeId(owner), period, usedTokens }] : [];
}
