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

/** The days asked for; the month that runs, up to today, when left out. @throws ProblemError 400 */
export function rangeOf(c: ApiContext, calendar: Calendar, nowMs: number): DayRange {
  const to = dayOf(c, "to") ?? calendar.dayOf(nowMs);
  const from = dayOf(c, "from") ?? `${monthOfDay(to)}-01`;
  if (from > to) throw badRequest(`from (${from}) must not be after to (${to}).`, "from");
  return { from, to };
}

/** The days that are in both; null when none is. */
export function overlap(a: DayRange, b: DayRange): DayRange | null {
  const from = a.from > b.from ? a.from : b.from;
  const to = a.to < b.to ? a.to : b.to;
  return from > to ? null : { from, to };
}

/** Where a later page of a range begins; null for the first page. @throws ProblemError 400 */
export function cursorOf(c: ApiContext, { from, to }: DayRange): string | null {
  const cursor = c.req.query("cursor");
  if (cursor === undefined) return null;
  if (!isDay(cursor) || !cursor.endsWith("-01") || cursor <= from || cursor > to)
    throw badRequest("cursor must be the nextCursor of a page of the same range.", "cursor");
  return cursor;
}

function dayOf(c: ApiContext, param: string): string | null {
  const day = c.req.query(param);
  if (day === undefined) return null;
  if (!isDay(day))
    throw badRequest(`${param} must be a day that exists, such as 2026-11-30, not ${quoted(day)}.`, param);
  return day;
}

const quoted = (given: string): string => JSON.stringify(given.slice(0, 80));
