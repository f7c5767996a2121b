import { expect, test } from "vitest";
import { histogramOf, quantileBetween } from "./bench/histogram.ts";
import { quantile } from "./bench/client.ts";
import { renderReport } from "./bench/table.ts";

const text = (counts: readonly number[]): string =>
  ["0.001", "0.005", "+Inf"]
    .map((bound, index) => `wait_seconds_bucket{le="${bound}"} ${counts[index]}`)
    .join("\n");

test("a quantile of what came between two readings lies in its bucket, in proportion", () => {
  const before = histogramOf(text([100, 100, 100]), "wait_seconds");
  const after = histogramOf(text([110, 130, 130]), "wait_seconds");
  expect(quantileBetween(before, after, 0.5)).toBeCloseTo(0.002, 6);
  expect(quantileBetween(before, after, 0.1)).toBeCloseTo(0.0003, 6);
  expect(quantileBetween(before, before, 0.5)).toBeNaN();
});

test("a histogram is summed over its other labels", () => {
  const labelled = ["edge", "local-small"].map((tier) =>
    text([1, 2, 3]).replaceAll(/le="([^"]+)"/g, `le="$1",tier="${tier}"`),
  );
  expect(histogramOf(labelled.join("\n"), "wait_seconds")).toEqual([
    { upTo: 0.001, count: 2 },
    { upTo: 0.005, count: 4 },
    { upTo: Infinity, count: 6 },
  ]);
});

test("a histogram that is not there is an error, not a zero", () => {
  expect(() => histogramOf(text([1, 1, 1]), "other_seconds")).toThrow(/no histogram other_seconds/);
});

test("quantiles are of the values, whatever their order", () => {
  expect(quantile([3, 1, 2], 0.5)).toBe(2);
  expect(quantile([3, 1, 2], 0.99)).toBe(3);
  expect(quantile([], 0.5)).toBeNaN();
});

test("the table says of each line whether its bar is met, and under it what it includes", () => {
  const row = {
    what: "a",
    figures: {},
    measured: "1",
    bar: "2",
    aim: "3",
    floor: "4",
    includes: "all of it",
  };
  const table = renderReport({
    machine: "m",
    startedAt: "t",
    loadBefore: 0.5,
    tookSeconds: 1,
    rows: [
      { ...row, meetsBar: true },
      { ...row, what: "b", meetsBar: false },
    ],
  });
  expect(table).toMatch(/^1 {2}a .* met .*\n2 {2}b .* MISSED/m);
  expect(table).toMatch(/^2 {2}all of it$/m);
});
