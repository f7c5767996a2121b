import { describe, expect, test } from "vitest";
import { expectedMoreTokens } from "./expected-output.ts";

/** The same by adding up over a fine grid of the lognormal distribution. */
function summedUp(mean: number, produced: number, max: number): number {
  const sigma = 0.7;
  const mu = Math.log(mean) - sigma ** 2 / 2;
  let weight = 0;
  let more = 0;
  for (let z = -8; z < 8; z += 0.001) {
    const length = Math.exp(mu + sigma * z);
    if (length <= produced) continue;
    const density = Math.exp((-z * z) / 2);
    weight += density;
    more += density * (Math.min(length, max) - produced);
  }
  return more / weight;
}

describe("expected output", () => {
  test.each([
    [210, 0, 100_000],
    [210, 0, 300],
    [210, 50, 4_096],
    [210, 400, 4_096],
    [1_000, 200, 500],
  ])("mean %d, %d produced, at most %d", (mean, produced, max) => {
    const expected = summedUp(mean, produced, max);
    expect(Math.abs(expectedMoreTokens(mean, produced, max) / expected - 1)).toBeLessThan(0.01);
  });

  test("is the mean at the start when nothing cuts it off", () => {
    expect(expectedMoreTokens(210, 0, 1e9)).toBeCloseTo(210, 0);
  });

  test.each([
    ["nothing is left", 210, 512, 512],
    ["more was produced than allowed", 210, 600, 512],
    ["an embedding has no output", 0, 0, 512],
  ])("is nothing when %s", (_, mean, produced, max) => {
    expect(expectedMoreTokens(mean, produced, max)).toBe(0);
  });

  test("grows for a generation that has outlived its kind, and stays within what is left", () => {
    const early = expectedMoreTokens(100, 100, 1e6);
    const late = expectedMoreTokens(100, 2_000, 1e6);
    expect(late).toBeGreaterThan(early);
    expect(expectedMoreTokens(100, 999_990, 1e6)).toBeLessThanOrEqual(10);
  });
});
