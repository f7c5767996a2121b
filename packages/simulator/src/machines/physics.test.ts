import { decodeStepMs, prefillMs, priorCapacity } from "@coop/core";
import { describe, expect, it } from "vitest";
import { simulatedMachine } from "./fleet.ts";
import { createPhysics, MAX_QUEUED } from "./physics.ts";
import type { Generation, MachinePhysics } from "./physics.ts";

const CONTEXT = 4096;
const studio = simulatedMachine("mac-studio-m4-max-128");
const air = simulatedMachine("macbook-air-m4-32");
const pi = simulatedMachine("raspberry-pi-5-8");

function submit(
  physics: MachinePhysics,
  model: string,
  promptTokens: number,
  outputTokens: number,
): Generation {
  const outcome = physics.submit({ model, promptTokens, outputTokens, contextTokens: CONTEXT });
  if (outcome.kind !== "taken") throw new Error(outcome.kind);
  return outcome.generation;
}

function capacityOf(machine: typeof studio, model: string): ReturnType<typeof priorCapacity> {
  const row = machine.models.get(model);
  if (!row) throw new Error(model);
  return priorCapacity(machine.row, row.shape);
}

function runOut(physics: MachinePhysics, tickMs: number): void {
  for (let ticks = 0; physics.nextChangeMs() !== null; ticks += 1) {
    if (ticks > 100_000) throw new Error("never ends");
    physics.advance(tickMs);
  }
}

describe("the physics of a simulated machine", () => {
  it("takes the time of the capacity model for load, prompt and answer", () => {
    const physics = createPhysics(studio);
    const one = submit(physics, "qwen3:8b", 1000, 100);
    runOut(physics, 10);
    const capacity = capacityOf(studio, "qwen3:8b");
    expect(one.spent.loadMs).toBeCloseTo(capacity.loadMs.value, 3);
    expect(one.spent.prefillMs).toBeCloseTo(prefillMs(capacity, 1000), 3);
    const expected = 100 * decodeStepMs(capacity, 1050, 1);
    expect(Math.abs(one.spent.decodeMs - expected) / expected).toBeLessThan(0.01);
  });

  it("slows a batch by the batch factor, and two models by sharing", () => {
    const alone = createPhysics(studio);
    const single = submit(alone, "llama3.2:3b", 0, 200);
    runOut(alone, 5);
    const batch = createPhysics(studio);
    const pair = [submit(batch, "llama3.2:3b", 0, 200), submit(batch, "llama3.2:3b", 0, 200)];
    runOut(batch, 5);
    const factor = capacityOf(studio, "llama3.2:3b").batchFactor.value;
    for (const one of pair) expect(one.spent.decodeMs / single.spent.decodeMs).toBeCloseTo(1 + factor, 1);
  });

  it("runs no more than its slots and starts the next when one ends", () => {
    const physics = createPhysics(pi);
    const first = submit(physics, "llama3.2:3b", 10, 5);
    const second = submit(physics, "llama3.2:3b", 10, 5);
    expect([first.phase, second.phase]).toEqual(["loading", "queued"]);
    physics.cancel(first);
    expect(second.phase).toBe("loading");
    runOut(physics, 50);
    expect(second.phase).toBe("finished");
  });

  it("evicts an idle model for another, and lets a busy one finish first", () => {
    const physics = createPhysics(studio);
    const large = { promptTokens: 1, contextTokens: 16_384 };
    const take = (model: string, outputTokens: number): Generation => {
      const outcome = physics.submit({ ...large, model, outputTokens });
      if (outcome.kind !== "taken") throw new Error(outcome.kind);
      return outcome.generation;
    };
    take("llama3.3:70b", 1);
    runOut(physics, 100);
    const second = take("qwen3:32b", 50);
    expect(physics.loaded().map((model) => model.name)).toEqual(["qwen3:32b"]);
    const third = take("llama3.3:70b", 1);
    expect(third.phase).toBe("queued");
    while (second.phase !== "finished") physics.advance(100);
    expect(third.phase).toBe("loading");
    expect(physics.loaded().map((model) => model.name)).toEqual(["llama3.3:70b"]);
  });

  it("refuses what never fits and what would queue for ever", () => {
    const full = createPhysics(pi);
    for (let index = 0; index < MAX_QUEUED + 1; index += 1) submit(full, "llama3.2:3b", 1, 1);
    expect(
      full.submit({ model: "llama3.2:3b", promptTokens: 1, outputTokens: 1, contextTokens: CONTEXT }).kind,
    ).toBe("full");
    const small = createPhysics(air);
    expect(
      small.submit({ model: "qwen3:8b", promptTokens: 1, outputTokens: 1, contextTokens: 1_000_000 }).kind,
    ).toBe("too-large");
  });
});
