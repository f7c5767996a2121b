import { describe, expect, test } from "vitest";
import { buildJobSpec, buildModelReport, buildNodeReport } from "../testing/index.ts";
import { optionsOf, planNode, weightOf } from "./plan-node.ts";
import type { PlannedAttempt, PlanSource } from "./plan-node.ts";

const attempt = (changes: Partial<PlannedAttempt> = {}): PlannedAttempt => ({
  model: "llama3.2:3b",
  phase: "decode",
  sinceHeardS: 0,
  promptTokens: 1_000,
  cachedTokens: 0,
  maxOutputTokens: 4_096,
  outputTokens: 0,
  meanOutputTokens: 200,
  weight: 1,
  ...changes,
});

const plan = (attempts: readonly PlannedAttempt[], changes: Partial<PlanSource> = {}) =>
  planNode({
    report: buildNodeReport({
      models: [buildModelReport(), buildModelReport({ name: "qwen3:8b", loaded: false })],
    }),
    tiers: { "llama3.2:3b": "edge", "qwen3:8b": "local-small" },
    attempts,
    useOf: () => ({ lastUseMs: 0, startsPerSecond: 0 }),
    tokenPriceS: 0,
    release: null,
    ...changes,
  });

const left = (changes: Partial<PlannedAttempt>) => {
  const [running] = plan([attempt(changes)]).running;
  return [running?.loadS, running?.prefillS, running?.decodeS].map((seconds) =>
    Number((seconds ?? -1).toFixed(2)),
  );
};

describe("what is left of an attempt", () => {
  test("all of it at the start, the load too where the model is not in memory", () => {
    expect(left({ phase: "assigned" })).toEqual([0, 0.5, 1.65]);
    expect(left({ phase: "assigned", model: "qwen3:8b" })).toEqual([1.5, 0.5, 1.65]);
  });

  test("time goes off the load, then off the prompt, and off the output once that has begun", () => {
    expect(left({ phase: "loading", model: "qwen3:8b", sinceHeardS: 1 })).toEqual([0.5, 0.5, 1.65]);
    expect(left({ phase: "loading", model: "qwen3:8b", sinceHeardS: 1.75 })).toEqual([0, 0.25, 1.65]);
    expect(left({ phase: "prefill", sinceHeardS: 0.5 })).toEqual([0, 0, 1.65]);
    expect(left({ phase: "prefill", sinceHeardS: 60 })).toEqual([0, 0, 1.65]);
    expect(left({ outputTokens: 50, sinceHeardS: 1 })[2]).toBeLessThan(left({ outputTokens: 50 })[2] ?? 0);
    expect(left({ outputTokens: 50, sinceHeardS: 60 })).toEqual(left({ outputTokens: 50, sinceHeardS: 5 }));
  });

  test("tokens that were produced are not to come, though a long output promises to be longer", () => {
    expect(left({ outputTokens: 100 })[2]).toBeLessThan(left({})[2] ?? 0);
    expect(left({ outputTokens: 4_096 })).toEqual([0, 0, 0]);
  });

  test("an attempt of a model that the node no longer reports still takes its slot", () => {
    expect(plan([attempt({ model: "gone:1b" })])).toMatchObject({ slots: 3, running: [] });
  });
});

describe("models in memory", () => {
  test("one that an attempt needs is on its way in, and the least recently used makes room", () => {
    const models = ["a", "b", "c"].map((name) =>
      buildModelReport({ name, residentBytes: 4e9, loaded: name !== "c" }),
    );
    const report = buildNodeReport({ models, modelMemoryBytes: 9e9 });
    const useOf = (model: string) => ({ lastUseMs: model === "a" ? 100 : 200, startsPerSecond: 0 });
    const planned = plan([attempt({ model: "c" })], { report, useOf });
    expect(planned.models.map(({ name, loaded }) => [name, loaded])).toEqual([
      ["a", false],
      ["b", true],
      ["c", true],
    ]);
  });
});

describe("what a job needs", () => {
  const { capacity } = buildModelReport();

  test("its prompt and the output that its kind has", () => {
    const need = optionsOf(buildJobSpec({ promptTokens: 1_000, maxOutputTokens: 4_096 }), () => 200)(0, 0, {
      name: "m",
      capacity,
    });
    expect(need.prefillS).toBeCloseTo(0.5);
    expect(need.decodeS).toBeCloseTo(1.65, 1);
  });

  test("no more output than it may produce", () => {
    const short = optionsOf(buildJobSpec({ maxOutputTokens: 10 }), () => 200)(0, 0, { name: "m", capacity });
    expect(short.decodeS).toBeCloseTo(0.08, 2);
  });

  test("batch work weighs a tenth", () => {
    expect([weightOf({ band: "interactive" }), weightOf({ band: "batch" })]).toEqual([1, 0.1]);
  });
});
