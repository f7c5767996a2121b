import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { srptMeanLatencyS, weightedMeanLatency } from "./pooled.ts";
import type { PooledJob } from "./pooled.ts";

const job = (arrivalS: number, size: number): PooledJob => ({ arrivalS, size });

describe("shortest remaining first on one machine", () => {
  test("interrupts a long job for a short one", () => {
    // The long one runs 0-1 and 2-11, the short one 1-2.
    expect(srptMeanLatencyS([job(0, 10), job(1, 1)], 1)).toBe((11 + 1) / 2);
  });

  test("does not interrupt a job that has less left", () => {
    expect(srptMeanLatencyS([job(0, 10), job(9, 2)], 1)).toBe((10 + 3) / 2);
  });

  test("twice the speed halves the time", () => {
    expect(srptMeanLatencyS([job(0, 10)], 2)).toBe(5);
  });
});

test("of jobs of one size the weightier is worth more", () => {
  // Served 0-2 and 2-4: ends at 2 with weight 3, at 4 with weight 1.
  expect(weightedMeanLatency([job(0, 2), job(0, 2)], [1, 3], [0, 0], 1)).toBeCloseTo((3 * 2 + 4) / 2, 12);
});

test("a job that takes its time ends half of it after the mean moment of its service", () => {
  // Served at 0-1 in thought; a real job of at least 6 s cannot have its mean moment at 0.5 and end before 3.5.
  expect(weightedMeanLatency([job(0, 1)], [1], [6], 1)).toBeCloseTo(3.5, 12);
});

/** Small enough to try every order of starting without interruption. */
const workloads = fc
  .array(
    fc.record({
      arrivalS: fc.double({ min: 0, max: 10, noNaN: true }),
      size: fc.double({ min: 0.1, max: 5, noNaN: true }),
      weight: fc.double({ min: 0.1, max: 5, noNaN: true }),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((jobs) => jobs.toSorted((one, other) => one.arrivalS - other.arrivalS));

type Workload = readonly (PooledJob & { readonly weight: number })[];

function* orders(of: readonly number[]): Generator<number[]> {
  if (of.length <= 1) yield [...of];
  for (const first of of) {
    for (const rest of orders(of.filter((other) => other !== first))) yield [first, ...rest];
  }
}

/** Least weighted mean over all orders in which jobs run to their end. */
function bestOrder(jobs: Workload, weightOf: (job: Workload[number]) => number): number {
  let best = Infinity;
  for (const order of orders(jobs.map((_, index) => index))) {
    let nowS = 0;
    let sum = 0;
    for (const index of order) {
      const next = jobs[index];
      if (next === undefined) continue;
      nowS = Math.max(nowS, next.arrivalS) + next.size;
      sum += weightOf(next) * (nowS - next.arrivalS);
    }
    best = Math.min(best, sum / jobs.length);
  }
  return best;
}

describe("no order of whole jobs beats", () => {
  test("shortest remaining first, nor the weighted bound at equal weights", () => {
    fc.assert(
      fc.property(workloads, (jobs) => {
        const srpt = srptMeanLatencyS(jobs, 1);
        expect(srpt).toBeLessThanOrEqual(bestOrder(jobs, () => 1) + 1e-9);
        const ones = jobs.map(() => 1);
        expect(weightedMeanLatency(jobs, ones, [], 1)).toBeLessThanOrEqual(srpt + 1e-9);
      }),
      { numRuns: 40 },
    );
  });

  test("the weighted bound", () => {
    fc.assert(
      fc.property(workloads, (jobs) => {
        const weights = jobs.map(({ weight }) => weight);
        const bound = weightedMeanLatency(jobs, weights, [], 1);
        expect(bound).toBeLessThanOrEqual(bestOrder(jobs, ({ weight }) => weight) + 1e-9);
      }),
      { numRuns: 40 },
    );
  });

  test("and with everything there at once and equal weights, all three are one", () => {
    fc.assert(
      fc.property(workloads, (jobs) => {
        const atOnce = jobs.map((one) => ({ ...one, arrivalS: 0 }));
        const ones = atOnce.map(() => 1);
        const best = bestOrder(atOnce, () => 1);
        expect(srptMeanLatencyS(atOnce, 1)).toBeCloseTo(best, 9);
        expect(weightedMeanLatency(atOnce, ones, [], 1)).toBeCloseTo(best, 9);
      }),
      { numRuns: 40 },
    );
  });
});
