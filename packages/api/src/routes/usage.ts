import { createUsageGroups, dayBefore } from "@coop/core";
import type { Calendar, Clock, Member, MemberStore, UsageGrouping } from "@coop/core";
import { usageCsv } from "@coop/protocol";
import type { UsagePage } from "@coop/protocol";
import type { ApiContext } from "../deps.ts";
import { firstOf } from "../first-member.ts";
import { knownMember } from "../known-member.ts";
import type { DayRange, MonthReading, UsageSums } from "../month-reading.ts";
import { cursorOf, groupingOf, overlap, rangeOf, wordOf } from "../report-query.ts";

export interface ReportRoutesDeps {
  readonly clock: Clock;
  readonly calendar: Calendar;
  readonly members: MemberStore;
  readonly reading: MonthReading;
}

/** `GET /v1/usage`: the caller's own. */
export const ownUsage =
  (deps: ReportRoutesDeps) =>
  async (c: ApiContext): Promise<Response> =>
    usage(deps, c, c.get("caller").member);

/** `GET /admin/usage`: a member's, or all members' together. */
export const anyUsage =
  (deps: ReportRoutesDeps) =>
  async (c: ApiContext): Promise<Response> => {
    const wanted = c.req.query("member");
    return usage(deps, c, wanted === undefined ? null : await knownMember(deps.members, wanted, "member"));
  };

async function usage(
  { clock, calendar, members, reading }: ReportRoutesDeps,
  c: ApiContext,
  member: Member | null,
): Promise<Response> {
  const groupBy = groupingOf(c);
  const format = wordOf(c, "format", ["json", "csv"]);
  const nowMs = clock.now();
  const asked = rangeOf(c, calendar, nowMs);
  const who = member === null ? await members.members() : [member];
  const first = `${calendar.monthOf(firstOf(who, nowMs))}-01`;
  const range = overlap(asked, { from: first, to: calendar.dayOf(nowMs) });
  const from = cursorOf(c, range ?? asked) ?? asked.from;
  const sums =
    range === null
      ? nothing(asked, groupBy)
      : await reading.usageOf(who, { from: from > range.from ? from : range.from, to: range.to }, groupBy);
  const nodeNames = groupBy === "node" ? namesUsed(sums.groups, await reading.nodeNames()) : {};
  if (sums.nextFrom !== null) c.header("Link", nextPage(c, range ?? asked, sums.nextFrom));
  if (format === "csv")
    return c.body(usageCsv(groupBy, sums.groups, nodeNames), 200, { "Content-Type": CSV_TYPE });
  const page: UsagePage = {
    object: "coop.usage",
    member: member?.id ?? null,
    from: sums.from,
    to: sums.nextFrom === null ? sums.to : dayBefore(sums.nextFrom),
    groupBy,
    data: sums.groups,
    nodeNames,
    total: sums.total,
    nextCursor: sums.nextFrom,
  };
  return c.json(page);
}

/** Of days on which nobody was a member: there is nothing to read. */
const nothing = (range: DayRange, by: UsageGrouping): UsageSums => ({
  ...range,
  groups: [],
  total: createUsageGroups(by).total(),
  nextFrom: null,
});

export const CSV_TYPE = "text/csv; charset=utf-8";

/** The next page's address (RFC 8288), for answers whose body has no place for it. */
function nextPage(c: ApiContext, { from, to }: DayRange, cursor: string): string {
  const query = new URLSearchParams({ ...c.req.query(), from, to, cursor });
  return `<${c.req.path}?${query.toString()}>; rel="next"`;
}

const namesUsed = (
  groups: readonly { readonly key: string | null }[],
  names: Readonly<Record<string, string>>,
): Record<string, string> =>
  Object.fromEntries(groups.flatMap(({ key }) => (key === null ? [] : [[key, names[key] ?? key] as const])));
