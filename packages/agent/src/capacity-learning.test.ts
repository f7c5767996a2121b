import { decodeTokensPerSecond, estimateShape, priorCapacity, REFERENCE_MACHINE } from "@coop/core";
import { expect, test } from "vitest";
import { startCapacityLearning } from "./capacity-learning.ts";
import type { CapacityStore, KnownCapacity } from "./capacity-store.ts";
import type { EngineOutcome } from "./engines/engine.ts";
import type { Timing } from "./timing.ts";

const prior = priorCapacity(REFERENCE_MACHINE, estimateShape(8e9));
const model = { name: "a:8b", digest: "sha256:1" };

/** A run of 100 tokens at half the prior's rate. */
const slow: Extract<EngineOutcome, { kind: "done" }> = {
  kind: "done",
  finishReason: "stop",
  usage: { promptTokens: 1000, outputTokens: 100 },
  timings: {
    loadMs: 5,
    prefillMs: (2 * 1000 * 1000) / prior.prefillTokensPerSecond.value,
    decodeMs: (2 * 100 * 1000) / decodeTokensPerSecond(prior, 1050, 1),
    totalMs: 1,
  },
  promptTokensCached: 0,
  occupancy: 1,
  sharers: { prefill: 1, decode: 1 },
};

function rig() {
  let kept: ReadonlyMap<string, KnownCapacity> = new Map();
  let handedOver: ReadonlyMap<string, KnownCapacity> = new Map();
  const timers: (() => void)[] = [];
  let writes = 0;
  const store: CapacityStore = {
    read: async () => kept,
    write: async (known) => {
      kept = known;
      writes += 1;
    },
    handOver: async (measured) => void (handedOver = measured),
    takeOver: async () => {
      const taken = handedOver;
      handedOver = new Map();
      return taken;
    },
  };
  const timing: Timing = {
    now: () => 0,
    monotonicMs: () => 0,
    after: (_delayMs, callback) => {
      timers.push(callback);
      return () => undefined;
    },
  };
  return { deps: { store, timing }, timers, writes: () => writes };
}

test("a prior becomes a measurement, and outlives the agent", async () => {
  const { deps } = rig();
  const learning = await startCapacityLearning(deps);
  expect(learning.capacity(model, prior)).toEqual(prior);
  for (let run = 0; run < 5; run += 1) learning.observe(model.name, slow);
  const learned = learning.capacity(model, prior);
  expect(learned.effectiveBytesPerSecond.basis).toBe("measured");
  expect(decodeTokensPerSecond(learned, 1050, 1)).toBeCloseTo(decodeTokensPerSecond(prior, 1050, 1) / 2);
  expect(learned.prefillTokensPerSecond.value).toBeCloseTo(prior.prefillTokensPerSecond.value / 2);
  expect(learned.loadMs).toEqual(prior.loadMs);
  await learning.close();

  const again = await startCapacityLearning(deps);
  expect(again.capacity(model, prior)).toEqual(learned);
});

test("other weights, or another machine, start anew", async () => {
  const { deps } = rig();
  const learning = await startCapacityLearning(deps);
  learning.capacity(model, prior);
  for (let run = 0; run < 5; run += 1) learning.observe(model.name, slow);
  expect(learning.capacity({ ...model, digest: "sha256:2" }, prior)).toEqual(prior);
  const other = priorCapacity(REFERENCE_MACHINE, estimateShape(9e9));
  expect(learning.capacity(model, other)).toEqual(other);
});

test("a cached prompt teaches nothing about prefill", async () => {
  const { deps } = rig();
  const learning = await startCapacityLearning(deps);
  learning.capacity(model, prior);
  for (let run = 0; run < 5; run += 1) learning.observe(model.name, { ...slow, promptTokensCached: 1000 });
  expect(learning.capacity(model, prior).prefillTokensPerSecond).toEqual(prior.prefillTokensPerSecond);
});

test("many observations are kept in one write", async () => {
  const { deps, timers, writes } = rig();
  const learning = await startCapacityLearning(deps);
  learning.capacity(model, prior);
  for (let run = 0; run < 50; run += 1) learning.observe(model.name, slow);
  expect(timers).toHaveLength(1);
  timers[0]?.();
  await learning.close();
  expect(writes()).toBe(1);
});

test("what another program measured replaces what was learned, at once and for good", async () => {
  const { deps } = rig();
  const learning = await startCapacityLearning(deps);
  learning.capacity(model, prior);
  learning.observe(model.name, slow);
  const bench = await startCapacityLearning({
    ...deps,
    store: { ...deps.store, read: async () => new Map(), write: deps.store.handOver },
  });
  bench.capacity(model, prior);
  const fast = { ...slow, timings: { ...slow.timings, decodeMs: slow.timings.decodeMs / 4 } };
  for (let run = 0; run < 3; run += 1) bench.observe(model.name, fast);
  const measured = bench.capacity(model, prior);
  await bench.close();
  expect(measured.fixedMsPerToken.basis).toBe("measured");

  await learning.takeOver();
  expect(learning.capacity(model, prior)).toEqual(measured);
  await learning.close();
  expect((await startCapacityLearning(deps)).capacity(model, prior)).toEqual(measured);
});
