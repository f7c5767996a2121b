import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createHeap, firstOf } from "./heap.ts";

const smaller = (one: number, other: number) => one < other;
const ascending = (one: number, other: number) => one - other;

/** Pushes values and removes those at the given positions. */
function heapOf(values: readonly number[], removed: readonly number[]) {
  const heap = createHeap(smaller);
  const entries = values.map((value) => heap.push(value));
  const left = values.filter((_, index) => !removed.includes(index));
  for (const index of removed) {
    const entry = entries[index];
    if (entry !== undefined) heap.remove(entry);
  }
  return { heap, left: left.sort(ascending) };
}

describe("a heap", () => {
  test("gives its living values in order, whatever was removed", () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { size: "large" }), fc.array(fc.nat(300)), (values, removed) => {
        const { heap, left } = heapOf(values, removed);
        expect(heap.size()).toBe(left.length);
        expect(heap.first()).toBe(left[0]);
        expect(firstOf([heap], Infinity, smaller)).toEqual(left);
      }),
    );
  });

  test("several give the first few of all, and keep them", () => {
    const lists = fc.array(fc.array(fc.integer(), { size: "medium" }));
    fc.assert(
      fc.property(lists, fc.array(fc.nat(50)), fc.nat(40), (valuesOf, removed, limit) => {
        const made = valuesOf.map((values) => heapOf(values, removed));
        const all = made.flatMap(({ left }) => left).sort(ascending);
        const heaps = made.map(({ heap }) => heap);
        expect(firstOf(heaps, limit, smaller)).toEqual(all.slice(0, limit));
        expect(firstOf(heaps, limit, smaller)).toEqual(all.slice(0, limit));
      }),
    );
  });

  test("does not keep the dead", () => {
    const heap = createHeap(smaller);
    for (let value = 0; value < 10_000; value += 1) heap.remove(heap.push(value));
    expect(heap.entries.length).toBeLessThan(100);
  });
});
