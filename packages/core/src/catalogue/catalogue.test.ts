import { describe, expect, test } from "vitest";
import { assert } from "../assert.ts";
import { decodeStepMs, decodeTokensPerSecond, prefillMs } from "../capacity/decode.ts";
import { priorCapacity, residentBytesOf } from "../capacity/prior.ts";
import { findMachineProfile, machineProfiles, matchMachine, UNKNOWN_MACHINE } from "./machines.ts";
import type { MachineRow } from "./machines.ts";
import { estimateShape, findModelRow, kvBytesPerToken, modelRows, weightBytes } from "./models.ts";
import type { ModelRow, ModelShape } from "./models.ts";
import { tierOfModel } from "./tiers.ts";

const llama2 = (weightGib: number): ModelShape => ({
  layers: 32,
  parameters: 6.74e9,
  activeParameters: 6.74e9,
  bitsPerWeight: (weightGib * 2 ** 30 * 8) / 6.74e9,
  kvLayers: 32,
  kvHeads: 32,
  headDim: 128,
});
/** Llama 2 7B as the benchmark ran it: the size of its files, GiB. */
const F16 = llama2(12.55);
const Q8 = llama2(6.67);
const Q4 = llama2(3.56);

function machineOf(profile: string): MachineRow {
  const row = findMachineProfile(profile);
  assert(row !== null, `the catalogue has ${profile}`);
  return row;
}

function modelOf(name: string): ModelRow {
  const row = findModelRow(name);
  assert(row !== null, `the catalogue has ${name}`);
  return row;
}

describe("the prior against published measurements", () => {
  test.each([
    ["macbook-air-m4-32", 7.43, 13.54, 24.11, 221],
    ["m4-pro-48", 17.18, 30.69, 50.74, 440],
    ["m4-max-32c-36", 24.29, 43.87, 69.95, 714],
    ["mac-studio-m4-max-128", 31.64, 54.05, 83.06, 886],
    ["mac-studio-m3-ultra-256", 39.78, 63.93, 92.14, 1471],
  ])("%s decodes within 2.4 %", (profile, f16, q8, q4, prompt) => {
    const rate = (shape: ModelShape) => decodeTokensPerSecond(priorCapacity(machineOf(profile), shape), 0, 1);
    for (const [shape, published] of [
      [F16, f16],
      [Q8, q8],
      [Q4, q4],
    ] as const) {
      expect(Math.abs(rate(shape) / published - 1)).toBeLessThan(0.024);
    }
    expect(512_000 / prefillMs(priorCapacity(machineOf(profile), Q4), 512)).toBeCloseTo(prompt, 3);
  });

  test.each([
    ["llama3.2:3b", 4.6, 4.9],
    ["llama3.1:8b", 2, 2.3],
    ["qwen3:14b", 1, 1.3],
  ])("a Raspberry Pi 5 runs %s at %d to %d tokens/s", (name, least, most) => {
    const rate = decodeTokensPerSecond(
      priorCapacity(machineOf("raspberry-pi-5-8"), modelOf(name).shape),
      100,
      1,
    );
    expect(rate).toBeGreaterThan(least * 0.95);
    expect(rate).toBeLessThan(most * 1.05);
  });

  test("a Raspberry Pi is further behind on prompts than on output", () => {
    const studio = priorCapacity(machineOf("mac-studio-m4-max-128"), Q4);
    const pi = priorCapacity(machineOf("raspberry-pi-5-8"), Q4);
    const decode = decodeStepMs(pi, 0, 1) / decodeStepMs(studio, 0, 1);
    const prefill = prefillMs(pi, 1000) / prefillMs(studio, 1000);
    expect(decode).toBeGreaterThan(25);
    expect(decode).toBeLessThan(40);
    expect(prefill).toBeGreaterThan(120);
    expect(prefill).toBeLessThan(150);
  });

  /** Guesses, made without the models' shapes: see the notes in the catalogue. */
  test.each([
    ["gemma4:e2b", 150],
    ["glm-4.7-flash", 120],
    ["qwen3-coder-next", 100],
    ["gemma4:26b", 90],
    ["gpt-oss:120b", 60],
  ])("%s is within a factor of two of the guess of %d tokens/s on 546 GB/s", (name, guess) => {
    const rate = decodeTokensPerSecond(
      priorCapacity(machineOf("mac-studio-m4-max-128"), modelOf(name).shape),
      1000,
      1,
    );
    expect(rate / guess).toBeGreaterThan(0.5);
    expect(rate / guess).toBeLessThan(2);
  });
});

describe("machines", () => {
  test.each([
    ["Apple M4 Max", 128, "mac-studio-m4-max-128"],
    ["Apple M4 Max", 36, "m4-max-32c-36"],
    ["Apple M4", 16, "macbook-air-m4-32"],
    ["Apple M4 Pro", 24, "m4-pro-48"],
    ["Apple M1", 8, "m1-16"],
    ["Raspberry Pi 5 Model B Rev 1.0", 8, "raspberry-pi-5-8"],
    ["NVIDIA GeForce RTX 4090", 24, "rtx-4090"],
  ])("%s with %d GB is %s", (chip, memoryGib, profile) => {
    expect(matchMachine(chip, memoryGib * 2 ** 30)?.profile).toBe(profile);
  });

  test.each(["AMD EPYC 7763", "", "Apple M44"])("%j matches no row", (chip) => {
    expect(matchMachine(chip, 2 ** 34)).toBeNull();
  });

  test("every row has its own key, a source and figures above zero", () => {
    expect(new Set(machineProfiles.map((row) => row.profile)).size).toBe(machineProfiles.length);
    for (const row of [...machineProfiles, UNKNOWN_MACHINE]) {
      expect(row.source, row.profile).not.toBe("");
      expect(row.effectiveBytesPerSecond, row.profile).toBeGreaterThan(0);
      expect(row.effectiveBytesPerSecond, row.profile).toBeLessThan(row.nominalBytesPerSecond);
      expect(row.prefillParametersPerSecond, row.profile).toBeGreaterThan(0);
    }
  });
});

describe("models", () => {
  test.each([
    ["llama3.2:3b", "edge"],
    ["llama3.2", "edge"],
    ["llama3.2:latest", "edge"],
    ["qwen3:4b", "edge"],
    ["qwen3:8b-q8_0", "local-small"],
    ["llama3.1:8b-instruct-q4_K_M", "local-small"],
    ["glm-4.7-flash", "local-small"],
    ["qwen3:14b", "local-small"],
    ["qwen3:32b", "local-large"],
    ["gpt-oss:120b", "local-large"],
    ["llama3.3:70b", "local-large"],
  ])("%s is %s by its row", (name, tier) => {
    expect(tierOfModel({ name, parameterCount: null })).toBe(tier);
  });

  test.each([
    [6e9, "edge"],
    [6.1e9, "local-small"],
    [19.9e9, "local-small"],
    [20e9, "local-large"],
    [null, "edge"],
  ])("an unknown model of %d parameters is %s", (parameterCount, tier) => {
    expect(tierOfModel({ name: "someone/else:1", parameterCount })).toBe(tier);
  });

  test("the operator's word goes first", () => {
    expect(tierOfModel({ name: "qwen3:8b", parameterCount: 8.19e9 }, { "qwen3:8b": "local-large" })).toBe(
      "local-large",
    );
  });

  test("every name belongs to one row, and every row has a source", () => {
    const names = modelRows.flatMap((row) => row.names);
    expect(new Set(names).size).toBe(names.length);
    expect(modelRows.filter((row) => row.source === "")).toEqual([]);
  });

  test.each([
    ["qwen3:14b", 9.3],
    ["llama3.3:70b", 42],
    ["qwen3:32b", 20],
    ["qwen3-coder-next", 51],
    ["qwen3.5:35b", 23],
    ["gpt-oss:120b", 65],
    ["gemma4:26b", 17],
    ["gemma4:e2b", 3],
  ])("%s weighs about %d GB", (name, gigabytes) => {
    expect(Math.abs(weightBytes(modelOf(name).shape) / 1e9 / gigabytes - 1)).toBeLessThan(0.05);
  });

  test("the KV cache of a token is keys and values of every layer at 16 bits", () => {
    expect(kvBytesPerToken(modelOf("llama3.1:8b").shape)).toBe(32 * 2 * 8 * 128 * 2);
  });

  test("memory covers the weights and every slot's context", () => {
    const { shape } = modelOf("llama3.1:8b");
    expect(residentBytesOf(shape, 8_192, 4)).toBe(weightBytes(shape) + 4 * 8_192 * kvBytesPerToken(shape));
  });

  test.each([
    ["llama3.2:3b", 3.21e9],
    ["llama3.1:8b", 8.03e9],
    ["llama3.3:70b", 70.6e9],
  ])("an estimated shape comes near %s", (name, parameters) => {
    const real = modelOf(name).shape;
    const guess = estimateShape(parameters);
    expect(Math.abs(guess.layers / real.layers - 1)).toBeLessThan(0.25);
    expect(guess.kvHeads * guess.headDim).toBe(real.kvHeads * real.headDim);
  });
});
