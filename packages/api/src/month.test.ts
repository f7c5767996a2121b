import fc from "fast-check";
import { expect, test } from "vitest";
import { createMonths } from "./month.ts";

const stockholm = createMonths("Europe/Stockholm");

test("a month begins at midnight of the co-op's time zone", () => {
  expect(stockholm.of(Date.UTC(2026, 10, 30, 22, 59))).toBe("2026-11");
  expect(stockholm.of(Date.UTC(2026, 10, 30, 23, 0))).toBe("2026-12");
  expect(createMonths("America/New_York").of(Date.UTC(2027, 0, 1, 4, 59))).toBe("2026-12");
});

test("the next month is as far away as it is, to the minute, across years and summer time", () => {
  const instant = fc.integer({ min: Date.UTC(2024, 0, 1), max: Date.UTC(2030, 0, 1) });
  fc.assert(
    fc.property(
      instant,
      fc.constantFrom("Europe/Stockholm", "America/New_York", "Asia/Kolkata", "UTC"),
      (atMs, timeZone) => {
        const months = createMonths(timeZone);
        const next = atMs + months.untilNext(atMs);
        expect(months.of(next)).not.toBe(months.of(atMs));
        expect(months.of(next - 60_001)).toBe(months.of(atMs));
      },
    ),
  );
});
