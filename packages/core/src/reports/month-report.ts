import type { Member } from "../ports/membership.ts";
import type { MemberUsageSums, UsageCounts } from "../ports/usage.ts";
import type { CoopSettings, MoneySettings } from "../settings.ts";
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
import type { UsageGroup, UsageGroups } from "./usage.ts";
import { createWaitSum } from "./waits.ts";
import type { WaitSum } from "./waits.ts";

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
  readonly usage: Pick<MemberUsageSums, "days" | "places" | "waits">;
  readonly quota: QuotaFigures;
}

/**
 * The statements of a month. Members are taken one at a time and in any order, so that a large co-op's report never keeps a server
 * busy for long; statements are right once every member has been taken.
 */
export interface MonthReport {
  take(record: MemberRecord): void;
  /** A member that was taken. */
  ofMember(record: MemberRecord): Statement;
  ofFleet(): Statement;
}

export function createMonthReport(basis: MonthBasis): MonthReport {
  const { settings, period, members } = basis;
  const known = new Map<string, ReportedNode>(basis.nodes.map((node) => [node.id, node]));
  const all = createUsageSum();
  const lines: Omit<MemberLine, "fixedShare" | "total">[] = [];
  const sharers = new Set(members.filter((member) => sharesCosts(member, period)).map(({ id }) => id));
  const partOf = (member: MemberId): number => (sharers.has(member) ? 1 / sharers.size : 0);

  const statement = (
    subject: StatementSubject,
    sum: UsageSum,
    part: number,
    rest: Pick<Statement, "quota" | "members">,
  ): Statement => {
    const fleet = fleetMonth(basis, known, all);
    const nodes = nodesUsed(sum, known, settings.money);
    const usage = sum.days.total();
    return {
      coop: settings.name,
      subject,
      month: period.month,
      timeZone: settings.timeZone,
      complete: period.complete,
      untilMs: period.untilMs,
      currency: settings.money.currency,
      usage,
      waits: sum.waits.summary(),
      days: sum.days.list(),
      tiers: sum.tiers.list(),
      models: sum.models.list(),
      nodes,
      costs: costsOf(settings.money, usage, nodes, fixedCosts(basis, fleet.nodes, part, sharers.size)),
      fleet,
      missingPrices: missingPrices(known, fleet.nodes, nodes),
      ...rest,
    };
  };

  return {
    take({ member, usage, quota }) {
      const sum = createUsageSum();
      sum.add(usage);
      all.merge(sum);
      lines.push({
        member: member.id,
        name: member.name,
        ...sum.days.total(),
        waits: sum.waits.summary(),
        quota,
        energy: energyOf(nodesUsed(sum, known, settings.money)),
      });
    },
    ofMember({ member, usage, quota }) {
      const sum = createUsageSum();
      sum.add(usage);
      const subject = { kind: "member" as const, member: member.id, name: member.name };
      return statement(subject, sum, partOf(member.id), { quota, members: [] });
    },
    ofFleet() {
      const { nodes } = fleetMonth(basis, known, all);
      const sharing = fixedCosts(basis, nodes, 1 / Math.max(1, sharers.size), sharers.size).total;
      const notSharing = fixedCosts(basis, nodes, 0, sharers.size).total;
      const order = new Map(members.map(({ id }, index) => [id, index] as const));
      const placeOf = ({ member }: { readonly member: MemberId }): number =>
        order.get(member) ?? members.length;
      const withShares = lines
        .map((line): MemberLine => {
          const fixedShare = sharers.has(line.member) ? sharing : notSharing;
          return { ...line, fixedShare, total: together(line.energy, fixedShare) };
        })
        .sort((a, b) => placeOf(a) - placeOf(b));
      const subject = { kind: "fleet" as const, members: lines.length };
      return statement(subject, all, 1, { quota: null, members: withShares });
    },
  };
}

const SUMMED = ["days", "tiers", "models", "nodes"] as const;

/** Usage by each thing at once. */
interface UsageSum extends Readonly<Record<(typeof SUMMED)[number], UsageGroups>> {
  readonly waits: WaitSum;
  add(usage: MemberRecord["usage"]): void;
  merge(other: UsageSum): void;
}

function createUsageSum(): UsageSum {
  const sum = {
    days: createUsageGroups("day"),
    tiers: createUsageGroups("tier"),
    models: createUsageGroups("model"),
    nodes: createUsageGroups("node"),
    waits: createWaitSum(),
  };
  return {
    ...sum,
    add(usage) {
      for (const name of SUMMED) sum[name].addSums(usage);
      sum.waits.add(usage.waits);
    },
    merge(other) {
      for (const name of SUMMED) sum[name].merge(other[name].list());
      sum.waits.add(other.waits.jobs());
    },
  };
}

/** Members share the fixed costs of each month in which they could use the co-op at some time. */
const sharesCosts = (
  { createdAtMs, disabledAtMs }: Pick<Member, "createdAtMs" | "disabledAtMs">,
  { startsMs, endsMs }: MonthPeriod,
): boolean => createdAtMs < endsMs && (disabledAtMs === null || disabledAtMs > startsMs);

type KnownNodes = ReadonlyMap<string, ReportedNode>;

function nodesUsed(sum: UsageSum, known: KnownNodes, money: MoneySettings): NodeUsage[] {
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
function fleetMonth({ nodes, period, settings }: MonthBasis, known: KnownNodes, all: UsageSum): FleetMonth {
  const { money } = settings;
  const busyMs = new Map(all.nodes.list().map(({ key, nodeMs }) => [key, nodeMs]));
  const months = nodes.flatMap((node) => nodeMonth(node, busyMs.get(node.id) ?? 0, period, money) ?? []);
  const servingMs = months.reduce((sum, node) => sum + node.servingMs, 0);
  const usage = all.days.total();
  const fixed = fixedCosts({ settings, period }, months, 1, 1);
  const cost = together(energyOf(nodesUsed(all, known, money)), fixed.total);
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
  money: MoneySettings,
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
  known: KnownNodes,
  months: readonly NodeMonth[],
  used: readonly NodeUsage[],
): MissingPrice[] {
  const lacking = new Set<string>([
    ...months.filter(({ hardwareCost }) => hardwareCost === null).map(({ node }) => node),
    ...used.flatMap(({ key, energyCost }) => (key !== null && energyCost === null ? [key] : [])),
  ]);
  return [...lacking].map((id) =>
    missingPrice(known.get(id) ?? { id: asNodeId(id), name: id, machine: null }),
  );
}
