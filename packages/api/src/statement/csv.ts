import type { Amount, Statement, UsageCounts, WaitSummary } from "@coop/core";
import { csvText, USAGE_COUNTS } from "@coop/protocol";
import type { CsvCell } from "@coop/protocol";

/** A statement as CSV (RFC 4180). Pure: no I/O. */

/**
 * One figure a line: section, what it is of, its name, value and unit. An amount that leaves nodes out names them in
 * the line after it.
 */
export function statementCsv(statement: Statement): string {
  const { usage, waits, quota, costs, fleet, currency } = statement;
  const lines: CsvCell[][] = [["section", "of", "figure", "value", "unit"]];
  const add = (section: string, of: CsvCell, figure: string, value: CsvCell, unit: string): void =>
    void lines.push([section, of, figure, value, unit]);
  const counts = (section: string, of: CsvCell, group: UsageCounts): void => {
    for (const name of USAGE_COUNTS) add(section, of, name, group[name], unitOf(name));
  };
  const amount = (section: string, of: CsvCell, figure: string, value: Amount | null): void => {
    add(section, of, figure, value?.amount ?? null, currency);
    if (value !== null && value.without.length > 0)
      add(section, of, `${figure} leaves out`, value.without.join(" "), "nodes");
  };
  const waited = (section: string, of: CsvCell, { p50, p95 }: WaitSummary): void => {
    for (const [name, wait] of [["waitP50", p50] as const, ["waitP95", p95] as const]) {
      add(section, of, name, wait?.ms ?? null, "ms");
      add(section, of, `${name} at least`, wait?.atLeastMs ?? null, "ms");
      add(section, of, `${name} at most`, wait?.atMostMs ?? null, "ms");
    }
  };

  add("statement", statement.subject.kind, "coop", statement.coop, "");
  add("statement", statement.subject.kind, "month", statement.month, "");
  if (statement.subject.kind === "member") add("statement", "member", "name", statement.subject.name, "");
  add("statement", statement.subject.kind, "complete", String(statement.complete), "");
  counts("usage", null, usage);
  waited("usage", null, waits);
  if (quota !== null)
    for (const name of ["floorTokens", "creditTokens", "limitTokens", "usedTokens", "heldTokens"] as const)
      add("quota", null, name, quota[name], "tokens");
  for (const group of statement.days) counts("day", group.key, group);
  for (const group of statement.tiers) counts("tier", group.key, group);
  for (const group of statement.models) counts("model", group.key, group);
  for (const node of statement.nodes) {
    counts("node", node.name, node);
    add("node", node.name, "energy", node.energyKwh, "kWh");
    add("node", node.name, "energyCost", node.energyCost, currency);
  }
  add("cost", null, "energy", costs.energyKwh, "kWh");
  amount("cost", null, "electricity", costs.energy);
  add("cost", null, "sharedBy", costs.fixed.sharedBy, "members");
  amount("cost", null, "hardware", costs.fixed.hardware);
  amount("cost", null, "idleElectricity", costs.fixed.idleElectricity);
  add("cost", null, "other", costs.fixed.other, currency);
  amount("cost", null, "total", costs.total);
  amount("cost", null, "perMillionTokens", costs.perMillionTokens);
  for (const { name, cost } of costs.cloud) add("cloud", name, "cost", cost, currency);
  add("fleet", null, "tokens", fleet.tokens, "tokens");
  add("fleet", null, "servingMs", fleet.servingMs, "ms");
  add("fleet", null, "busyMs", fleet.busyMs, "ms");
  add("fleet", null, "utilisation", fleet.utilisation, "share");
  amount("fleet", null, "cost", fleet.cost);
  amount("fleet", null, "perMillionTokens", fleet.perMillionTokens);
  for (const { name, remedy } of statement.missingPrices) add("missing price", name, "remedy", remedy, "");
  for (const line of statement.members) {
    counts("member", line.name, line);
    waited("member", line.name, line.waits);
    add("member", line.name, "limitTokens", line.quota.limitTokens, "tokens");
    add("member", line.name, "creditTokens", line.quota.creditTokens, "tokens");
    amount("member", line.name, "electricity", line.energy);
    amount("member", line.name, "fixedShare", line.fixedShare);
    amount("member", line.name, "total", line.total);
  }
  return csvText(lines);
}

const unitOf = (name: (typeof USAGE_COUNTS)[number]): string =>
  name === "nodeMs" ? "ms" : name.endsWith("Tokens") ? "tokens" : "jobs";
