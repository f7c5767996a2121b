import type { Calendar } from "../calendar.ts";

/** Days and months as text, and the part of a month that a statement is about. Pure: no I/O. */

const DAY_MS = 24 * 3_600_000;
const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;
const MONTH = /^(\d{4})-(\d{2})$/;

/** Whether the text is a day that exists, `YYYY-MM-DD`. */
export function isDay(text: string): boolean {
  const atMs = DAY.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return Number.isFinite(atMs) && dayOfUtc(atMs) === text;
}

/** Whether the text is a month that exists, `YYYY-MM`. */
export const isMonth = (text: string): boolean => MONTH.test(text) && isDay(`${text}-01`);

const dayOfUtc = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10);

/** @param day `YYYY-MM-DD` */
export const dayAfter = (day: string): string => dayOfUtc(Date.parse(`${day}T00:00:00Z`) + DAY_MS);

/** @param day `YYYY-MM-DD` */
export const dayBefore = (day: string): string => dayOfUtc(Date.parse(`${day}T00:00:00Z`) - DAY_MS);

/** @param month `YYYY-MM` */
export function monthAfter(month: string): string {
  const [year = 0, number = 0] = month.split("-").map(Number);
  return number === 12
    ? `${String(year + 1).padStart(4, "0")}-01`
    : `${month.slice(0, 4)}-${String(number + 1).padStart(2, "0")}`;
}

/** The days of a month, first to last. @param month `YYYY-MM` */
export function daysOfMonth(month: string): readonly string[] {
  const days: string[] = [];
  for (let day = `${month}-01`; day.startsWith(month); day = dayAfter(day)) days.push(day);
  return days;
}

/** A month in the co-op's time zone, as far as it has gone. Times are ms since the Unix epoch. */
export interface MonthPeriod {
  /** `YYYY-MM`. */
  readonly month: string;
  readonly startsMs: number;
  readonly endsMs: number;
  /** When the figures are taken; the month's end once it is over. */
  readonly untilMs: number;
  readonly complete: boolean;
}

/** @returns null for a month that has not begun */
export function monthPeriod(calendar: Calendar, month: string, nowMs: number): MonthPeriod | null {
  // No zone is as far as two days from UTC, so this instant is in the month before.
  const startsMs = calendar.monthEndsMs(Date.parse(`${month}-01T00:00:00Z`) - 2 * DAY_MS);
  if (startsMs > nowMs) return null;
  const endsMs = calendar.monthEndsMs(startsMs);
  return { month, startsMs, endsMs, untilMs: Math.min(nowMs, endsMs), complete: nowMs >= endsMs };
}
