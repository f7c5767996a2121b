import { describe, expect, test } from "vitest";
import { pricedTimeBound } from "./priced-time.ts";
import type { PricedJob, PricedOption } from "./priced-time.ts";

const decode = (node: number, decodeS: number, changes: Partial<PricedOption> = {}): PricedOption => ({
  node,
  prefillS: 0,
  decodeS,
  batchFactor: 0.2,
  slots: 4,
  counted: 1,
  ...changes,
});
const stream = (count: number, gapS: number, options: readonly PricedOption[]): PricedJob[] =>
  Array.from({ length: count }, (_, index) => ({ arrivalS: index * gapS, options }));
const node = (startPrice: number, count = 1) => ({ count, startPrice });
const boundOf = (jobs: readonly PricedJob[], nodes: Parameters<typeof pricedTimeBound>[2]): number =>
  pricedTimeBound(
    jobs,
    jobs.map(() => 1),
    nodes,
  );

describe("the bound of priced time", () => {
  test("of a machine with time to spare is each job alone", () => {
    expect(boundOf(stream(200, 20, [decode(0, 10)]), [node(1)])).toBeCloseTo(10, 2);
  });

  test("knows the batch that the pace needs, and that its members slow each other down", () => {
    // Ten seconds alone, one every six: two at a time, each at 1 / 1.2 of its speed, serve 1 / 6 a second.
    const bound = boundOf(stream(2_000, 6, [decode(0, 10)]), [node(1)]);
    expect(bound).toBeGreaterThan(11.8);
    expect(bound).toBeLessThanOrEqual(12);
  });

  test("knows that some jobs must go to the slow machine", () => {
    // The fast one serves no batch: one in two seconds. The other half takes 9 s each, on machines enough.
    const one = { batchFactor: 1, slots: 1 };
    const jobs = stream(2_000, 1, [decode(0, 2, one), decode(1, 9, one)]);
    const bound = boundOf(jobs, [node(1), node(0.1, 10)]);
    expect(bound).toBeGreaterThan(5.4);
    expect(bound).toBeLessThanOrEqual((2 + 9) / 2);
  });

  test("gives prompts no batch", () => {
    const bound = boundOf(stream(2_000, 10, [decode(0, 0, { prefillS: 10 })]), [node(1)]);
    expect(bound).toBeCloseTo(10, 1);
  });

  test("is that of each alone when all come at once, whatever the prices", () => {
    expect(boundOf(stream(20, 0, [decode(0, 10)]), [node(1)])).toBeCloseTo(10, 6);
  });
});
