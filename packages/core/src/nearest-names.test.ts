import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { editDistance, nearestNames } from "./nearest-names.ts";

describe("edit distance", () => {
  const word = fc.string({ maxLength: 12 });
  test("is a metric, and at most the length of the longer", () => {
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        expect(editDistance(a, a)).toBe(0);
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
      }),
    );
  });

  test("counts what a typist got wrong", () => {
    expect(editDistance("lama3.2", "llama3.2")).toBe(1);
    expect(editDistance("kitten", "sitting")).toBe(3);
  });
});

test("the nearest names come first, each once, three at most", () => {
  expect(nearestNames("qwen3:32", ["llama3", "qwen3:32b", "qwen3:8b", "qwen3:32b", "gemma4"])).toEqual([
    "qwen3:32b",
    "qwen3:8b",
    "gemma4",
  ]);
});
