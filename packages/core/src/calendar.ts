import { OperationalError } from "./operational-error.ts";

/** Days and months in one time zone, whatever summer time does there. Pure: no I/O. */
export interface Calendar {
  /** IANA name. */
  readonly timeZone: string;
  /** The day of an instant, `YYYY-MM-DD`. */
  dayOf(atMs: number): string;
  /** The month of an instant, `YYYY-MM`. */
  monthOf(atMs: number): string;
  /** When the day of an instant is over: the first instant of the next, ms since the Unix epoch. */
  dayEndsMs(atMs: number): number;
  /** When the month of an instant is over: the first instant of the next, ms since the Unix epoch. */
  monthEndsMs(atMs: number): number;
}

const MINUTE_MS = 60_000;
/** Longer than any day or month is, also where a zone skips or repeats an hour or leaves a day out. */
const BEYOND_A_DAY = 3 * 24 * 60;
const BEYOND_A_MONTH = 34 * 24 * 60;

/**
 * @param timeZone IANA name, such as Europe/Stockholm
 * @throws OperationalError `unknown-time-zone`
 */
export function createCalendar(timeZone: string): Calendar {
  const format = formatOf(timeZone);
  /** The last minute that was asked for: no zone begins a day within one. */
  let last = { minute: Number.NaN, day: "" };

  const dayOfMinute = (minute: number): string => {
    if (last.minute !== minute) {
      const parts = new Map(
        format.formatToParts(minute * MINUTE_MS).map(({ type, value }) => [type, value] as const),
      );
      const day = `${parts.get("year") ?? ""}-${parts.get("month") ?? ""}-${parts.get("day") ?? ""}`;
      last = { minute, day };
    }
    return last.day;
  };
  const monthOfMinute = (minute: number): string => monthOfDay(dayOfMinute(minute));
  const minuteOf = (atMs: number): number => Math.floor(atMs / MINUTE_MS);

  return {
    timeZone,
    dayOf: (atMs) => dayOfMinute(minuteOf(atMs)),
    monthOf: (atMs) => monthOfMinute(minuteOf(atMs)),
    dayEndsMs: endOf(dayOfMinute, BEYOND_A_DAY),
    monthEndsMs: endOf(monthOfMinute, BEYOND_A_MONTH),
  };
}

/** The month that a day `YYYY-MM-DD` is in, `YYYY-MM`. */
export const monthOfDay = (day: string): string => day.slice(0, 7);

function formatOf(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat("en", {
      timeZone,
      calendar: "iso8601",
      numberingSystem: "latn",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
    });
  } catch (cause) {
    throw new OperationalError(
      "unknown-time-zone",
      `"${timeZone}" is no time zone that this computer knows; write an IANA name, such as Europe/Stockholm.`,
      { cause },
    );
  }
}

/** Looks for the first minute with another name than an instant's; remembers the answer for that name. */
function endOf(nameOf: (minute: number) => string, beyond: number): (atMs: number) => number {
  let last = { name: "", endsMs: Number.NaN };
  return (atMs) => {
    const start = Math.floor(atMs / MINUTE_MS);
    const name = nameOf(start);
    if (name === last.name) return last.endsMs;
    let within = start;
    let after = start + beyond;
    while (after - within > 1) {
      const middle = Math.floor((within + after) / 2);
      if (nameOf(middle) === name) within = middle;
      else after = middle;
    }
    last = { name, endsMs: after * MINUTE_MS };
    return last.endsMs;
  };
}
