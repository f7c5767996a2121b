import { decodeStepMs, prefillMs } from "@coop/core";
import { describe, expect, test } from "vitest";
import { simulatedMachine } from "../machines/fleet.ts";
import { createPhysics } from "../machines/physics.ts";
import type { Generation } from "../machines/physics.ts";
import { buildSimJob, buildSimNode } from "../testing/builders.ts";
import { decodeAloneS, tokensDecoded } from "./decode-time.ts";
import type { SimModel, SimNode } from "./fleet.ts";
import type { SimJob } from "./job.ts";
import { createMachine } from "./machine.ts";
import type { SimMachine } from "./machine.ts";

const STUDIO = "mac-studio-m4-max-128";
const studio = buildSimNode(0, STUDIO, ["llama3.2:3b", "qwen3:8b"], { slots: 4 });
const model = (index: number, node: SimNode = studio): SimModel => {
  const found = node.models[index];
  if (found === undefined) throw new Error(`no model ${index}`);
  return found;
};
const loadS = (index: number, node?: SimNode): number => model(index, node).capacity.loadMs.value / 1000;

/** Lets everything that runs end; answers when each job ended, by its index. */
function ends(machine: SimMachine): ReadonlyMap<number, number> {
  const endedAtS = new Map<number, number>();
  for (let change = machine.nextChangeS(); machine.running.length > 0; change = machine.nextChangeS()) {
    for (const { job } of machine.advance(change)) endedAtS.set(job.index, change);
  }
  return endedAtS;
}

/** A machine with its models in memory, at the moment that the last was. */
function warmMachine(node: SimNode = studio): { readonly machine: SimMachine; readonly nowS: number } {
  const machine = createMachine(node);
  for (const { index } of node.models) machine.warm(index);
  const nowS = Math.max(...node.models.map(({ index }) => loadS(index, node)));
  while (machine.nextChangeS() <= nowS) machine.advance(machine.nextChangeS());
  machine.advance(nowS);
  return { machine, nowS };
}

const prefillS = (job: SimJob, of = 0): number => prefillMs(model(of).capacity, job.promptTokens) / 1000;
const decodeS = (job: SimJob, of = 0): number =>
  decodeAloneS(model(of).capacity, job.promptTokens, job.outputTokens);

test("the time of many tokens is the sum of the times of each", () => {
  const { capacity } = model(0);
  let sumMs = 0;
  for (let token = 0; token < 500; token += 1) sumMs += decodeStepMs(capacity, 1_000 + token + 0.5, 1);
  expect(decodeAloneS(capacity, 1_000, 500)).toBeCloseTo(sumMs / 1000, 9);
  expect(tokensDecoded(capacity, 1_000, sumMs / 1000)).toBeCloseTo(500, 6);
  expect(tokensDecoded({ ...capacity, kvBytesPerToken: 0 }, 1_000, 4)).toBeGreaterThan(100);
});

describe("a machine", () => {
  test("loads, reads the prompt and decodes, one after the other", () => {
    const machine = createMachine(studio);
    const job = buildSimJob(0);
    const attempt = machine.start(job, 0);
    const endS = ends(machine).get(0) ?? 0;
    expect(endS).toBeCloseTo(loadS(0) + prefillS(job) + decodeS(job), 6);
    expect(attempt.firstTokenS).toBeCloseTo(loadS(0) + prefillS(job), 6);
    expect(attempt.spent.loadS).toBeCloseTo(loadS(0), 6);
    expect(machine.loads()).toBe(1);
  });

  test("says how many tokens an attempt has produced", () => {
    const { machine, nowS } = warmMachine();
    const job = buildSimJob(0, { promptTokens: 1_000, outputTokens: 400 });
    const attempt = machine.start(job, 0);
    machine.advance(nowS + prefillS(job));
    expect(machine.tokensOf(attempt)).toBe(0);
    machine.advance(nowS + prefillS(job) + decodeAloneS(model(0).capacity, 1_000, 100.5));
    expect(machine.tokensOf(attempt)).toBe(100);
  });

  test("slows a batch by its factor, and turns of another model or a prompt by half", () => {
    const job = buildSimJob(0, { promptTokens: 1, outputTokens: 1_000 });
    const other = buildSimJob(1, { promptTokens: 1, outputTokens: 1_000 });
    const batched = warmMachine();
    batched.machine.start(job, 0);
    batched.machine.start(other, 0);
    const batchS = (ends(batched.machine).get(0) ?? 0) - batched.nowS;
    expect(batchS / decodeS(job)).toBeCloseTo(1 + model(0).capacity.batchFactor.value, 2);

    const turns = warmMachine();
    turns.machine.start(job, 0);
    turns.machine.start(other, 1);
    const turnsS = (ends(turns.machine).get(0) ?? 0) - turns.nowS;
    expect(turnsS / decodeS(job)).toBeCloseTo(2, 2);

    const reading = warmMachine();
    reading.machine.start(job, 0);
    reading.machine.start(buildSimJob(2, { promptTokens: 1_000_000 }), 1);
    const beside = (ends(reading.machine).get(0) ?? 0) - reading.nowS;
    expect(beside / decodeS(job)).toBeCloseTo(2, 2);
  });

  test("shares one batch between models where they interfere little", () => {
    const node = buildSimNode(0, STUDIO, ["llama3.2:3b", "qwen3:8b"], { slots: 4, interference: 0.2 });
    const { machine, nowS } = warmMachine(node);
    const job = buildSimJob(0, { promptTokens: 1, outputTokens: 1_000 });
    machine.start(job, 0);
    machine.start(buildSimJob(1, { promptTokens: 1, outputTokens: 1_000 }), 1);
    expect(((ends(machine).get(0) ?? 0) - nowS) / decodeS(job)).toBeCloseTo(1.2, 2);
  });

  test("spares what the cache of the conversation's slot holds", () => {
    const { machine, nowS } = warmMachine();
    const prefix = { kind: "conversation", conversation: 1 } as const;
    const first = buildSimJob(0, { promptTokens: 2_000, outputTokens: 100, prefix });
    machine.start(first, 0);
    const firstEndS = ends(machine).get(0) ?? nowS;
    const second = machine.start(buildSimJob(1, { promptTokens: 2_200, outputTokens: 10, prefix }), 0);
    expect(second.cachedTokens).toBe(2_100);
    const stranger = machine.start(buildSimJob(2, { promptTokens: 2_200, outputTokens: 10 }), 0);
    expect(stranger.cachedTokens).toBe(0);
    expect(ends(machine).get(1) ?? 0).toBeGreaterThan(firstEndS);
    const blocks = (ids: number[]) => ({ kind: "blocks" as const, blocks: ids });
    machine.start(buildSimJob(3, { promptTokens: 1_500, outputTokens: 1, prefix: blocks([7, 8, 9]) }), 1);
    ends(machine);
    const alike = machine.start(buildSimJob(4, { promptTokens: 1_400, prefix: blocks([7, 8, 10]) }), 1);
    expect(alike.cachedTokens).toBe(1_024);
  });

  test("throws out the idle model that was used least recently, and waits for those in use", () => {
    const sizes = model(0).residentBytes + model(1).residentBytes;
    const node = buildSimNode(0, STUDIO, ["llama3.2:3b", "qwen3:8b", "qwen3:32b"], {
      slots: 4,
      modelMemoryBytes: sizes * 2,
    });
    const machine = createMachine(node);
    machine.start(buildSimJob(0, { outputTokens: 10 }), 0);
    ends(machine);
    machine.start(buildSimJob(1, { outputTokens: 2_000 }), 1);
    machine.start(buildSimJob(2, { outputTokens: 10 }), 2);
    expect([0, 1, 2].map(machine.isLoaded)).toEqual([true, true, false]);
    const order = [...ends(machine).keys()];
    expect(order).toEqual([1, 2]);
    expect([0, 1, 2].map(machine.isLoaded)).toEqual([false, false, true]);
  });

  test("slows down as it grows hot, and recovers", () => {
    const node = buildSimNode(0, STUDIO, ["llama3.2:3b"], {
      cooling: { lostWhenHot: 0.4, timeConstantS: 100 },
    });
    const { machine, nowS } = warmMachine(node);
    const job = buildSimJob(0, { promptTokens: 1, outputTokens: 100_000 });
    machine.start(job, 0);
    const tookS = (ends(machine).get(0) ?? 0) - nowS;
    expect(tookS / decodeS(job)).toBeGreaterThan(1.5);
    expect(tookS / decodeS(job)).toBeLessThan(1 / 0.6);
    expect(machine.thermal()).toBe("serious");
    machine.advance(nowS + tookS + 300);
    expect(machine.thermal()).toBe("nominal");
  });

  test("forgets everything when its node goes away, and one attempt when it is cancelled", () => {
    const { machine } = warmMachine();
    const first = machine.start(buildSimJob(0), 0);
    const second = machine.start(buildSimJob(1), 0);
    machine.cancel(first);
    expect(machine.running).toEqual([second]);
    expect(machine.crash()).toEqual([second]);
    expect([machine.running.length, machine.isLoaded(0), machine.nextChangeS()]).toEqual([
      0,
      false,
      Infinity,
    ]);
  });
});

test("agrees with the machines that speak Ollama's protocol", () => {
  const machine = createMachine(studio);
  const physics = createPhysics(simulatedMachine(STUDIO));
  const jobs = [
    { atS: 0, of: 0, promptTokens: 1_500, outputTokens: 300 },
    { atS: 1, of: 0, promptTokens: 300, outputTokens: 500 },
    { atS: 3, of: 1, promptTokens: 2_000, outputTokens: 200 },
    { atS: 20, of: 1, promptTokens: 100, outputTokens: 50 },
  ];
  const tookS: number[] = [];
  const endS: number[] = [];
  const generations: Generation[] = [];
  for (const [index, { atS, of, promptTokens, outputTokens }] of jobs.entries()) {
    while (machine.nextChangeS() <= atS) {
      const changeS = machine.nextChangeS();
      for (const { job } of machine.advance(changeS)) endS[job.index] = changeS;
    }
    machine.advance(atS);
    machine.start(buildSimJob(index, { promptTokens, outputTokens }), of);
    physics.advance((atS - (jobs[index - 1]?.atS ?? 0)) * 1000);
    const name = model(of).name;
    const outcome = physics.submit({ model: name, promptTokens, outputTokens, contextTokens: 16_384 });
    if (outcome.kind === "taken") generations.push(outcome.generation);
  }
  for (const [index, at] of ends(machine)) endS[index] = at;
  physics.advance(1e6);
  for (const { spent } of generations) {
    tookS.push((spent.queuedMs + spent.loadMs + spent.prefillMs + spent.decodeMs) / 1000);
  }
  for (const [index, { atS }] of jobs.entries()) {
    const ratio = ((endS[index] ?? Number.NaN) - atS) / (tookS[index] ?? Number.NaN);
    expect(Math.abs(ratio - 1)).toBeLessThan(0.02);
  }
});
