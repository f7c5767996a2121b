import { describe, expect, test } from "vitest";
import { buildPlanModel, buildPlanNode, buildRunning } from "../testing/plan-builders.ts";
import {
  createVirtualNode,
  evictionsFor,
  evictionsWhenIdle,
  finishTimesS,
  isFull,
  loadLeftS,
  occupy,
  runUntilFree,
  runUntilOthersEnd,
} from "./virtual-node.ts";

describe("time on a node", () => {
  test("one attempt alone takes what it needs", () => {
    const node = createVirtualNode(
      buildPlanNode({ running: [buildRunning({ loadS: 2, prefillS: 1, decodeS: 5 })] }),
    );
    expect(finishTimesS(node)).toEqual([8]);
  });

  test("generations of one model share a batch", () => {
    const running = [buildRunning({ decodeS: 5 }), buildRunning({ decodeS: 5 })];
    const node = createVirtualNode(
      buildPlanNode({ models: [buildPlanModel({ batchFactor: 0.2 })], running }),
    );
    expect(finishTimesS(node)).toEqual([expect.closeTo(6), expect.closeTo(6)]);
  });

  test("models that do not mix take turns", () => {
    const running = [buildRunning({ model: 0, decodeS: 2 }), buildRunning({ model: 1, decodeS: 5 })];
    const node = createVirtualNode(buildPlanNode({ interference: 1, running }));
    expect(finishTimesS(node)).toEqual([expect.closeTo(4), expect.closeTo(7)]);
  });

  test("models that mix are one batch", () => {
    const running = [buildRunning({ model: 0, decodeS: 5 }), buildRunning({ model: 1, decodeS: 5 })];
    const models = [buildPlanModel({ batchFactor: 0.2 }), buildPlanModel({ batchFactor: 0.2 })];
    const node = createVirtualNode(buildPlanNode({ interference: 0.2, models, running }));
    expect(finishTimesS(node)).toEqual([expect.closeTo(6), expect.closeTo(6)]);
  });

  test("a prefill takes its turn beside a decode, a load takes none", () => {
    const prefilling = [buildRunning({ prefillS: 1, decodeS: 0 }), buildRunning({ decodeS: 1 })];
    expect(finishTimesS(createVirtualNode(buildPlanNode({ running: prefilling })))).toEqual([2, 2]);
    const loading = [buildRunning({ loadS: 4, decodeS: 0 }), buildRunning({ decodeS: 1 })];
    expect(finishTimesS(createVirtualNode(buildPlanNode({ running: loading })))).toEqual([4, 1]);
  });

  test("a full node is run to its next completion, and is then no longer as it is now", () => {
    const running = [buildRunning({ decodeS: 3 }), buildRunning({ model: 1, decodeS: 9 })];
    const node = createVirtualNode(buildPlanNode({ slots: 2, running }));
    expect(isFull(node)).toBe(true);
    runUntilFree(node);
    expect(node).toMatchObject({ elapsedS: 6, isNow: false });
    expect(node.running).toHaveLength(1);
  });

  test("what is put on a node in thought takes its slot", () => {
    const node = createVirtualNode(buildPlanNode({ slots: 1 }));
    occupy(node, buildRunning({ decodeS: 7 }), []);
    expect(isFull(node)).toBe(true);
    expect(finishTimesS(node)).toEqual([7]);
  });

  test("others are run to their end", () => {
    const running = [buildRunning({ model: 0, decodeS: 2 }), buildRunning({ model: 1, decodeS: 5 })];
    const node = createVirtualNode(buildPlanNode({ running }));
    runUntilOthersEnd(node, 1);
    expect(node.elapsedS).toBeCloseTo(4);
    expect(node.running).toMatchObject([{ model: 1, decodeS: expect.closeTo(3) }]);
  });
});

describe("memory on a node", () => {
  const models = [
    buildPlanModel({ residentBytes: 10e9, loaded: true, lastUseMs: 300 }),
    buildPlanModel({ residentBytes: 10e9, loaded: true, lastUseMs: 100 }),
    buildPlanModel({ residentBytes: 10e9, loaded: true, lastUseMs: 200 }),
    buildPlanModel({ residentBytes: 15e9, loaded: false, loadS: 6 }),
  ];

  test("nothing leaves for a model that is there or fits", () => {
    const node = createVirtualNode(buildPlanNode({ models, modelMemoryBytes: 50e9 }));
    expect(evictionsFor(node, 0)).toEqual([]);
    expect(evictionsFor(node, 3)).toEqual([]);
  });

  test("the least recently used leave first, and no more than must", () => {
    const node = createVirtualNode(buildPlanNode({ models, modelMemoryBytes: 40e9 }));
    expect(evictionsFor(node, 3)).toEqual([1]);
    expect(evictionsFor(createVirtualNode(buildPlanNode({ models, modelMemoryBytes: 31e9 })), 3)).toEqual([
      1, 2,
    ]);
  });

  test("a model that runs does not leave", () => {
    const running = [buildRunning({ model: 1 })];
    const node = createVirtualNode(buildPlanNode({ models, modelMemoryBytes: 31e9, running }));
    expect(evictionsFor(node, 3)).toEqual([2, 0]);
    const tight = createVirtualNode(buildPlanNode({ models, modelMemoryBytes: 24e9, running }));
    expect(evictionsFor(tight, 3)).toBeNull();
    expect(evictionsWhenIdle(tight, 3)).toEqual([1, 2, 0]);
  });

  test("a load is met in full, in part, or not at all", () => {
    const running = [buildRunning({ model: 2, loadS: 1.5 })];
    const node = createVirtualNode(buildPlanNode({ models, running }));
    expect([0, 2, 3].map((model) => loadLeftS(node, model))).toEqual([0, 1.5, 6]);
  });
});
