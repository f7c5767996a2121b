import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findMachineProfile, machineProfiles } from "../catalogue/machines.ts";
import { findModelRow } from "../catalogue/models.ts";
import { assert } from "../assert.ts";
import { decodeStepMs } from "./decode.ts";
import { createCapacityEstimate, forgetSlowly, learnedCapacity, observeAttempt } from "./learn.ts";
import type { AttemptObservation, CapacityEstimate } from "./learn.ts";
import { priorCapacity } from "./prior.ts";

const machine = findMachineProfile("macbook-air-m4-32");
const model = findModelRow("llama3.1:8b");
assert(machine !== null && model !== null, "the catalogue has both rows");
const prior = priorCapacity(machine, model.shape);

const nothing: AttemptObservation = {
  promptTokens: null,
  prefillMs: null,
  outputTokens: null,
  decodeMs: null,
  loadMs: null,
  occupancy: 1,
  prefillSharers: 1,
  decodeSharers: 1,
  contextTokens: 500,
};

/** An attempt on a machine that is `slowdown` times slower than the prior, with `batchFactor` in a batch. */
function attempt(slowdown: number, occupancy = 1, batchFactor = 0.2): AttemptObservation {
  const stepMs = decodeStepMs(prior, 500, 1) * slowdown * (1 + batchFactor * (occupancy - 1));
  return {
    ...nothing,
    promptTokens: 400,
    prefillMs: (400 / prior.prefillTokensPerSecond.value) * 1000 * slowdown,
    outputTokens: 200,
    decodeMs: 200 * stepMs,
    occupancy,
  };
}

const after = (
  seen: readonly AttemptObservation[],
  start: CapacityEstimate = createCapacityEstimate(prior),
) => seen.reduce(observeAttempt, start);
const times = (count: number, seen: AttemptObservation) => Array.from({ length: count }, () => seen);
const stepMs = (estimate: CapacityEstimate) => decodeStepMs(learnedCapacity(estimate), 500, 1);

describe("the learner", () => {
  test("reports the prior until it has seen three attempts", () => {
    expect(learnedCapacity(createCapacityEstimate(prior))).toEqual(prior);
    const two = learnedCapacity(after(times(2, attempt(1.5))));
    expect(two.effectiveBytesPerSecond.basis).toBe("prior");
    const three = learnedCapacity(after(times(3, attempt(1.5))));
    expect(three.effectiveBytesPerSecond.basis).toBe("measured");
    expect(three.prefillTokensPerSecond.basis).toBe("measured");
    expect(three.loadMs.basis).toBe("prior");
    expect(three.batchFactor.basis).toBe("prior");
  });

  test("comes to the true rates", () => {
    const learned = learnedCapacity(after(times(5, attempt(1.5))));
    expect(decodeStepMs(learned, 500, 1)).toBeCloseTo(decodeStepMs(prior, 500, 1) * 1.5, 6);
    expect(learned.prefillTokensPerSecond.value).toBeCloseTo(prior.prefillTokensPerSecond.value / 1.5, 6);
  });

  test("learns the batch factor from attempts that shared a batch", () => {
    const learned = learnedCapacity(after([...times(4, attempt(1.2)), ...times(6, attempt(1.2, 3, 0.35))]));
    expect(learned.batchFactor.basis).toBe("measured");
    expect(learned.batchFactor.value).toBeCloseTo(0.35, 1);
    expect(decodeStepMs(learned, 500, 1)).toBeCloseTo(decodeStepMs(prior, 500, 1) * 1.2, 6);
  });

  test("takes the turns of others on the machine for what they are", () => {
    const { prefillMs, decodeMs, ...seen } = attempt(1.5);
    const shared = {
      ...seen,
      prefillMs: (prefillMs ?? 0) * 2.5,
      prefillSharers: 2.5,
      decodeMs: (decodeMs ?? 0) * 3,
      decodeSharers: 3,
    };
    expect(learnedCapacity(after(times(5, shared)))).toEqual(learnedCapacity(after(times(5, attempt(1.5)))));
  });

  test("learns load times from loads only", () => {
    const loads = times(3, { ...nothing, loadMs: 9_000 });
    expect(learnedCapacity(after(loads)).loadMs).toEqual({
      value: expect.closeTo(9_000, 3),
      basis: "measured",
    });
  });

  test.each([
    ["nothing", nothing],
    ["zero counts", { ...nothing, promptTokens: 0, prefillMs: 0, outputTokens: 0, decodeMs: 0, loadMs: 0 }],
    ["a time without a count", { ...nothing, prefillMs: 20, decodeMs: 900 }],
    [
      "too few tokens to time",
      { ...nothing, promptTokens: 5, prefillMs: 90, outputTokens: 3, decodeMs: 200 },
    ],
    ["a prompt that came from a cache", { ...nothing, promptTokens: 4_000, prefillMs: 12 }],
    ["an occupancy that cannot be", { ...nothing, outputTokens: 100, decodeMs: 90, occupancy: Number.NaN }],
    ["a share of the machine that cannot be", { ...attempt(9), prefillSharers: 0, decodeSharers: Infinity }],
  ])("is not moved by %s", (_, seen) => {
    const settled = after(times(6, attempt(1.5)));
    expect(observeAttempt(settled, seen)).toEqual(settled);
  });

  test("ignores one odd attempt and believes three in a row", () => {
    const settled = after(times(10, attempt(1)));
    const once = after([attempt(5)], settled);
    expect(stepMs(once)).toBeCloseTo(stepMs(settled), 9);
    expect(stepMs(after([attempt(5), attempt(0.2), attempt(5)], settled))).toBeCloseTo(stepMs(settled), 9);
    expect(stepMs(after(times(3, attempt(5)), settled))).toBeCloseTo(stepMs(settled) * 5, 6);
  });

  test("follows a throttled machine sooner when it was told of the change", () => {
    const settled = after(times(20, attempt(1)));
    const told = stepMs(after(times(3, attempt(1.6)), forgetSlowly(settled)));
    const untold = stepMs(after(times(3, attempt(1.6)), settled));
    expect(told / stepMs(settled)).toBeGreaterThan(1.25);
    expect(untold / stepMs(settled)).toBeLessThan(1.15);
  });

  test("survives JSON", () => {
    const estimate = after(times(4, attempt(1.3)));
    expect(JSON.parse(JSON.stringify(estimate))).toEqual(estimate);
  });

  test("comes within a tenth of any machine's true rate from noisy attempts", () => {
    const noisy = fc.record({
      slowdown: fc.double({ min: 0.5, max: 3, noNaN: true }),
      noise: fc.array(fc.double({ min: 0.93, max: 1.07, noNaN: true }), { minLength: 8, maxLength: 30 }),
    });
    fc.assert(
      fc.property(noisy, ({ slowdown, noise }) => {
        const learned = after(noise.map((factor) => attempt(slowdown * factor)));
        const ratio = stepMs(learned) / (decodeStepMs(prior, 500, 1) * slowdown);
        expect(ratio).toBeGreaterThan(0.9);
        expect(ratio).toBeLessThan(1.1);
      }),
    );
  });

  test("never reports a figure that is not a positive number", () => {
    const wild = fc.oneof(fc.constant(null), fc.double());
    const observation: fc.Arbitrary<AttemptObservation> = fc.record({
      promptTokens: wild,
      prefillMs: wild,
      outputTokens: wild,
      decodeMs: wild,
      loadMs: wild,
      occupancy: fc.double(),
      prefillSharers: fc.double(),
      decodeSharers: fc.double(),
      contextTokens: fc.nat(100_000),
    });
    fc.assert(
      fc.property(
        fc.constantFrom(...machineProfiles),
        fc.array(observation, { maxLength: 20 }),
        (row, seen) => {
          const learned = learnedCapacity(
            after(seen, createCapacityEstimate(priorCapacity(row, model.shape))),
          );
          expect(decodeStepMs(learned, 100, 2)).toBeGreaterThan(0);
          expect(learned.prefillTokensPerSecond.value).toBeGreaterThan(0);
          expect(learned.loadMs.value).toBeGreaterThan(0);
        },
      ),
    );
  });
});
