import fc from "fast-check";
import { expect, test } from "vitest";
import { createCalendar } from "./calendar.ts";

const stockholm = createCalendar("Europe/Stockholm");

test("a day and a month begin at midnight of the time zone", () => {
  const eve = Date.UTC(2026, 10, 30, 22, 59, 59, 999);
  expect([stockholm.dayOf(eve), stockholm.monthOf(eve)]).toEqual(["2026-11-30", "2026-11"]);
  expect([stockholm.dayOf(eve + 1), stockholm.monthOf(eve + 1)]).toEqual(["2026-12-01", "2026-12"]);
  expect([stockholm.dayEndsMs(eve), stockholm.monthEndsMs(eve)]).toEqual([eve + 1, eve + 1]);
  expect(createCalendar("America/New_York").monthOf(Date.UTC(2027, 0, 1, 4, 59))).toBe("2026-12");
});

test.each([
  ["Europe/Stockholm", "2026-03-29", Date.UTC(2026, 2, 28, 23), 23],
  ["Europe/Stockholm", "2026-10-25", Date.UTC(2026, 9, 24, 22), 25],
  // Turned back from midnight to 23:00, and a day that was left out.
  ["America/Santiago", "2026-04-04", Date.UTC(2026, 3, 4, 3), 25],
  ["Pacific/Apia", "2011-12-29", Date.UTC(2011, 11, 29, 10), 24],
])("in %s the day %s has the hours that it has", (timeZone, day, startMs, hours) => {
  const calendar = createCalendar(timeZone);
  expect(calendar.dayOf(startMs)).toBe(day);
  expect(calendar.dayOf(startMs - 1)).not.toBe(day);
  expect(calendar.dayEndsMs(startMs + 3_600_000)).toBe(startMs + hours * 3_600_000);
});

test("the end of a day and of a month is the first instant of the next, across years and summer time", () => {
  const instant = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2030, 0, 1) });
  const zone = fc.constantFrom("Europe/Stockholm", "America/New_York", "Asia/Kolkata", "Asia/Beirut", "UTC");
  fc.assert(
    fc.property(fc.array(instant, { minLength: 1, maxLength: 3 }), zone, (instants, timeZone) => {
      const calendar = createCalendar(timeZone);
      for (const atMs of instants) {
        const { dayOf, monthOf } = calendar;
        const [day, month] = [calendar.dayEndsMs(atMs), calendar.monthEndsMs(atMs)];
        expect(day).toBeGreaterThan(atMs);
        expect([dayOf(day - 1), monthOf(month - 1)]).toEqual([dayOf(atMs), monthOf(atMs)]);
        expect(dayOf(day) > dayOf(atMs)).toBe(true);
        expect(monthOf(month) > monthOf(atMs)).toBe(true);
        expect(month).toBe(calendar.dayEndsMs(month - 1));
      }
    }),
  );
});

test("a zone that does not exist is named", () => {
  expect(() => createCalendar("Europe/Atlantis")).toThrow(/"Europe\/Atlantis" is no time zone/);
});
