import { read, takes } from "./written.ts";
import type { Read } from "./written.ts";

/** When a machine serves, by the times of its own time zone. Pure but for `localWeekMinute`. */
export interface ServingHours {
  /** As its owner wrote it. */
  readonly text: string;
  /** Disjoint, in order; minutes since Monday 00:00. */
  readonly spans: readonly Span[];
}

interface Span {
  readonly from: number;
  /** The first minute after it. */
  readonly to: number;
}

const DAY = 24 * 60;
const WEEK = 7 * DAY;
const MINUTE_MS = 60_000;
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const TAKES =
  'always, or days and times such as "mon-fri 18:00-08:00, sat-sun all" (mon tue wed thu fri sat sun; times from 00:00 to 24:00)';

export const ALWAYS: ServingHours = { text: "always", spans: [{ from: 0, to: WEEK }] };

/**
 * Hours as an owner writes them: parts with commas between, each of days, times, or both. Without days it is every
 * day, without times (or with `all`) the whole day; times that end no later than they begin end on the next day.
 */
export function readHours(text: string): Read<ServingHours> {
  const written = text.trim().toLowerCase().replaceAll(/\s+/g, " ");
  if (written === "always") return read(ALWAYS);
  const spans: Span[] = [];
  for (const part of written.split(",")) {
    const found = spansOf(part.trim());
    if (found === null) return takes(TAKES, part.trim() === "" ? text : part.trim());
    spans.push(...found);
  }
  return read({ text: written, spans: joined(spans.flatMap(withinWeek)) });
}

/** The spans of one part such as `mon-fri 18:00-08:00`; null when it is none. */
function spansOf(part: string): Span[] | null {
  const match = /^(?:([a-z]{3})(?: ?- ?([a-z]{3}))?)? ?(?:(\d\d?):(\d\d) ?- ?(\d\d?):(\d\d)|all)?$/.exec(
    part,
  );
  if (match === null || part === "") return null;
  const [, first, last, fromHour, fromMinute, toHour, toMinute] = match;
  // "all" on its own is read as a day's name.
  const days =
    first === undefined || first === "all" ? daysBetween("mon", "sun") : daysBetween(first, last ?? first);
  if (days === null) return null;
  if (fromHour === undefined) return days.map((day) => ({ from: day * DAY, to: (day + 1) * DAY }));
  const from = minuteOf(fromHour, fromMinute);
  const to = minuteOf(toHour, toMinute);
  if (from === null || to === null || from === DAY || from === to) return null;
  return days.map((day) => ({ from: day * DAY + from, to: day * DAY + to + (to < from ? DAY : 0) }));
}

/** Numbers of the days from one to another, through Sunday when it must be. */
function daysBetween(first: string, last: string): number[] | null {
  const from = DAYS.indexOf(first);
  const to = DAYS.indexOf(last);
  if (from < 0 || to < 0) return null;
  return Array.from({ length: ((to - from + 7) % 7) + 1 }, (_, index) => (from + index) % 7);
}

function minuteOf(hour: string | undefined, minute: string | undefined): number | null {
  const minutes = Number(hour) * 60 + Number(minute);
  return Number(minute) < 60 && minutes <= DAY ? minutes : null;
}

/** What reaches over Sunday midnight goes on on Monday. */
const withinWeek = ({ from, to }: Span): Span[] =>
  to <= WEEK
    ? [{ from, to }]
    : [
        { from, to: WEEK },
        { from: 0, to: to - WEEK },
      ];

function joined(spans: readonly Span[]): Span[] {
  const found: Span[] = [];
  for (const span of [...spans].sort((one, other) => one.from - other.from)) {
    const last = found.at(-1);
    if (last !== undefined && span.from <= last.to)
      found[found.length - 1] = { from: last.from, to: Math.max(last.to, span.to) };
    else found.push(span);
  }
  return found;
}

/** Of an average day, the seconds in which it serves. */
export const servingSecondsPerDay = (hours: ServingHours): number => (minutesOf(hours) * 60) / 7;

const minutesOf = ({ spans }: ServingHours): number =>
  spans.reduce((sum, { from, to }) => sum + to - from, 0);

/** @param weekMinute minutes since Monday 00:00 */
export const isServing = ({ spans }: ServingHours, weekMinute: number): boolean =>
  spans.some(({ from, to }) => from <= weekMinute && weekMinute < to);

/**
 * When the hours next begin or end, ms since the Unix epoch; null when they never do. Minute by minute, because a
 * change of summer time skips or repeats some; a week of them takes some milliseconds.
 */
export function nextChangeMs(
  hours: ServingHours,
  nowMs: number,
  weekMinuteOf: (atMs: number) => number,
): number | null {
  if (minutesOf(hours) === WEEK) return null;
  const isNow = isServing(hours, weekMinuteOf(nowMs));
  const firstMs = Math.floor(nowMs / MINUTE_MS + 1) * MINUTE_MS;
  for (let atMs = firstMs; atMs <= nowMs + (WEEK + DAY) * MINUTE_MS; atMs += MINUTE_MS)
    if (isServing(hours, weekMinuteOf(atMs)) !== isNow) return atMs;
  return null;
}

/** Minutes since Monday 00:00 in this machine's time zone. */
export function localWeekMinute(atMs: number): number {
  const local = new Date(atMs);
  return ((local.getDay() + 6) % 7) * DAY + local.getHours() * 60 + local.getMinutes();
}
