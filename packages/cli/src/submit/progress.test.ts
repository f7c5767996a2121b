import { describe, expect, it } from "vitest";
import { createRate, progressBar, progressLine } from "./progress.ts";

const counts = { total: 200, ended: 50, failed: 0, inFlight: 32 };

describe("progress", () => {
  it("tells how far, how fast and how long still", () => {
    expect(progressLine(counts, 12.5)).toBe("50 of 200 lines done (25 %), 13/s, 12 s left, 32 in flight");
    expect(progressLine({ ...counts, failed: 3 }, null)).toBe(
      "50 of 200 lines done (25 %), 32 in flight, 3 failed",
    );
    expect(progressBar(counts, 0.5)).toBe(
      "██████░░░░░░░░░░░░░░░░░░  50/200  25 %  0.5/s  5 min left  32 in flight",
    );
  });

  it("is full only when all is done", () => {
    expect(progressBar({ ...counts, ended: 199 }, null)).toMatch(/░ {2}199\/200 {2}99 %/);
    expect(progressBar({ ...counts, ended: 200, inFlight: 0 }, 2)).toBe(
      `${"█".repeat(24)}  200/200  100 %  2.0/s  0 in flight`,
    );
  });
});

describe("the rate", () => {
  it("is that of the last while, not of the whole run", () => {
    const rate = createRate();
    expect(rate.see(0, 0)).toBeNull();
    expect(rate.see(1_000, 0)).toBeNull();
    expect(rate.see(2_000, 10)).toBe(5);
    for (let second = 3; second <= 100; second += 1) rate.see(second * 1_000, 10 + second);
    expect(rate.see(101_000, 111)).toBeCloseTo(1, 5);
  });
});
