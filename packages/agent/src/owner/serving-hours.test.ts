import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ALWAYS,
  isServing,
  localWeekMinute,
  nextChangeMs,
  readHours,
  servingSecondsPerDay,
} from "./serving-hours.ts";
import type { ServingHours } from "./serving-hours.ts";

const HOUR = 60;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;

function hours(text: string): ServingHours {
  const found = readHours(text);
  if (found.kind === "problem") throw new Error(found.problem);
  return found.value;
}
const spans = (text: string) => hours(text).spans.map(({ from, to }) => [from / HOUR, to / HOUR]);

/** A time zone's own, from its name: Stockholm has summer time. */
function weekMinutesIn(timeZone: string): (atMs: number) => number {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
  return (atMs) => {
    const part = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, value] as const));
    return (
      days.indexOf(part.get("weekday") ?? "") * DAY +
      Number(part.get("hour")) * HOUR +
      Number(part.get("minute"))
    );
  };
}
/** In UTC, from a Monday on. */
const MONDAY_MS = Date.UTC(2026, 10, 16);
const inUtc = (atMs: number): number => Math.floor((atMs - MONDAY_MS) / 60_000) % WEEK;

describe("what an owner writes", () => {
  test.for([
    ["always", [[0, 168]]],
    ["18:00-22:30", [0, 1, 2, 3, 4, 5, 6].map((day) => [day * 24 + 18, day * 24 + 22.5])],
    ["mon 9:00-17:00", [[9, 17]]],
    [
      "Mon-Tue 18:00-08:00",
      [
        [18, 32],
        [42, 56],
      ],
    ],
    ["sat-sun all", [[120, 168]]],
    ["sat", [[120, 144]]],
    ["all", [[0, 168]]],
    [
      "sun 22:00-06:00",
      [
        [0, 6],
        [166, 168],
      ],
    ],
    [
      "fri-mon 00:00-24:00",
      [
        [0, 24],
        [96, 168],
      ],
    ],
    [
      "mon 08:00-12:00, mon 10:00-14:00, tue 00:00-01:00",
      [
        [8, 14],
        [24, 25],
      ],
    ],
    [
      "mon-fri 18:00-08:00, sat-sun all",
      [
        [18, 32],
        [42, 56],
        [66, 80],
        [90, 104],
        [114, 168],
      ],
    ],
  ] as const)("%s", ([text, expected]) => {
    expect(spans(text)).toEqual(expected);
  });

  test.for([
    "",
    "never",
    "mon-",
    "noon",
    "mon 25:00-26:00",
    "mon 10:61-11:00",
    "10:00-10:00",
    "24:00-08:00",
    "mon 8-12",
    "mon 08:00, tue",
    "mon all,",
  ])("%j is nothing that the hours take", (text) => {
    expect(readHours(text)).toEqual({
      kind: "problem",
      problem: expect.stringMatching(/^takes always, or days and times/),
    });
  });

  test("says which part is wrong", () => {
    expect(readHours("mon all, fry 08:00-09:00")).toMatchObject({
      problem: expect.stringMatching(/not "fry 08:00-09:00"$/),
    });
  });
});

test("an average day has its seventh of the week's hours", () => {
  expect(servingSecondsPerDay(ALWAYS)).toBe(86_400);
  expect(servingSecondsPerDay(hours("mon-fri 18:00-08:00, sat-sun all"))).toBeCloseTo(
    ((5 * 14 + 48 - 8) / 7) * 3_600,
    6,
  );
});

test("whatever the hours, they change when it is said and not before, and each minute is in or out", () => {
  const time = fc
    .tuple(fc.nat(23), fc.constantFrom("00", "07", "30", "59"))
    .map(([hour, minute]) => `${hour}:${minute}`);
  const part = fc
    .tuple(fc.constantFrom("mon", "wed-fri", "sat-mon", "sun", ""), time, time)
    .filter(([, from, to]) => from !== to)
    .map(([days, from, to]) => `${days} ${from}-${to}`.trim());
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), fc.nat(WEEK), (parts, minute) => {
      const written = hours(parts.join(", "));
      const nowMs = MONDAY_MS + minute * 60_000 + 17_000;
      const changeMs = nextChangeMs(written, nowMs, inUtc);
      const isNow = isServing(written, inUtc(nowMs));
      const total = Array.from({ length: WEEK }, (_, at) => isServing(written, at)).filter(Boolean).length;
      expect((total * 60) / 7).toBeCloseTo(servingSecondsPerDay(written), 6);
      if (changeMs === null) {
        expect(total).toBe(WEEK);
        return;
      }
      expect(isServing(written, inUtc(changeMs))).toBe(!isNow);
      expect(isServing(written, inUtc(changeMs - 1))).toBe(isNow);
    }),
    { numRuns: 50 },
  );
});

describe("summer time", () => {
  const stockholm = weekMinutesIn("Europe/Stockholm");

  test("hours keep to the clock on the wall, on the short night and on the long one", () => {
    const nights = hours("22:00-06:00");
    const inSpring = Date.UTC(2026, 2, 28, 22);
    expect(nextChangeMs(nights, inSpring, stockholm)).toBe(Date.UTC(2026, 2, 29, 4));
    const inAutumn = Date.UTC(2026, 9, 24, 21);
    expect(nextChangeMs(nights, inAutumn, stockholm)).toBe(Date.UTC(2026, 9, 25, 5));
  });

  test("hours within the one that is skipped do not come that night", () => {
    expect(nextChangeMs(hours("02:10-02:50"), Date.UTC(2026, 2, 29, 0), stockholm)).toBe(
      Date.UTC(2026, 2, 30, 0, 10),
    );
  });
});

test("this machine's own time says the same as its clock", () => {
  const atMs = Date.UTC(2026, 10, 20, 12, 34);
  expect(localWeekMinute(atMs)).toBe(weekMinutesIn(Intl.DateTimeFormat().resolvedOptions().timeZone)(atMs));
});
