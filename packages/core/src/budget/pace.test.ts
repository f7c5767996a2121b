import { describe, expect, test } from "vitest";
import { movePrice, spend, startPace } from "./pace.ts";
import type { BudgetPace } from "./pace.ts";

const NOON = Date.UTC(2026, 2, 1, 12);
const MINUTE = 60_000;
/** What 720 minutes until midnight can spend at one token a minute each. */
const LEFT = 720_000;

/** The price after some minutes of spending the given share of the target. */
function after(minutes: number, share: number): BudgetPace {
  let pace = startPace(NOON);
  for (let minute = 1; minute <= minutes; minute += 1) {
    const nowMs = NOON + minute * MINUTE;
    const targetTokens = LEFT / (720 - minute);
    pace = movePrice(spend(pace, share * targetTokens), LEFT, nowMs);
  }
  return pace;
}

describe("the price of a token budget", () => {
  test("stays where it is while the pace is right", () => {
    expect(after(20, 1).priceS).toBeCloseTo(0.003, 6);
  });

  test("rises when tokens go too fast and falls when they go unused", () => {
    expect(after(1, 2).priceS).toBeCloseTo(0.003 * Math.exp(0.3), 6);
    expect(after(1, 0).priceS).toBeCloseTo(0.003 * Math.exp(-0.3), 6);
  });

  test("moves no faster than its clip, and within its bounds", () => {
    expect(after(1, 1_000).priceS).toBeCloseTo(0.003 * Math.exp(0.6), 6);
    expect(after(100, 1_000).priceS).toBe(0.05);
    expect(after(100, 0).priceS).toBe(1e-5);
  });

  test("recovers from its floor", () => {
    let pace = after(100, 0);
    for (let minute = 101; minute < 130; minute += 1) {
      pace = movePrice(spend(pace, 100_000), LEFT, NOON + minute * MINUTE);
    }
    expect(pace.priceS).toBe(0.05);
  });

  test("moves once a minute", () => {
    const pace = spend(startPace(NOON), 5_000);
    expect(movePrice(pace, LEFT, NOON + MINUTE - 1)).toBe(pace);
    expect(movePrice(pace, LEFT, NOON + MINUTE)).toMatchObject({ spentTokens: 0, sinceMs: NOON + MINUTE });
  });

  test("a silence of hours counts as unused minutes, and a clock set back as none", () => {
    expect(movePrice(startPace(NOON), LEFT, NOON + 600 * MINUTE).priceS).toBe(1e-5);
    expect(movePrice(startPace(NOON), LEFT, NOON - 5 * MINUTE)).toMatchObject({
      priceS: 0.003,
      sinceMs: NOON - 5 * MINUTE,
    });
  });
});
