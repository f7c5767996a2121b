import type { LedgerEntry, LedgerLine, LedgerSums } from "../ports/ledger.ts";

/** The sum of an entry's deltas: zero when it is as it must be. */
export const sumOfDeltas = (entry: LedgerEntry): number =>
  entry.toMember + entry.toNode + entry.toWaste + entry.toAbsorbed + entry.toCredit + entry.toGrant;

/** What lines come to, account by account. */
export function sumLines(lines: readonly LedgerLine[]): LedgerSums {
  type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
  const members = new Map<string, Mutable<LedgerSums["members"][number]>>();
  const nodes = new Map<string, Mutable<LedgerSums["nodes"][number]>>();
  const memberOf = (member: LedgerEntry["member"], month: string) => {
    const name = `${member} ${month}`;
    const known = members.get(name) ?? { member, month, usedTokens: 0, creditTokens: 0 };
    members.set(name, known);
    return known;
  };
  for (const { member, month, owner, node, day, toMember, toNode, toCredit } of lines) {
    memberOf(member, month).usedTokens += toMember;
    if (owner !== null) memberOf(owner, month).creditTokens += toCredit;
    if (node === null || day === null) continue;
    const name = `${node} ${day}`;
    const known = nodes.get(name) ?? { node, day, usedTokens: 0 };
    known.usedTokens -= toNode;
    nodes.set(name, known);
  }
  return {
    lines: lines.length,
    last: lines.at(-1)?.position ?? null,
    members: [...members.values()],
    nodes: [...nodes.values()],
    unbalanced: lines
      .filter((line) => sumOfDeltas(line) !== 0)
      .map((line) => ({
        position: line.position,
        of: line.job ?? line.grant ?? "",
        sumTokens: sumOfDeltas(line),
      })),
  };
}
