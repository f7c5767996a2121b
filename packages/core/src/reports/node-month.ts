import type { MachineCost, MoneySettings } from "../settings.ts";
import type { NodeId } from "../terms.ts";
import type { MonthPeriod } from "./period.ts";

/** A node as its registration and its latest offer describe it. */
export interface ReportedNode {
  readonly id: NodeId;
  readonly name: string;
  readonly ownerName: string;
  readonly joinedAtMs: number;
  readonly revokedAtMs: number | null;
  /** Key of the machine catalogue; null when the machine matches no row or never told. */
  readonly machine: string | null;
  readonly simulated: boolean;
  /** How long its owner lets it serve, seconds a day; a whole day where it never told. */
  readonly servingSecondsPerDay: number;
}

/** An amount of money, in the co-op's currency. */
export interface Amount {
  readonly amount: number;
  /** Names of the nodes whose part is not in the amount, because nobody said what they cost. */
  readonly without: readonly string[];
}

/** A node whose cost nobody wrote down. */
export interface MissingPrice {
  readonly node: NodeId;
  readonly name: string;
  readonly machine: string | null;
  /** What to write into `coop.yaml`, in words. */
  readonly remedy: string;
}

/** What one node did in a month and what having it cost. */
export interface NodeMonth {
  readonly node: NodeId;
  readonly name: string;
  readonly ownerName: string;
  readonly machine: string | null;
  readonly simulated: boolean;
  /** Time in which it could have served: its hours a day, while it belonged to the co-op. */
  readonly servingMs: number;
  /** Time in which it worked on jobs. */
  readonly busyMs: number;
  /** Busy by serving time; null where it had none. */
  readonly utilisation: number | null;
  /** Null, like the amounts after it, where its cost is missing. */
  readonly busyKwh: number | null;
  readonly busyCost: number | null;
  /** The hardware's part of these weeks, written off evenly. */
  readonly hardwareCost: number | null;
  /** Electricity while it served and waited; outside its hours a machine is taken for off. */
  readonly idleCost: number | null;
}

const SECONDS_A_DAY = 86_400;
const MS_PER_HOUR = 3_600_000;

/** Money to a millionth, so that sums read as written. */
export const roundMoney = (amount: number): number => Math.round(amount * 1e6) / 1e6;

/** Sums what is known of the nodes and names those whose part is not. */
export function sumKnown(parts: Iterable<{ readonly name: string; readonly amount: number | null }>): Amount {
  let amount = 0;
  const without = new Set<string>();
  for (const part of parts) {
    if (part.amount === null) without.add(part.name);
    else amount += part.amount;
  }
  return { amount: roundMoney(amount), without: [...without].sort() };
}

/** What a node costs: under its own name, else under its machine's key; null when neither is written down. */
export const costOf = (
  { machines }: MoneySettings,
  { name, machine }: Pick<ReportedNode, "name" | "machine">,
): MachineCost | null => own(machines, name) ?? (machine === null ? null : own(machines, machine));

const own = (machines: MoneySettings["machines"], key: string): MachineCost | null =>
  Object.hasOwn(machines, key) ? (machines[key] ?? null) : null;

/** kWh of so many watts over so many ms. */
export const kwhOf = (watts: number, ms: number): number => (watts * ms) / MS_PER_HOUR / 1000;

/**
 * @param busyMs time that the node worked in the month
 * @returns null for a node that did not belong to the co-op in the month
 */
export function nodeMonth(
  node: ReportedNode,
  busyMs: number,
  period: MonthPeriod,
  money: MoneySettings,
): NodeMonth | null {
  const fromMs = Math.max(period.startsMs, node.joinedAtMs);
  const toMs = Math.min(period.untilMs, node.revokedAtMs ?? period.untilMs);
  const presentMs = Math.max(0, toMs - fromMs);
  if (presentMs === 0 && busyMs === 0) return null;
  const servingMs = Math.round((presentMs * node.servingSecondsPerDay) / SECONDS_A_DAY);
  const cost = costOf(money, node);
  const perKwh = money.electricityPerKwh;
  const busyKwh = cost === null ? null : kwhOf(cost.busyWatts, busyMs);
  const share = presentMs / (period.endsMs - period.startsMs);
  return {
    node: node.id,
    name: node.name,
    ownerName: node.ownerName,
    machine: node.machine,
    simulated: node.simulated,
    servingMs,
    busyMs,
    utilisation: servingMs === 0 ? null : busyMs / servingMs,
    busyKwh,
    busyCost: busyKwh === null ? null : roundMoney(busyKwh * perKwh),
    hardwareCost: cost === null ? null : roundMoney((cost.price / money.hardwareMonths) * share),
    idleCost:
      cost === null ? null : roundMoney(kwhOf(cost.idleWatts, Math.max(0, servingMs - busyMs)) * perKwh),
  };
}

/** Says which price is missing and how to add it. */
export function missingPrice({
  id,
  name,
  machine,
}: Pick<ReportedNode, "id" | "name" | "machine">): MissingPrice {
  const keys =
    machine === null ? `"${name}" (this node)` : `"${name}" (this node) or "${machine}" (every such machine)`;
  return {
    node: id,
    name,
    machine,
    remedy: `Nobody said what ${name} costs. In coop.yaml, under money: machines:, add ${keys} with price (what it cost to buy), busyWatts and idleWatts.`,
  };
}
