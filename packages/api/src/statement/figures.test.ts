import { expect, test } from "vitest";
import { amountText, duration, energy, money, percent, roughly, waitText } from "./figures.ts";

test("figures keep the digits that say something", () => {
  expect([0, 12.345, 0.00123, 1_234.5].map(money)).toEqual(["0.00", "12.35", "0.0012", "1,234.50"]);
  expect([null, 0, 0.000001, 0.0042, 0.37, 1].map(percent)).toEqual([
    "–",
    "0 %",
    "< 0.01 %",
    "0.42 %",
    "37 %",
    "100 %",
  ]);
  expect([null, 0, 0.0000976, 0.42, 1_234].map(energy)).toEqual([
    "–",
    "0 kWh",
    "0.0976 Wh",
    "0.42 kWh",
    "1,230 kWh",
  ]);
  expect([0, 0.4, 999, 41_000, 130_000, 8_000_000].map(duration)).toEqual([
    "0 s",
    "0.4 ms",
    "999 ms",
    "41 s",
    "2 min",
    "2.22 h",
  ]);
  expect([9_999, 12_345, 1_234_567, 3_865_000_000].map(roughly)).toEqual([
    "9,999",
    "12.3 k",
    "1.23 M",
    "3.87 bn",
  ]);
});

test("a wait tells between what the true one lies", () => {
  expect(waitText({ ms: 157, atLeastMs: 100, atMostMs: 200 })).toBe("157 ms (100 ms to 200 ms)");
  expect(waitText({ ms: 86_400_000, atLeastMs: 86_400_000, atMostMs: null })).toBe("more than 24 h");
  expect(waitText(null)).toBe("–");
});

test("an amount of which nothing is known does not read as nothing", () => {
  expect(amountText({ amount: 1.5, without: [] }, "SEK")).toBe("1.50 SEK");
  expect(amountText({ amount: 1.5, without: ["pi"] }, "SEK")).toBe("1.50 SEK without pi");
  expect(amountText({ amount: 0, without: ["pi"] }, "SEK")).toBe("unknown without the price of pi");
  expect(amountText({ amount: 0, without: [] }, "SEK")).toBe("0.00 SEK");
});
