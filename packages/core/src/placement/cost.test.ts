import { describe, expect, test } from "vitest";
import { buildPlanModel, buildPlanNode, buildRunning } from "../testing/plan-builders.ts";
import { costOption } from "./cost.ts";
import type { CostContext } from "./cost.ts";
import type { PlanNode } from "./plan.ts";
import { createVirtualNode, runUntilFree } from "./virtual-node.ts";

const NEED = { prefillS: 1, decodeS: 4 };
const ALONE: CostContext = { weight: 1, nodePrice: 0, tokens: 700, notBeforeS: 0, waitingAlike: 1 };

const costOn = (plan: Partial<PlanNode>, model = 0, context: Partial<CostContext> = {}) =>
  costOption(createVirtualNode(buildPlanNode(plan)), model, NEED, { ...ALONE, ...context });

describe("joining", () => {
  test("an idle node with the model loaded costs the job's own time", () => {
    expect(costOn({})).toMatchObject({
      kind: "join",
      startsNow: true,
      terms: {
        waitS: 0,
        loadS: 0,
        prefillS: 1,
        decodeS: 4,
        sharingS: 0,
        coRunnersS: 0,
        queueS: 0,
        totalS: 5,
      },
    });
  });

  test("a model that is not loaded costs its load", () => {
    const models = [buildPlanModel({ loaded: false, loadS: 6 })];
    expect(costOn({ models }).terms).toMatchObject({ loadS: 6, evictionS: 0, totalS: 11 });
  });

  test("a batch slows the job and those in it", () => {
    const { terms } = costOn({ running: [buildRunning({ decodeS: 10 })] }, 0, { nodePrice: 2 });
    expect(terms.sharingS).toBeCloseTo(0.2 * 4);
    expect(terms.coRunnersS).toBeCloseTo(1 + 0.2 * 4);
    expect(terms.queueS).toBeCloseTo(2 * (1 + 0.2 * 4));
    expect(terms.totalS).toBeCloseTo(5.8 + 1.8 + 3.6);
  });

  test("the part of a decode that outlasts the batch is full work", () => {
    const { terms } = costOn({ running: [buildRunning({ decodeS: 3 })] }, 0, { nodePrice: 1 });
    expect(terms.queueS).toBeCloseTo(1 + 0.2 * 3 + 1);
  });

  test("delaying batch work counts for less, and delays count for more against batch work", () => {
    const running = [buildRunning({ decodeS: 10, weight: 0.1 })];
    expect(costOn({ running }).terms.coRunnersS).toBeCloseTo(0.18);
    expect(costOn({ running: [buildRunning()] }, 0, { weight: 0.1 }).terms.coRunnersS).toBeCloseTo(18);
  });

  test("a prefill that runs is waited out in part", () => {
    const { terms } = costOn({ running: [buildRunning({ prefillS: 2, decodeS: 0 })] });
    expect(terms.sharingS).toBeCloseTo(2);
  });

  test("a token budget has its price", () => {
    expect(costOn({ tokenPriceS: 0.003 }).terms.budgetS).toBeCloseTo(2.1);
  });

  test("a full node costs the wait and a quarter more, and does not start now", () => {
    const node = createVirtualNode(buildPlanNode({ slots: 1, running: [buildRunning({ decodeS: 3 })] }));
    runUntilFree(node);
    expect(costOption(node, 0, NEED, ALONE)).toMatchObject({
      startsNow: false,
      terms: { waitS: 3.75, totalS: 8.75 },
    });
  });

  test("throwing out a model that is often wanted costs more", () => {
    const evictionS = (startsPerSecond: number) =>
      costOn({
        modelMemoryBytes: 12e9,
        models: [
          buildPlanModel({ loaded: false, residentBytes: 8e9 }),
          buildPlanModel({ residentBytes: 8e9, loadS: 3, startsPerSecond }),
        ],
      }).terms.evictionS;
    expect(evictionS(0)).toBe(0);
    expect(evictionS(0.1)).toBeCloseTo(3 * (1 - Math.exp(-0.1 * 8)));
  });
});

describe("another model runs", () => {
  const running = [buildRunning({ model: 1, decodeS: 10 })];

  test("both are slowed when they take turns", () => {
    const { kind, terms } = costOn({ running });
    expect(kind).toBe("join");
    expect(terms.sharingS).toBeCloseTo(5);
    expect(terms.coRunnersS).toBeCloseTo(5);
  });

  test("who is through before its prompt is takes turns with the prompt alone", () => {
    const { kind, terms } = costOn({ running: [buildRunning({ model: 1, prefillS: 8, decodeS: 10 })] });
    expect(kind).toBe("join");
    expect(terms.sharingS).toBeCloseTo(5);
  });

  test("a prompt that is soon through takes turns, and its output for what is left", () => {
    const { terms } = costOn({ running: [buildRunning({ model: 1, prefillS: 2, decodeS: 10 })] });
    expect(terms.sharingS).toBeCloseTo(2 + 3);
  });

  test("waiting for it to end is cheaper when others of the job's kind wait too", () => {
    const { kind, startsNow, terms } = costOn({ running }, 0, { nodePrice: 2, waitingAlike: 4 });
    expect([kind, startsNow]).toEqual(["switch", false]);
    expect(terms.waitS).toBeCloseTo(12.5);
    expect(terms.queueS).toBeCloseTo(2 * (1 + (4 * (1 + 0.2 * 3)) / 4));
  });

  test("models that mix are joined at the price of a batch", () => {
    const { kind, terms } = costOn({ running, interference: 0.2 });
    expect(kind).toBe("join");
    expect(terms.sharingS).toBeCloseTo(0.2 * 5);
    expect(terms.coRunnersS).toBeCloseTo(1 + 0.2 * 4);
  });

  test("memory that it takes must be waited for", () => {
    const models = [
      buildPlanModel({ loaded: false, residentBytes: 8e9 }),
      buildPlanModel({ residentBytes: 8e9 }),
    ];
    const { kind, terms } = costOn({ running, models, modelMemoryBytes: 12e9, interference: 0.2 });
    expect(kind).toBe("switch");
    expect(terms.waitS).toBeCloseTo(12.5);
  });
});
