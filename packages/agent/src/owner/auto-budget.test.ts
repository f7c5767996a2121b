import { expect, test } from "vitest";
import { autoTokensPerDay, limitTokens } from "./auto-budget.ts";

const measured = (value: number) => ({ value, basis: "measured" }) as const;

test("auto is throughput x serving hours x share, as sure as the throughput is", () => {
  expect(autoTokensPerDay(measured(100), 36_000, 0.5)).toEqual(measured(1_800_000));
  expect(autoTokensPerDay({ value: 100, basis: "prior" }, 86_400, 1)).toEqual({
    value: 8_600_000,
    basis: "prior",
  });
});

test("it stays where it is while rates are learned a little better", () => {
  const budgets = [101, 101.5, 102, 102.9].map((rate) => autoTokensPerDay(measured(rate), 86_400, 0.5).value);
  expect(new Set(budgets)).toEqual(new Set([4_300_000, 4_400_000]));
});

test("a machine that makes nothing, or never serves, has nothing to give", () => {
  expect(autoTokensPerDay(measured(0), 86_400, 1).value).toBe(0);
  expect(autoTokensPerDay(measured(100), 0, 1).value).toBe(0);
  expect(autoTokensPerDay(measured(0.00001), 86_400, 1).value).toBe(0);
});

test("a limit is none, the owner's number, or auto's", () => {
  const auto = measured(1_800_000);
  expect(limitTokens({ kind: "none" }, "day", auto)).toBeNull();
  expect(limitTokens({ kind: "tokens", tokens: 7 }, "month", auto)).toBe(7);
  expect(limitTokens({ kind: "auto" }, "day", auto)).toBe(1_800_000);
  expect(limitTokens({ kind: "auto" }, "month", auto)).toBe(54_000_000);
});
