import { describe, expect, test } from "vitest";
import { asMemberId } from "../terms.ts";
import { createFairCounters } from "./counters.ts";
import { referenceSeconds } from "./reference.ts";

const ada = asMemberId("mem_ada");
const bo = asMemberId("mem_bo");
const cy = asMemberId("mem_cy");

describe("fair counters", () => {
  test("service counts by the member's weight", () => {
    const counters = createFairCounters();
    counters.charge(ada, 1, 30);
    counters.charge(bo, 3, 30);
    expect([counters.servedS(ada), counters.servedS(bo)]).toEqual([30, 10]);
  });

  test("who comes back is lifted to the least served of those who wait", () => {
    const counters = createFairCounters();
    counters.join(ada);
    counters.join(bo);
    counters.charge(ada, 1, 50);
    counters.charge(bo, 1, 80);
    counters.join(cy);
    expect(counters.servedS(cy)).toBe(50);
  });

  test("who waits already is not lifted again", () => {
    const counters = createFairCounters();
    counters.join(ada);
    counters.join(bo);
    counters.charge(bo, 1, 80);
    counters.join(ada);
    expect(counters.servedS(ada)).toBe(0);
  });

  test("nobody is put back", () => {
    const counters = createFairCounters();
    counters.charge(ada, 1, 500);
    counters.join(bo);
    counters.join(ada);
    expect(counters.servedS(ada)).toBe(500);
  });

  test("when nobody waits, a newcomer starts where the last one left", () => {
    const counters = createFairCounters();
    counters.join(ada);
    counters.charge(ada, 1, 400);
    counters.leave(ada);
    counters.join(bo);
    expect(counters.servedS(bo)).toBe(400);
  });

  test("a member with several jobs waits until the last of them has left", () => {
    const counters = createFairCounters();
    counters.join(ada);
    counters.join(ada);
    counters.leave(ada);
    counters.charge(ada, 1, 40);
    counters.join(bo);
    expect(counters.servedS(bo)).toBe(40);
  });

  test("service that was not had is given back", () => {
    const counters = createFairCounters();
    counters.charge(ada, 2, 30);
    counters.charge(ada, 2, -30);
    expect(counters.servedS(ada)).toBe(0);
  });
});

describe("reference-seconds", () => {
  test("an output token of a 70B model counts for about ten to twenty of a 3B model", () => {
    const ratio =
      referenceSeconds({ weightBytesPerToken: 42e9 }, 0, 100) /
      referenceSeconds({ weightBytesPerToken: 2e9 }, 0, 100);
    expect(ratio).toBeGreaterThan(10);
    expect(ratio).toBeLessThan(20);
  });

  test("a 7B model at 4 bits takes what it took on the reference machine", () => {
    const model = { weightBytesPerToken: 3.56 * 2 ** 30 };
    expect(referenceSeconds(model, 886, 0)).toBeCloseTo(1, 2);
    expect(referenceSeconds(model, 0, 83.06)).toBeCloseTo(1, 1);
  });
});
