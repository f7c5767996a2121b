import type { LedgerEntry, LedgerLine, LedgerSums } from "../ports/ledger.ts";
import type { NodeId } from "../terms.ts";

/** The sum of an entry's deltas: zero when it is as it must be. */
export const sumOfDeltas = (entry: LedgerEntry): number =>
  entry.toMember + entry.toNode + entry.toWaste + entry.toAbsorbed + entry.toCredit + entry.toGrant;

/** What lines come to, account by account. */
export function sumLines(lines: readonly LedgerLine[]): LedgerSums {
  const members = new Map<string, Mutable<LedgerSums["members"][number]>>();
  const nodes = new Map<string, Mutable<LedgerSums["nodes"][number]>>();
  const unbalanced: LedgerSums["unbalanced"][number][] = [];
  const memberOf = (member: LedgerEntry["member"], month: string) => {
    const name = `${member} ${month}`;
    let known = members.get(name);
    if (known === undefined) members.set(name, (known = { member, month, usedTokens: 0, creditTokens: 0 }));
    return known;
  };
  const nodeOf = (node: NodeId, day: string) => {
    const name = `${node} ${day}`;
    let known = nodes.get(name);
    if (known === undefined) nodes.set(name, (known = { node, day, usedTokens: 0 }));
    return known;
  };
  for (const line of lines) {
    const { member, month, owner, node, day } = line;
    memberOf(member, month).usedTokens += line.toMember;
    if (owner !== null) memberOf(owner, month).creditTokens += line.toCredit;
    if (node !== null && day !== null) nodeOf(node, day).usedTokens -= line.toNode;
    const sumTokens = sumOfDeltas(line);
    if (sumTokens !== 0)
      unbalanced.push({ position: line.position, of: line.job ?? line.grant ?? "", sumTokens });
  }
  return {
    lines: lines.length,
    last: lines.at(-1)?.position ?? null,
    members: [...members.values()],
    nodes: [...nodes.values()],
    unbalanced,
  };
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
