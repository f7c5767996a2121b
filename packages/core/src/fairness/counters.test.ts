import { describe, expect, test } from "vitest";
import { asMemberId } from "../terms.ts";
import { createFairCounters } from "./counters.ts";
import { referenceSeconds } from "./reference.ts";
import { FAIR_WINDOW_S, isInWindow, PASSING_SHARE } from "./window.ts";

const ada = asMemberId("mem_ada");
const bo = asMemberId("mem_bo");
const cy = asMemberId("mem_cy");

const STUDIO = 0;
const PI = 1;
const NOON = Date.UTC(2026, 2, 1, 12);
const MINUTE = 60_000;
const at = (claimClass: number, minutes = 0) => ({ claimClass, nowMs: NOON + minutes * MINUTE });

describe("fair counters", () => {
  test("service counts by the member's weight", () => {
    const counters = createFairCounters();
    for (const member of [ada, bo]) counters.arrive(member, [STUDIO], NOON);
    counters.charge(ada, 1, 30, at(STUDIO));
    counters.charge(bo, 3, 30, at(STUDIO));
    expect(counters.claimS(ada, STUDIO) - counters.claimS(bo, STUDIO)).toBe(20);
  });

  test("who comes back is lifted to those who waited meanwhile", () => {
    const counters = createFairCounters();
    for (const member of [ada, bo]) counters.arrive(member, [STUDIO], NOON);
    counters.charge(ada, 1, 1_000, at(STUDIO));
    counters.see(STUDIO, counters.claimS(ada, STUDIO));
    counters.arrive(bo, [STUDIO], NOON + MINUTE);
    expect(counters.claimS(ada, STUDIO) - counters.claimS(bo, STUDIO)).toBe(0);
  });

  test("who was served lately is not put forward by coming again", () => {
    const counters = createFairCounters();
    for (const member of [ada, bo]) counters.arrive(member, [STUDIO], NOON);
    counters.charge(ada, 1, 1_000, at(STUDIO));
    const before = counters.claimS(ada, STUDIO);
    for (let minute = 1; minute < 10; minute += 1) counters.arrive(ada, [STUDIO], NOON + minute * MINUTE);
    expect(counters.claimS(ada, STUDIO)).toBe(before);
  });

  test("ten minutes after the last of it, a member is new to a class", () => {
    const counters = createFairCounters();
    for (const member of [ada, bo]) counters.arrive(member, [STUDIO], NOON);
    counters.charge(ada, 1, 1_000, at(STUDIO));
    counters.arrive(ada, [STUDIO], NOON + 11 * MINUTE);
    counters.arrive(cy, [STUDIO], NOON + 11 * MINUTE);
    expect(counters.claimS(ada, STUDIO)).toBe(counters.claimS(cy, STUDIO));
  });

  test("who can use the small node only keeps the claim there, whatever was had on the large one", () => {
    const counters = createFairCounters();
    counters.arrive(ada, [STUDIO], NOON);
    counters.charge(ada, 1, 9_000, at(STUDIO));
    counters.see(STUDIO, counters.claimS(ada, STUDIO));
    counters.arrive(bo, [PI], NOON + MINUTE);
    counters.charge(bo, 1, 5, at(PI, 1));
    counters.see(PI, counters.claimS(bo, PI));
    counters.arrive(bo, [PI], NOON + 2 * MINUTE);
    counters.arrive(cy, [PI], NOON + 2 * MINUTE);
    expect(counters.claimS(bo, PI) - counters.claimS(cy, PI)).toBeLessThan(FAIR_WINDOW_S);
  });

  test("one job for the large node costs no claim on the small one", () => {
    const counters = createFairCounters();
    counters.arrive(ada, [STUDIO], NOON);
    counters.charge(ada, 1, 9_000, at(STUDIO));
    counters.see(STUDIO, counters.claimS(ada, STUDIO));
    for (const member of [bo, cy]) counters.arrive(member, [PI], NOON);
    counters.arrive(bo, [STUDIO], NOON);
    counters.charge(bo, 1, 10, at(STUDIO));
    expect(counters.claimS(bo, PI) - counters.claimS(cy, PI)).toBe(10);
    expect(counters.claimS(ada, STUDIO) - counters.claimS(bo, STUDIO)).toBe(-10);
  });

  test("who had much on the large node is not kept from the small one for it", () => {
    const counters = createFairCounters();
    counters.arrive(ada, [STUDIO], NOON);
    counters.charge(ada, 1, 9_000, at(STUDIO));
    counters.arrive(bo, [PI], NOON);
    counters.arrive(ada, [PI], NOON + MINUTE);
    expect(counters.claimS(ada, PI)).toBe(counters.claimS(bo, PI));
  });

  test("who asked for far more than all others floods, whatever waits", () => {
    const counters = createFairCounters();
    const asked = { jobs: 1, promptTokens: 100, outputTokens: 100 };
    for (let time = 0; time < 16; time += 1) counters.ask(ada, 1, asked, NOON);
    for (let time = 0; time < 10; time += 1) counters.ask(bo, 1, asked, NOON);
    for (const member of [ada, bo]) counters.arrive(member, [STUDIO], NOON);
    expect([counters.floods(ada), counters.floods(bo)]).toEqual([true, false]);
    expect([isInWindow(1, 0, true), isInWindow(1, 0, false)]).toEqual([false, true]);
  });

  test("the fair share is by weight, among those who came in the last ten minutes", () => {
    const counters = createFairCounters();
    const asked = { jobs: 1, promptTokens: 100, outputTokens: 100 };
    counters.ask(ada, 3, asked, NOON);
    for (const member of [ada, bo]) counters.arrive(member, [STUDIO], NOON);
    counters.arrive(cy, [PI], NOON);
    expect(counters.fairShare(ada, STUDIO, NOON)).toBe(0.75);
    expect(counters.fairShare(ada, STUDIO, NOON + 11 * MINUTE)).toBe(1);
  });

  test("the passing lane is earned by what starts in its turn, and used up", () => {
    const counters = createFairCounters();
    const most = counters.passingS();
    counters.started(6, true);
    expect(counters.passingS()).toBe(most - 6);
    counters.started(5, false);
    expect(counters.passingS()).toBe(most - 6 + 5 * PASSING_SHARE);
    counters.started(1_000, false);
    expect(counters.passingS()).toBe(most);
  });

  test("service that was not had is given back", () => {
    const counters = createFairCounters();
    counters.arrive(ada, [STUDIO], NOON);
    const before = counters.claimS(ada, STUDIO);
    counters.charge(ada, 2, 30, at(STUDIO));
    counters.charge(ada, 2, -30, at(STUDIO));
    expect(counters.claimS(ada, STUDIO)).toBe(before);
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
