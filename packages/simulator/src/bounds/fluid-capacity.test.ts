import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fluidCapacity } from "./fluid-capacity.ts";
import type { FluidClass, FluidNode } from "./fluid-capacity.ts";

const fast: FluidNode = { name: "fast", count: 1, tokensPerSecond: null };
const slow: FluidNode = { name: "slow", count: 1, tokensPerSecond: null };
const option = (node: number, workS: number) => ({ node, model: "m", workS });
const small: FluidClass = { name: "small", share: 0.5, tokens: 100, options: [option(0, 1), option(1, 4)] };
const large: FluidClass = { name: "large", share: 0.5, tokens: 1_000, options: [option(0, 2)] };

describe("fluid capacity", () => {
  test("of one node and one class is one over the work", () => {
    const only = { ...small, share: 1, options: [option(0, 4)] };
    expect(fluidCapacity([fast], [only]).jobsPerSecond).toBeCloseTo(0.25, 9);
  });

  test("gives each class the node that the others can spare", () => {
    // The slow node takes 1/4 job/s of the small ones; the fast one shares its second between the rest.
    const found = fluidCapacity([fast, slow], [small, large]);
    // r/2 x 2 + (r/2 - 1/4) x 1 = 1
    expect(found.jobsPerSecond).toBeCloseTo(1.25 / 1.5, 9);
    expect(found.nodes.map(({ busyShare }) => busyShare)).toEqual([
      expect.closeTo(1, 9),
      expect.closeTo(1, 9),
    ]);
    expect(found.nodes[0]?.jobsPerMachineSecond).toBeCloseTo(1 / 1.5, 9);
    expect(found.nodes[1]?.jobsPerMachineSecond).toBeCloseTo(0.25 / 1.5, 9);
  });

  test("a token budget binds before the machine does, and its price says what a token is worth", () => {
    const budgeted = { ...fast, tokensPerSecond: 50 };
    const found = fluidCapacity([budgeted], [{ ...small, share: 1, options: [option(0, 1)] }]);
    expect(found.jobsPerSecond).toBeCloseTo(0.5, 9);
    expect(found.nodes[0]).toMatchObject({ jobsPerMachineSecond: 0 });
    expect(found.nodes[0]?.jobsPerToken).toBeCloseTo(1 / 100, 9);
  });

  test("leaves out what nothing can serve, and says how much that is", () => {
    const found = fluidCapacity(
      [slow],
      [
        { ...small, options: [option(0, 4)] },
        { ...large, options: [] },
      ],
    );
    expect(found.jobsPerSecond).toBeCloseTo(0.5, 9);
    expect(found.unservableShare).toBe(0.5);
  });

  test("is not defined where nothing can be served at all", () => {
    expect(() => fluidCapacity([slow], [{ ...large, options: [] }])).toThrow(/cannot|No node/);
  });
});

const fleets = fc
  .record({
    nodes: fc.array(
      fc.record({
        count: fc.integer({ min: 1, max: 4 }),
        tokensPerSecond: fc.option(fc.double({ min: 1, max: 5_000, noNaN: true })),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    classes: fc.array(
      fc.record({
        share: fc.double({ min: 0.05, max: 1, noNaN: true }),
        tokens: fc.double({ min: 10, max: 8_000, noNaN: true }),
        works: fc.array(fc.option(fc.double({ min: 0.05, max: 500, noNaN: true })), {
          minLength: 5,
          maxLength: 5,
        }),
      }),
      { minLength: 1, maxLength: 6 },
    ),
  })
  .map(({ nodes, classes }) => ({
    nodes: nodes.map((node, index): FluidNode => ({ name: `n${index}`, ...node })),
    classes: classes.map(({ share, tokens, works }, index): FluidClass => ({
      name: `c${index}`,
      share,
      tokens,
      options: works
        .slice(0, nodes.length)
        .flatMap((workS, node) => (workS === null ? [] : [{ node, model: "m", workS }])),
    })),
  }))
  .filter(({ classes }) => classes.some(({ options }) => options.length > 0));

const WITHIN = 1e-6;

describe("for any fleet and workload", () => {
  test("the flows serve every class within every node's time and budget", () => {
    fc.assert(
      fc.property(fleets, ({ nodes, classes }) => {
        const found = fluidCapacity(nodes, classes);
        for (const { name, share, options } of classes) {
          const served = found.flows
            .filter(({ jobClass }) => jobClass === name)
            .reduce((sum, { jobsPerSecond }) => sum + jobsPerSecond, 0);
          const asked = options.length > 0 ? share * found.jobsPerSecond : 0;
          expect(served).toBeGreaterThanOrEqual(asked * (1 - WITHIN) - 1e-9);
        }
        for (const [index, use] of found.nodes.entries()) {
          expect(use.busyShare).toBeLessThanOrEqual(1 + WITHIN);
          const budget = nodes[index]?.tokensPerSecond ?? Infinity;
          expect(use.tokensPerSecond).toBeLessThanOrEqual(budget * (1 + WITHIN) + 1e-6);
        }
      }),
    );
  });

  test("one more machine never makes it less", () => {
    fc.assert(
      fc.property(fleets, fc.nat(4), ({ nodes, classes }, pick) => {
        const more = nodes.map((node, index) =>
          index === pick % nodes.length ? { ...node, count: node.count + 1 } : node,
        );
        const before = fluidCapacity(nodes, classes).jobsPerSecond;
        expect(fluidCapacity(more, classes).jobsPerSecond).toBeGreaterThanOrEqual(before * (1 - WITHIN));
      }),
    );
  });

  test("prices never promise less than a changed budget brings", () => {
    const changes = fc.array(fc.double({ min: 0.5, max: 1.5, noNaN: true }), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(fleets, changes, ({ nodes, classes }, factors) => {
        const before = fluidCapacity(nodes, classes);
        let promised = before.jobsPerSecond;
        const changed = nodes.map((node, index) => {
          if (node.tokensPerSecond === null) return node;
          const tokensPerSecond = node.tokensPerSecond * (factors[index] ?? 1);
          const price = before.nodes[index]?.jobsPerToken ?? 0;
          promised += price * (tokensPerSecond - node.tokensPerSecond);
          return { ...node, tokensPerSecond };
        });
        const after = fluidCapacity(changed, classes).jobsPerSecond;
        expect(after).toBeLessThanOrEqual(promised * (1 + WITHIN) + WITHIN);
      }),
    );
  });

  test("what all time and all tokens are worth together is the capacity", () => {
    fc.assert(
      fc.property(fleets, ({ nodes, classes }) => {
        const found = fluidCapacity(nodes, classes);
        let worth = 0;
        for (const [index, { count, tokensPerSecond }] of nodes.entries()) {
          const use = found.nodes[index];
          worth += (use?.jobsPerMachineSecond ?? 0) * count;
          worth += (use?.jobsPerToken ?? 0) * (tokensPerSecond ?? 0);
        }
        expect(worth).toBeCloseTo(found.jobsPerSecond, 5);
      }),
    );
  });
});
