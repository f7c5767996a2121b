import type { Member } from "../ports/membership.ts";
import type { MemberUsage, UsageCounts } from "../ports/usage.ts";
import type { CoopSettings } from "../settings.ts";
import { asNodeId } from "../terms.ts";
import type { MemberId } from "../terms.ts";
import { kwhOf, costOf, missingPrice, nodeMonth, roundMoney, sumKnown } from "./node-month.ts";
import type { Amount, MissingPrice, NodeMonth, ReportedNode } from "./node-month.ts";
import type { MonthPeriod } from "./period.ts";
import type {
  FixedCosts,
  FleetMonth,
  MemberLine,
  NodeUsage,
  QuotaFigures,
  Statement,
  StatementCosts,
  StatementSubject,
} from "./statement.ts";
import { createUsageGroups, tokensOf } from "./usage.ts";
import type { UsageGroup } from "./usage.ts";
import { createWaitSum } from "./waits.ts";

/** What every statement of a month is made from, members' usage aside. */
export interface MonthBasis {
  readonly settings: Pick<CoopSettings, "name" | "timeZone" | "money">;
  readonly period: MonthPeriod;
  /** Every node that ever joined. */
  readonly nodes: readonly ReportedNode[];
  /** Every member there is. */
  readonly members: readonly Pick<Member, "id" | "name" | "createdAtMs" | "disabledAtMs">[];
}

/** One member's month as the stores have it. */
export interface MemberRecord {
  readonly member: Pick<Member, "id" | "name">;
  readonly usage: MemberUsage;
  readonly quota: QuotaFigures;
}

/**
 * The statements of a month. Members are taken one at a time, so that a large co-op's report never keeps a server
 * busy for long; statements are right once every member has been taken.
 */
export interface MonthReport {
  take(record: MemberRecord): void;
  /** A member that was taken. */
  ofMember(record: MemberRecord): Statement;
  ofFleet(): Statement;
}

export function createMonthReport(basis: MonthBasis): MonthReport {
  const all = createUsageSum();
  const records: { readonly record: MemberRecord; readonly sum: UsageSum }[] = [];
  const sharers = basis.members.filter((member) => sharesCosts(member, basis.period)).map(({ id }) => id);

  const statement = (
    subject: StatementSubject,
    sum: UsageSum,
    part: number,
    rest: Pick<Statement, "quota" | "members">,
    fleet: FleetMonth,
  ): Statement => {
    const { settings, period } = basis;
    const nodes = nodesUsed(sum, basis);
    return {
      coop: settings.name,
      subject,
      month: period.month,
      timeZone: settings.timeZone,
      complete: period.complete,
      untilMs: period.untilMs,
      currency: settings.money.currency,
      usage: sum.days.total(),
      waits: sum.waits.summary(),
      days: sum.days.list(),
      tiers: sum.tiers.list(),
      models: sum.models.list(),
      nodes,
      costs: costsOf(basis, sum.days.total(), nodes, fixedCosts(basis, fleet.nodes, part, sharers.length)),
      fleet,
      missingPrices: missingPrices(basis, fleet.nodes, nodes),
      ...rest,
    };
  };

  const partOf = (member: MemberId): number => (sharers.includes(member) ? 1 / sharers.length : 0);

  return {
    take(record) {
      const sum = createUsageSum();
      sum.add(record.usage);
      all.add(record.usage);
      records.push({ record, sum });
    },
    ofMember(record) {
      const { member, quota } = record;
      const sum = createUsageSum();
      sum.add(record.usage);
      const subject = { kind: "member" as const, member: member.id, name: member.name };
      return statement(subject, sum, partOf(member.id), { quota, members: [] }, fleetMonth(basis, all));
    },
    ofFleet() {
      const fleet = fleetMonth(basis, all);
      const members = records.map(({ record, sum }): MemberLine => {
        const energy = energyOf(nodesUsed(sum, basis));
        const fixed = fixedCosts(basis, fleet.nodes, partOf(record.member.id), sharers.length);
        return {
          member: record.member.id,
          name: record.member.name,
          ...sum.days.total(),
          waits: sum.waits.summary(),
          quota: record.quota,
          energy,
          fixedShare: fixed.total,
          total: together(energy, fixed.total),
        };
      });
      return statement({ kind: "fleet", members: members.length }, all, 1, { quota: null, members }, fleet);
    },
  };
}

/** Usage by each thing at once. */
interface UsageSum extends Readonly<
  Record<"days" | "tiers" | "models" | "nodes", ReturnType<typeof createUsageGroups>>
> {
  readonly waits: ReturnType<typeof createWaitSum>;
  add(usage: MemberUsage): void;
}

function createUsageSum(): UsageSum {
  const days = createUsageGroups("day");
  const tiers = createUsageGroups("tier");
  const models = createUsageGroups("model");
  const nodes = createUsageGroups("node");
  const waits = createWaitSum();
  return {
    days,
    tiers,
    models,
    nodes,
    waits,
    add(usage) {
      for (const groups of [days, tiers, models, nodes]) groups.add(usage.rows);
      waits.add(usage.waits);
    },
  };
}

/** Members share the fixed costs of each month in which they could use the co-op at some time. */
const sharesCosts = (
  { createdAtMs, disabledAtMs }: Pick<Member, "createdAtMs" | "disabledAtMs">,
  { startsMs, endsMs }: MonthPeriod,
): boolean => createdAtMs < endsMs && (disabledAtMs === null || disabledAtMs > startsMs);

function nodesUsed(sum: UsageSum, { nodes, settings: { money } }: MonthBasis): NodeUsage[] {
  const known = new Map<string, ReportedNode>(nodes.map((node) => [node.id, node]));
  return sum.nodes.list().map((group): NodeUsage => {
    const node = group.key === null ? null : (known.get(group.key) ?? unknownNode(group));
    if (node === null) return { ...group, name: null, simulated: false, energyKwh: 0, energyCost: 0 };
    const cost = costOf(money, node);
    const energyKwh = cost === null ? null : kwhOf(cost.busyWatts, group.nodeMs);
    return {
      ...group,
      name: node.name,
      simulated: node.simulated,
      energyKwh,
      energyCost: energyKwh === null ? null : roundMoney(energyKwh * money.electricityPerKwh),
    };
  });
}

/** A node that served and is in no register any more goes by its id. */
const unknownNode = ({ key }: UsageGroup): Pick<ReportedNode, "name" | "machine" | "simulated"> => ({
  name: key ?? "",
  machine: null,
  simulated: false,
});

const energyOf = (nodes: readonly NodeUsage[]): Amount =>
  sumKnown(nodes.map(({ name, energyCost }) => ({ name: name ?? "", amount: energyCost })));

/** Every node that belonged to the co-op in the month. */
function fleetMonth(basis: MonthBasis, all: UsageSum): FleetMonth {
  const {
    nodes,
    period,
    settings: { money },
  } = basis;
  const busyMs = new Map(all.nodes.list().map(({ key, nodeMs }) => [key, nodeMs]));
  const months = nodes.flatMap((node) => nodeMonth(node, busyMs.get(node.id) ?? 0, period, money) ?? []);
  const servingMs = months.reduce((sum, node) => sum + node.servingMs, 0);
  const usage = all.days.total();
  const fixed = fixedCosts({ settings: { money }, period }, months, 1, 1);
  const cost = together(energyOf(nodesUsed(all, basis)), fixed.total);
  return {
    tokens: tokensOf(usage),
    servingMs,
    busyMs: usage.nodeMs,
    utilisation: servingMs === 0 ? null : usage.nodeMs / servingMs,
    cost,
    perMillionTokens: perMillion(cost, usage),
    nodes: months,
  };
}

/** @param part the subject's part of the whole */
function fixedCosts(
  {
    settings: { money },
    period,
  }: { readonly settings: Pick<CoopSettings, "money">; readonly period: MonthPeriod },
  nodes: readonly NodeMonth[],
  part: number,
  sharedBy: number,
): FixedCosts {
  const elapsed = (period.untilMs - period.startsMs) / (period.endsMs - period.startsMs);
  const scaled = (of: (node: NodeMonth) => number | null): Amount =>
    sumKnown(
      nodes.map((node) => {
        const amount = of(node);
        return { name: node.name, amount: amount === null ? null : amount * part };
      }),
    );
  const hardware = scaled(({ hardwareCost }) => hardwareCost);
  const idleElectricity = scaled(({ idleCost }) => idleCost);
  const other = roundMoney(money.otherPerMonth * elapsed * part);
  const total = together(hardware, idleElectricity, { amount: other, without: [] });
  return { sharedBy, hardware, idleElectricity, other, total };
}

function costsOf(
  { settings: { money } }: MonthBasis,
  usage: UsageCounts,
  nodes: readonly NodeUsage[],
  fixed: FixedCosts,
): StatementCosts {
  const energy = energyOf(nodes);
  const total = together(energy, fixed.total);
  return {
    energyKwh: nodes.reduce((sum, { energyKwh }) => sum + (energyKwh ?? 0), 0),
    energy,
    fixed,
    total,
    perMillionTokens: perMillion(total, usage),
    cloud: money.cloudPrices.map(({ name, inputPerMillion, outputPerMillion }) => ({
      name,
      inputPerMillion,
      outputPerMillion,
      cost: roundMoney(
        (usage.promptTokens * inputPerMillion + usage.outputTokens * outputPerMillion) / 1_000_000,
      ),
    })),
  };
}

const together = (...amounts: readonly Amount[]): Amount => ({
  amount: roundMoney(amounts.reduce((sum, { amount }) => sum + amount, 0)),
  without: [...new Set(amounts.flatMap(({ without }) => without))].sort(),
});

const perMillion = ({ amount, without }: Amount, usage: UsageCounts): Amount | null =>
  tokensOf(usage) === 0 ? null : { amount: roundMoney((amount * 1_000_000) / tokensOf(usage)), without };

/** Of the nodes of the month, and of any that served without being in the register. */
function missingPrices(
  { nodes }: MonthBasis,
  months: readonly NodeMonth[],
  used: readonly NodeUsage[],
): MissingPrice[] {
  const lacking = new Set<string>([
    ...months.filter(({ hardwareCost }) => hardwareCost === null).map(({ node }) => node),
    ...used.flatMap(({ key, energyCost }) => (key !== null && energyCost === null ? [key] : [])),
  ]);
  const known = new Map<string, ReportedNode>(nodes.map((node) => [node.id, node]));
  return [...lacking].map((id) =>
    missingPrice(known.get(id) ?? { id: asNodeId(id), name: id, machine: null }),
  );
}
