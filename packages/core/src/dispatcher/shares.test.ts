import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createShares } from "./shares.ts";

describe("shares", () => {
  test("start by speed", () => {
    const shares = createShares();
    shares.cover(
      new Map([
        [0, 3],
        [1, 1],
      ]),
    );
    expect([shares.of(0), shares.of(1), shares.of(2)]).toEqual([0.75, 0.25, 0]);
  });

  test("move towards where jobs go", () => {
    const shares = createShares();
    shares.cover(
      new Map([
        [0, 1],
        [1, 1],
      ]),
    );
    shares.note(1);
    expect(shares.of(0)).toBeCloseTo(0.475);
    expect(shares.of(1)).toBeCloseTo(0.525);
    for (let count = 0; count < 1_000; count += 1) shares.note(1);
    expect(shares.of(1)).toBeCloseTo(1);
  });

  test("keep what was learned when a node comes or goes, and always add up", () => {
    const nodes = fc.uniqueArray(fc.nat(8), { minLength: 1 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(nodes, fc.array(fc.nat(8), { maxLength: 400 })), { minLength: 1 }),
        (turns) => {
          const shares = createShares();
          for (const [covered, starts] of turns) {
            shares.cover(new Map(covered.map((node) => [node, node + 1])));
            for (const node of starts) if (covered.includes(node)) shares.note(node);
            let sum = 0;
            for (const node of covered) sum += shares.of(node);
            expect(sum).toBeCloseTo(1, 6);
          }
        },
      ),
    );
  });
});
