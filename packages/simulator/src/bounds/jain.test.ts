import { expect, test } from "vitest";
import { jainIndex } from "./jain.ts";

test("Jain's index is 1 for equal shares, 1/n when one has it all, and in between for two of three", () => {
  expect(jainIndex([4, 4, 4, 4])).toBe(1);
  expect(jainIndex([0, 9, 0, 0])).toBe(0.25);
  expect(jainIndex([5, 5, 0])).toBeCloseTo(2 / 3, 12);
  expect(jainIndex([])).toBe(1);
});
