import { dayBefore } from "@coop/core";
import type { Calendar, Clock, Member, MemberStore } from "@coop/core";
import type { UsagePage } from "@coop/protocol";
import type { ApiContext } from "../deps.ts";
import { knownMember } from "../known-member.ts";
import type { DayRange, MonthReading } from "../month-reading.ts";
import { groupingOf, rangeOf, wordOf } from "../report-query.ts";
import { usageCsv } from "../statement/csv.ts";

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
  const { range, pageFrom } = rangeOf(c, calendar, clock.now());
  const who = member === null ? await members.members() : [member];
  const sums = await reading.usageOf(who, { from: pageFrom, to: range.to }, groupBy);
  const nodeNames = groupBy === "node" ? namesUsed(sums.groups, await reading.nodeNames()) : {};
  if (sums.nextFrom !== null) c.header("Link", nextPage(c, range, sums.nextFrom));
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
