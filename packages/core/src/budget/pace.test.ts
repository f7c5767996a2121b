import { describe, expect, test } from "vitest";
import { bothReleases, fitsHour, movePrice, planFor, releaseOf, startPrice } from "./pace.ts";

const NOON = Date.UTC(2026, 2, 1, 12);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const MIDNIGHT = NOON + 12 * HOUR;
const period = (expectedLeftTokens: number, changes: { endsMs?: number; limitTokens?: number } = {}) => ({
  endsMs: MIDNIGHT,
  limitTokens: 1_000_000,
  expectedLeftTokens,
  ...changes,
});
const plan = planFor(null, period(720_000), NOON);
const SHORT = { tookMs: 1_000, tokens: 1_000, unusedTokens: 0 };

describe("the plan of a token budget", () => {
  test("is made of what is left, and stands until its period or its limit is another", () => {
    expect(plan).toMatchObject({ fromMs: NOON, tokens: 720_000 });
    expect(planFor(plan, period(10_000), NOON + HOUR)).toBe(plan);
    const tomorrow = planFor(plan, period(1_000_000, { endsMs: MIDNIGHT + 24 * HOUR }), MIDNIGHT);
    expect(tomorrow).toMatchObject({ fromMs: MIDNIGHT, tokens: 1_000_000 });
    const raised = planFor(plan, period(900_000, { limitTokens: 1_500_000 }), NOON + HOUR);
    expect(raised).toMatchObject({ fromMs: NOON + HOUR, tokens: 900_000 });
  });

  test("lets a job start while no more was spent than by the plan", () => {
    const oneHourOn = NOON + HOUR;
    const at = (leftTokens: number) =>
      releaseOf(plan, { expectedLeftTokens: leftTokens }, SHORT, oneHourOn).interactiveMs;
    expect(at(650_000)).toBeLessThan(oneHourOn);
    expect(at(640_000)).toBeGreaterThan(oneHourOn);
    expect(at(640_000) - oneHourOn).toBeLessThan(8 * MINUTE);
  });

  test("lets what a quiet time left over be used at once", () => {
    const evening = NOON + 11 * HOUR;
    const { interactiveMs } = releaseOf(plan, { expectedLeftTokens: 700_000 }, SHORT, evening);
    expect(interactiveMs).toBeLessThan(NOON + HOUR);
  });

  test("is through a little before the end: three attempts, and never more than 0.3 % of its time", () => {
    const empty = { expectedLeftTokens: 0 };
    expect(releaseOf(plan, empty, { ...SHORT, tookMs: 10_000 }, NOON).interactiveMs).toBe(MIDNIGHT - 30_000);
    const long = { ...SHORT, tookMs: HOUR };
    expect(releaseOf(plan, empty, long, NOON).interactiveMs).toBe(MIDNIGHT - 0.003 * 12 * HOUR);
  });

  test("keeps back half of what holds are above use, and never more than 0.5 % of it, for its last moments", () => {
    const lastMs = (unusedTokens: number, leftTokens: number) =>
      releaseOf(plan, { expectedLeftTokens: leftTokens }, { ...SHORT, unusedTokens }, NOON).interactiveMs;
    const earlierMs = MIDNIGHT - 10 * MINUTE;
    expect(lastMs(0, 1_000)).toBeGreaterThan(earlierMs);
    expect(lastMs(2_000, 1_000)).toBe(MIDNIGHT - 3 * SHORT.tookMs);
    expect(lastMs(1e6, 3_600)).toBe(MIDNIGHT - 3 * SHORT.tookMs);
    expect(lastMs(1e6, 20_000)).toBeLessThan(earlierMs);
  });

  test("keeps some minutes from batch work, until the hour's end comes near", () => {
    const lead = (nowMs: number) => {
      const { interactiveMs, batchMs } = releaseOf(plan, { expectedLeftTokens: 360_000 }, SHORT, nowMs);
      return batchMs - interactiveMs;
    };
    expect(lead(NOON + HOUR)).toBeCloseTo(10 * MINUTE, -1);
    expect(lead(NOON + 2 * HOUR - 3 * MINUTE)).toBeCloseTo(MINUTE, -1);
    expect(lead(MIDNIGHT - 4 * MINUTE)).toBeLessThan(2 * MINUTE);
    expect(lead(MIDNIGHT)).toBe(0);
  });

  test("of a day and a month, the later release holds, and a job must fit the hour of both", () => {
    const hour = (leftTokens: number) => ({ endsMs: NOON, tokens: 50_000, leftTokens });
    const [one, other] = [
      { interactiveMs: 1, batchMs: 5, tokensPerSecond: 9, hours: [hour(3_000)] },
      { interactiveMs: 2, batchMs: 4, tokensPerSecond: 3, hours: [hour(2_000)] },
    ];
    const both = bothReleases(one, other);
    expect(both).toMatchObject({ interactiveMs: 2, batchMs: 5, tokensPerSecond: 3 });
    expect([1_500, 2_500, 3_500].map((tokens) => fitsHour(both, tokens))).toEqual([true, false, false]);
  });

  test("with nothing to spend releases nothing before the end", () => {
    const none = planFor(null, period(0), NOON);
    const { interactiveMs } = releaseOf(none, { expectedLeftTokens: 0 }, SHORT, NOON);
    expect(interactiveMs).toBeGreaterThan(MIDNIGHT - MINUTE);
  });
});

describe("the hour of a plan", () => {
  /** 14,400 tokens at once, and 58,800 an hour. */
  const release = (nowMs: number, spentTokens: number, attempt = SHORT) =>
    releaseOf(plan, { expectedLeftTokens: 720_000 - spentTokens }, attempt, nowMs);

  test("has room for a job that does with what the plan gives until its end", () => {
    const late = release(NOON + HOUR - 5 * MINUTE, 68_000);
    expect(late.interactiveMs).toBeLessThan(NOON + HOUR - 5 * MINUTE);
    expect(late.hours).toMatchObject([{ endsMs: NOON + HOUR }]);
    expect([5_100, 5_300].map((tokens) => fitsHour(late, tokens))).toEqual([true, false]);
    const next = release(NOON + HOUR, 68_000);
    expect(next.hours).toMatchObject([{ endsMs: NOON + 2 * HOUR }]);
    expect(fitsHour(next, 5_300)).toBe(true);
  });

  test("does not hold up a job that is for more than an hour's tokens", () => {
    const late = release(NOON + HOUR - 5 * MINUTE, 68_000);
    expect([58_000, 59_000].map((tokens) => fitsHour(late, tokens))).toEqual([false, true]);
  });

  test("gives all that is left when it is the last", () => {
    const last = release(MIDNIGHT - 30 * MINUTE, 700_000, { ...SHORT, unusedTokens: 1e6 });
    expect([20_000, 20_100].map((tokens) => fitsHour(last, tokens))).toEqual([true, false]);
  });

  test("holds nothing up where it has tokens for less than three attempts", () => {
    expect(release(NOON, 0, { ...SHORT, tokens: 19_000 }).hours).toHaveLength(1);
    expect(release(NOON, 0, { ...SHORT, tokens: 20_000 }).hours).toEqual([]);
    expect(fitsHour({ hours: [] }, 1e9)).toBe(true);
  });
});

describe("the price of a token", () => {
  /** The price after minutes in which each look, ten a minute, found the plan closed or not. */
  const after = (minutes: number, isClosed: (look: number) => boolean) => {
    let price = startPrice(NOON);
    for (let look = 1; look <= minutes * 10; look += 1) {
      price = movePrice(price, isClosed(look), NOON + look * (MINUTE / 10));
    }
    return price.priceS;
  };

  test("rises while jobs wait for the plan, falls while they do not, and stays where it is half way", () => {
    expect(after(1, () => true)).toBeCloseTo(0.003 * Math.exp(0.3), 6);
    expect(after(1, () => false)).toBeCloseTo(0.003 * Math.exp(-0.3), 6);
    expect(after(1, (look) => look % 2 === 0)).toBeCloseTo(0.003, 6);
  });

  test("keeps within its bounds and comes back from them", () => {
    expect(after(100, () => true)).toBe(0.05);
    expect(after(100, () => false)).toBe(1e-5);
    expect(after(140, (look) => look > 1_000)).toBe(0.05);
  });

  test("is not moved by a clock that was set back", () => {
    expect(movePrice(startPrice(NOON), true, NOON - HOUR)).toMatchObject({
      priceS: 0.003,
      sinceMs: NOON - HOUR,
    });
  });
});
