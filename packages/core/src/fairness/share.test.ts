import { describe, expect, test } from "vitest";
import { asMemberId } from "../terms.ts";
import { createNodeTime, partsOf, passTime } from "./node-time.ts";
import { floodShare, hasFloodShare } from "./share.ts";

const ada = asMemberId("mem_ada");
const bo = asMemberId("mem_bo");
const NOON = Date.UTC(2026, 2, 1, 12);
const MINUTE = 60_000;
const FREE = { own: 0, all: 4 };

describe("a node's time", () => {
  test("is divided evenly between those who run at the same time", () => {
    const time = createNodeTime(NOON);
    passTime(time, [ada, bo, bo, bo], NOON + 60 * MINUTE);
    const { own, others } = partsOf(time, ada);
    expect(own).toBeCloseTo(0.25, 3);
    expect(others).toBeCloseTo(0.75, 3);
  });

  test("counts in the same way however often it is looked at", () => {
    const [once, often] = [createNodeTime(NOON), createNodeTime(NOON)];
    passTime(once, [ada], NOON + 2 * MINUTE);
    for (let second = 1; second <= 120; second += 1) passTime(often, [ada], NOON + second * 1000);
    passTime(once, [ada], NOON + MINUTE);
    expect(partsOf(once, ada).own).toBeCloseTo(partsOf(often, ada).own, 9);
  });

  test("fades, and is forgotten with the member", () => {
    const time = createNodeTime(NOON);
    passTime(time, [ada], NOON + MINUTE);
    const { own } = partsOf(time, ada);
    passTime(time, [], NOON + 6 * MINUTE);
    expect(partsOf(time, ada).own).toBeCloseTo(own / Math.E, 6);
    passTime(time, [], NOON + 120 * MINUTE);
    expect(time.parts.size).toBe(0);
  });
});

describe("what a flood may have of a node", () => {
  test.each([
    ["nothing", 0, 1],
    ["little", 0.05, 0.77],
    ["half", 0.5, 1 / 13],
    ["all", 1, 1 / 13],
  ])("is its fair share at the least, and more the less others use it: %s", (_, others, share) => {
    expect(floodShare(1 / 13, others)).toBeCloseTo(share, 2);
  });

  test("of two members either has half of the node, however much the other uses it", () => {
    expect(floodShare(1 / 2, 0.9)).toBe(0.5);
    expect(floodShare(1 / 2, 0.2)).toBe(1);
  });

  test("is used up by its time, or by its slots, and comes back with time", () => {
    const time = createNodeTime(NOON);
    passTime(time, [bo], NOON + 20 * MINUTE);
    expect(hasFloodShare(time, ada, 1 / 4, FREE)).toBe(false);
    expect(hasFloodShare(time, ada, 1 / 4, { own: 1, all: 4 })).toBe(true);
    passTime(time, [ada, bo], NOON + 30 * MINUTE);
    expect(hasFloodShare(time, ada, 1 / 4, FREE)).toBe(true);
    passTime(time, [bo], NOON + 36 * MINUTE);
    expect(hasFloodShare(time, ada, 1 / 4, FREE)).toBe(false);
  });
});
