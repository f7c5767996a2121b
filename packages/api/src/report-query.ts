import { isDay, isMonth, monthOfDay, monthPeriod, USAGE_GROUPINGS } from "@coop/core";
import type { Calendar, MonthPeriod, UsageGrouping } from "@coop/core";
import type { ApiContext } from "./deps.ts";
import type { DayRange } from "./month-reading.ts";
import { badRequest } from "./problem.ts";

/** What a request for usage or a statement asks for. Every refusal names the parameter. */

/** One of some words; the first when left out. @throws ProblemError 400 */
export function wordOf<const Words extends readonly [string, ...string[]]>(
  c: ApiContext,
  param: string,
  words: Words,
): Words[number] {
  const given = c.req.query(param);
  if (given === undefined) return words[0];
  const word = words.find((one) => one === given);
  if (word === undefined)
    throw badRequest(`${param} must be one of ${words.join(", ")}, not ${quoted(given)}.`, param);
  return word;
}

export const groupingOf = (c: ApiContext): UsageGrouping => wordOf(c, "groupBy", USAGE_GROUPINGS);

/** The month asked for, the one that runs when left out. @throws ProblemError 400 */
export function periodOf(c: ApiContext, calendar: Calendar, nowMs: number): MonthPeriod {
  const month = c.req.query("month") ?? calendar.monthOf(nowMs);
  if (!isMonth(month))
    throw badRequest(`month must be a month that exists, such as 2026-11, not ${quoted(month)}.`, "month");
  const period = monthPeriod(calendar, month, nowMs);
  if (period === null) throw badRequest(`${month} has not begun: there is nothing to state.`, "month");
  return period;
}

export interface RangeAsked {
  /** The whole range. */
  readonly range: DayRange;
  /** Where this page begins. */
  readonly pageFrom: string;
}

/** The days asked for; the month that runs, up to today, when left out. @throws ProblemError 400 */
export function rangeOf(c: ApiContext, calendar: Calendar, nowMs: number): RangeAsked {
  const to = dayOf(c, "to") ?? calendar.dayOf(nowMs);
  const from = dayOf(c, "from") ?? `${monthOfDay(to)}-01`;
  if (from > to) throw badRequest(`from (${from}) must not be after to (${to}).`, "from");
  const cursor = c.req.query("cursor");
  if (cursor === undefined) return { range: { from, to }, pageFrom: from };
  if (!isDay(cursor) || !cursor.endsWith("-01") || cursor <= from || cursor > to)
    throw badRequest("cursor must be the nextCursor of a page of the same range.", "cursor");
  return { range: { from, to }, pageFrom: cursor };
}

function dayOf(c: ApiContext, param: string): string | null {
  const day = c.req.query(param);
  if (day === undefined) return null;
  if (!isDay(day))
    throw badRequest(`${param} must be a day that exists, such as 2026-11-30, not ${quoted(day)}.`, param);
  return day;
}

const quoted = (given: string): string => JSON.stringify(given.slice(0, 80));
