import { describe, expect, test } from "vitest";
import { createCalendar } from "../calendar.ts";
import { dayAfter, dayBefore, daysOfMonth, isDay, isMonth, monthAfter, monthPeriod } from "./period.ts";

describe("days and months as text", () => {
  test.each(["2026-02-29", "2026-13-01", "2026-00-10", "2026-1-01", "26-01-01", "2026-04-31", "", "today"])(
    "%s is no day",
    (text) => expect(isDay(text)).toBe(false),
  );
  test.each(["2024-02-29", "2026-12-31", "0001-01-01", "9999-12-31"])("%s is a day", (text) =>
    expect(isDay(text)).toBe(true),
  );
  test.each(["2026-13", "2026-00", "2026-1", "2026-11-01", ""])("%s is no month", (text) =>
    expect(isMonth(text)).toBe(false),
  );

  test("follow each other", () => {
    expect([dayAfter("2024-02-28"), dayAfter("2026-12-31"), dayBefore("2026-03-01")]).toEqual([
      "2024-02-29",
      "2027-01-01",
      "2026-02-28",
    ]);
    expect([monthAfter("2026-09"), monthAfter("2026-12")]).toEqual(["2026-10", "2027-01"]);
    expect(daysOfMonth("2024-02")).toHaveLength(29);
    expect(daysOfMonth("2026-11").at(-1)).toBe("2026-11-30");
  });
});

describe("a month's period", () => {
  const calendar = createCalendar("Europe/Stockholm");
  const at = (text: string): number => Date.parse(text);

  test("begins and ends at midnight of the time zone, through summer time", () => {
    expect(monthPeriod(calendar, "2026-03", at("2026-05-01T00:00:00Z"))).toEqual({
      month: "2026-03",
      startsMs: at("2026-02-28T23:00:00Z"),
      endsMs: at("2026-03-31T22:00:00Z"),
      untilMs: at("2026-03-31T22:00:00Z"),
      complete: true,
    });
  });

  test("goes up to now while the month runs, and is none before it begins", () => {
    const nowMs = at("2026-11-20T12:00:00Z");
    expect(monthPeriod(calendar, "2026-11", nowMs)).toMatchObject({ untilMs: nowMs, complete: false });
    expect(monthPeriod(calendar, "2026-12", nowMs)).toBeNull();
    expect(monthPeriod(calendar, "2026-12", at("2026-11-30T23:00:00Z"))).toMatchObject({ complete: false });
  });
});
