import { describe, expect, test } from "vitest";
import { WAIT_EDGES_MS } from "../ports/usage.ts";
import { createWaitSum, waitQuantile } from "./waits.ts";

/** Jobs by bucket, from the bucket that a wait falls into. */
const histogram = (waitsMs: readonly number[]): number[] => {
  const buckets = Array.from({ length: WAIT_EDGES_MS.length + 1 }, () => 0);
  for (const waitMs of waitsMs) {
    const edge = WAIT_EDGES_MS.findIndex((edgeMs) => waitMs <= edgeMs);
    const index = edge < 0 ? WAIT_EDGES_MS.length : edge;
    buckets[index] = (buckets[index] ?? 0) + 1;
  }
  return buckets;
};

describe("a quantile of waits", () => {
  test("lies between the edges that it names, and so does the true one", () => {
    const waits = Array.from({ length: 1_000 }, (_, index) => Math.round(1.012 ** index));
    for (const share of [0.1, 0.5, 0.95, 0.999, 1]) {
      const found = waitQuantile(histogram(waits), share);
      const truth = waits.toSorted((a, b) => a - b)[Math.ceil(share * waits.length) - 1] ?? Number.NaN;
      expect(found?.atLeastMs).toBeLessThanOrEqual(truth);
      expect(found?.atMostMs).toBeGreaterThanOrEqual(truth);
      expect(found?.ms).toBeGreaterThanOrEqual(found?.atLeastMs ?? Infinity);
      expect(found?.ms).toBeLessThanOrEqual(found?.atMostMs ?? 0);
    }
  });

  test("is in proportion within its bucket", () => {
    expect(waitQuantile(histogram([150, 150, 150, 150]), 0.5)).toEqual({
      ms: 150,
      atLeastMs: 100,
      atMostMs: 200,
    });
  });

  test("beyond the last edge has no upper bound", () => {
    expect(waitQuantile(histogram([90_000_000]), 0.5)).toEqual({
      ms: 86_400_000,
      atLeastMs: 86_400_000,
      atMostMs: null,
    });
  });

  test("of no jobs is none", () => {
    expect(createWaitSum().summary()).toEqual({ jobs: 0, p50: null, p95: null });
  });
});
