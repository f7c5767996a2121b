import { kvBytesPerToken, weightBytes } from "@coop/core";
import { describe, expect, test } from "vitest";
import type { EngineModel } from "./engines/engine.ts";
import { isLoadedWith, pinnedContextTokens, residentBytesOf, shapeOf } from "./model-sizing.ts";

const unknown: EngineModel = {
  name: "someones-own:latest",
  digest: "sha256:1",
  capabilities: ["completion"],
  sizeBytes: 4.9e9,
  contextTokensMax: 131_072,
  shape: {
    architecture: "llama",
    parameterCount: 8e9,
    layers: 32,
    kvHeads: 8,
    headDimension: 128,
    experts: null,
  },
  cloud: false,
  loaded: null,
};
const silent: EngineModel["shape"] = {
  architecture: null,
  parameterCount: null,
  layers: null,
  kvHeads: null,
  headDimension: null,
  experts: null,
};

describe("a model's shape", () => {
  test("is what the engine says", () => {
    const shape = shapeOf(unknown);
    expect(shape).toEqual({
      layers: 32,
      parameters: 8e9,
      activeParameters: 8e9,
      bitsPerWeight: 4.9,
      kvLayers: 32,
      kvHeads: 8,
      headDim: 128,
    });
    expect(weightBytes(shape)).toBe(unknown.sizeBytes);
  });

  test("has the catalogue's active parameters and attention for a model that it knows", () => {
    const shape = shapeOf({ ...unknown, name: "gpt-oss:120b", sizeBytes: 65e9, shape: silent });
    expect(shape.activeParameters / shape.parameters).toBeLessThan(0.1);
    expect(shape.kvLayers).toBeLessThanOrEqual(shape.layers);
    expect(weightBytes(shape)).toBeCloseTo(65e9, -3);
  });

  test("counts a mixture's used experts and its shared part", () => {
    const shape = shapeOf({ ...unknown, shape: { ...unknown.shape, experts: { total: 100, used: 10 } } });
    expect(shape.activeParameters / shape.parameters).toBeCloseTo(0.145);
  });

  test("comes from the size alone where the engine says nothing", () => {
    const shape = shapeOf({ ...unknown, shape: silent });
    expect(shape.parameters).toBeCloseTo(8e9);
    expect(shape.layers).toBeGreaterThan(20);
  });

  test("of a cloud model does not believe the stub on disk", () => {
    const shape = shapeOf({ ...unknown, cloud: true, sizeBytes: 384, shape: silent });
    expect(shape.bitsPerWeight).toBeCloseTo(4.9);
    expect(Object.values(shape).every((figure) => Number.isFinite(figure) && figure > 0)).toBe(true);
  });
});

describe("the pinned context", () => {
  const allowance = { contextTokensMax: 8192, modelMemoryBytes: 100e9, slots: 1 };
  const pinned = (changes: Partial<EngineModel>, allowed: Partial<typeof allowance> = {}) => {
    const model = { ...unknown, ...changes };
    return pinnedContextTokens(model, shapeOf(model), { ...allowance, ...allowed });
  };

  test("is the owner's cap", () => expect(pinned({})).toBe(8192));
  test("is the model's own where that is shorter", () => expect(pinned({ contextTokensMax: 512 })).toBe(512));
  test("is what fits beside the weights", () => {
    const shape = shapeOf(unknown);
    const modelMemoryBytes = weightBytes(shape) + 5000 * kvBytesPerToken(shape);
    expect(pinned({}, { modelMemoryBytes })).toBe(4864);
    expect(pinned({}, { modelMemoryBytes, slots: 2 })).toBe(2304);
  });
  test("does not shrink to nothing for a model that does not fit at all", () => {
    expect(pinned({}, { modelMemoryBytes: 1e9 })).toBe(2048);
  });
  test("of a cloud model is not bound by this machine's memory", () => {
    expect(pinned({ cloud: true }, { modelMemoryBytes: 1 })).toBe(8192);
  });
});

describe("what a model occupies", () => {
  const shape = shapeOf(unknown);
  const loaded = { residentBytes: 7e9, contextTokens: 8192, keptUntilMs: null };

  test("is the engine's word when it is loaded as pinned", () => {
    expect(residentBytesOf({ ...unknown, loaded }, shape, 8192, 1)).toBe(7e9);
    expect(isLoadedWith({ ...unknown, loaded }, 8192, 1)).toBe(true);
    expect(isLoadedWith({ ...unknown, loaded }, 2048, 4)).toBe(true);
  });
  test("is an estimate otherwise, with every slot full", () => {
    const estimate = 4.9e9 + 2 * 4096 * kvBytesPerToken(shape);
    expect(residentBytesOf({ ...unknown, loaded: { ...loaded, contextTokens: 2048 } }, shape, 4096, 2)).toBe(
      estimate,
    );
    expect(isLoadedWith({ ...unknown, loaded }, 4096, 1)).toBe(false);
    expect(isLoadedWith(unknown, 4096, 1)).toBe(false);
  });
  test("is nothing for a cloud model", () => {
    expect(residentBytesOf({ ...unknown, cloud: true }, shape, 4096, 2)).toBe(0);
  });
});
