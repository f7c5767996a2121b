import { setTimeout as delay } from "node:timers/promises";
import {
  assert,
  createMonthReport,
  createUsageGroups,
  limitWithCredit,
  monthAfter,
  monthOfDay,
} from "@coop/core";
import type {
  Accounting,
  CoopSettings,
  Member,
  MemberId,
  MemberRecord,
  MemberStore,
  MonthPeriod,
  MonthReport,
  NodeRegistration,
  NodeRegistry,
  QuotaFigures,
  ReportedNode,
  Statement,
  UsageGroup,
  UsageGrouping,
  UsageCounts,
  UsageReader,
} from "@coop/core";
import type { LimitsOf } from "./member-limits.ts";

export interface MonthReadingDeps {
  readonly usage: UsageReader;
  readonly accounting: Pick<Accounting, "account">;
  readonly members: Pick<MemberStore, "members">;
  readonly nodes: Pick<NodeRegistry, "nodes">;
  readonly settings: CoopSettings;
  readonly limitsOf: LimitsOf;
}

/** Days of usage, both included, in the co-op's time zone. */
export interface DayRange {
  readonly from: string;
  readonly to: string;
}

export interface UsageSums extends DayRange {
  readonly groups: readonly UsageGroup[];
  readonly total: UsageCounts;
  /** First day that is not in the sums; null when all are. */
  readonly nextFrom: string | null;
}

/**
 * Months of usage and what statements are made from. Others are served between one member and the next, however many
 * ask for reports at once.
 */
export interface MonthReading {
  statementOf(member: Member, period: MonthPeriod): Promise<Statement>;
  fleetStatement(period: MonthPeriod): Promise<Statement>;
  /** The months of a range from its beginning on, as many as one answer has. */
  usageOf(members: readonly Member[], range: DayRange, by: UsageGrouping): Promise<UsageSums>;
  /** Names of nodes by id. */
  nodeNames(): Promise<Readonly<Record<string, string>>>;
}

/** Most months that an answer sums for one member, and for all. */
const MONTHS_A_PAGE = 12;
const MONTHS_A_PAGE_OF_ALL = 3;
const SECONDS_A_DAY = 86_400;

export function createMonthReading(deps: MonthReadingDeps): MonthReading {
  const { usage, accounting, members, nodes, settings, limitsOf } = deps;
  const atLeisure = createLane();

  const quotaOf = async (member: Member, month: string): Promise<QuotaFigures> => {
    const [account, { floorTokens }] = await Promise.all([
      accounting.account(member.id, month),
      limitsOf(member),
    ]);
    const { usedTokens, heldTokens, creditTokens } = account;
    const limitTokens = limitWithCredit(floorTokens, creditTokens);
    return { usedTokens, heldTokens, creditTokens, floorTokens, limitTokens };
  };

  const read = async (some: readonly Member[], month: string): Promise<readonly MemberRecord[]> => {
    const [sums, quotas] = await Promise.all([
      usage.sums(
        some.map(({ id }) => id),
        month,
      ),
      Promise.all(some.map((member) => quotaOf(member, month))),
    ]);
    return some.flatMap((member, index) => {
      const [used, quota] = [sums[index], quotas[index]];
      return used === undefined || quota === undefined ? [] : [{ member, usage: used, quota }];
    });
  };

  const readAll = async (period: MonthPeriod): Promise<MonthReport> => {
    const [everyone, registrations] = await Promise.all([members.members(), nodes.nodes()]);
    const report = createMonthReport({
      settings,
      period,
      nodes: reportedNodes(registrations, everyone),
      members: everyone,
    });
    await atLeisure(inGroups(everyone), async (some) => {
      for (const record of await read(some, period.month)) report.take(record);
    });
    return report;
  };

  /** Members who ask for the same month at once share what is read of the others. */
  const shared = new Map<string, Promise<MonthReport>>();
  const readShared = (period: MonthPeriod): Promise<MonthReport> => {
    const running = shared.get(period.month);
    if (running !== undefined) return running;
    const reading = readAll(period).finally(() => shared.delete(period.month));
    shared.set(period.month, reading);
    return reading;
  };

  return {
    async statementOf(member, period) {
      const report = await readShared(period);
      const [record] = await read([member], period.month);
      assert(record !== undefined, "one member's month is read as one record");
      return report.ofMember(record);
    },
    fleetStatement: async (period) => (await readAll(period)).ofFleet(),
    async usageOf(who, { from, to }, by) {
      const groups = createUsageGroups(by);
      const isWithin = ({ day }: { readonly day: string }): boolean => day >= from && day <= to;
      const most = who.length === 1 ? MONTHS_A_PAGE : MONTHS_A_PAGE_OF_ALL;
      // Compared as a whole: the month after 9999-12 does not sort behind it.
      const end = monthAfter(monthOfDay(to));
      let month = monthOfDay(from);
      for (let amount = 0; amount < most && month !== end; amount += 1) {
        const current = month;
        const cut: MemberId[] = [];
        await atLeisure(inGroups(who), async (some) => {
          for (const sums of await usage.sums(
            some.map(({ id }) => id),
            current,
          )) {
            const days = sums.days.filter(isWithin);
            if (by === "day" || days.length === sums.days.length) groups.addSums({ ...sums, days });
            else if (days.length > 0) cut.push(sums.member);
          }
        });
        // Sums of places are of all days: where a range has some of them, their rows tell.
        await atLeisure(cut, async (member) => {
          groups.add((await usage.month(member, current)).rows.filter(isWithin));
        });
        month = monthAfter(month);
      }
      const nextFrom = month === end ? null : `${month}-01`;
      return { from, to, groups: groups.list(), total: groups.total(), nextFrom };
    },
    nodeNames: async () =>
      Object.fromEntries((await nodes.nodes()).map(({ id, name }) => [id, name] as const)),
  };
}

/** Members whose sums are one step: with their accounts half a millisecond of the server. */
const MEMBERS_A_STEP = 2;

const inGroups = (who: readonly Member[]): readonly (readonly Member[])[] =>
  Array.from({ length: Math.ceil(who.length / MEMBERS_A_STEP) }, (_, index) =>
    who.slice(index * MEMBERS_A_STEP, (index + 1) * MEMBERS_A_STEP),
  );

/** A step takes the server and the store about a millisecond each: most of the time is others'. */
const PACE_MS = 12;
/** Reads under way at once: the store answers when its writes are on disk, which takes longer than the work itself. */
const AT_ONCE = 2;

/** Steps of long work, at most one begun in PACE_MS whoever asks for them, so that all others come in between. */
function createLane() {
  let free: Promise<void> = Promise.resolve();
  const turn = (): Promise<void> => {
    const mine = free;
    free = mine.then(async () => delay(PACE_MS));
    return mine;
  };
  return async <Item>(items: readonly Item[], step: (item: Item) => Promise<void>): Promise<void> => {
    const waiting = items.values();
    const work = async (): Promise<void> => {
      for (const item of waiting) {
        await turn();
        await step(item);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  };
}

function reportedNodes(
  registrations: readonly NodeRegistration[],
  everyone: readonly Member[],
): readonly ReportedNode[] {
  const names = new Map(everyone.map(({ id, name }) => [id, name]));
  return registrations.map(({ id, name, owner, joinedAtMs, revokedAtMs, offer }) => ({
    id,
    name,
    ownerName: names.get(owner) ?? owner,
    joinedAtMs,
    revokedAtMs,
    machine: offer?.machineProfile ?? null,
    simulated: offer?.simulated ?? false,
    servingSecondsPerDay: offer?.servingSecondsPerDay ?? SECONDS_A_DAY,
  }));
}
