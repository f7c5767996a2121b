import { nodeReportSchema, machineSchema } from "@coop/protocol";
import { throughputOf } from "@coop/core";
import type { Log } from "@coop/core";
import { afterEach, describe, expect, test } from "vitest";
import { run, scriptedModel, soon, startEngineRig } from "../../../test/harness/ollama-engine.ts";
import type { EngineRig } from "../../../test/harness/ollama-engine.ts";
import { done, piece } from "../../../test/harness/scripted-ollama.ts";
import type { CapacityStore, KnownCapacity } from "./capacity-store.ts";
import { startNodeReporter } from "./node-report.ts";
import type { NodeAllowance, NodeReporter } from "./node-report.ts";
import { ALL_MODELS } from "./owner/allowed-models.ts";
import { ALWAYS, readHours } from "./owner/serving-hours.ts";
import type { MachineFacts, MachineState } from "./probe/probe.ts";
import { createSlots } from "./slots.ts";
import type { Slots } from "./slots.ts";
import { createSystemTiming } from "./timing.ts";

const silent = (): void => undefined;
const log: Log = { debug: silent, info: silent, warn: silent, error: silent };
const air: MachineFacts = {
  chip: "Apple M4",
  platform: "darwin arm64",
  memoryBytes: 32 * 2 ** 30,
  graphicsMemoryBytes: null,
};
const simulated = {
  profile: "mac-studio-m4-max-128",
  chip: "Apple M4 Max",
  memoryBytes: 128 * 2 ** 30,
  slots: 4,
  speedup: 20,
};

interface ReporterRig extends EngineRig {
  readonly reporter: NodeReporter;
  readonly slots: Slots;
  readonly conditions: MachineState;
  setConditions(changes: Partial<MachineState>): void;
  look(): ReturnType<NodeReporter["look"]>;
}

const reporters: NodeReporter[] = [];
afterEach(async () => {
  await Promise.all(reporters.splice(0).map((reporter) => reporter.close()));
});

async function startReporter(
  allowance: Partial<NodeAllowance> = {},
  facts: MachineFacts = air,
): Promise<ReporterRig> {
  const rig = await startEngineRig();
  const slots = createSlots(1);
  let conditions: MachineState = { pressure: "normal", thermal: "nominal", power: "mains" };
  let kept: ReadonlyMap<string, KnownCapacity> = new Map();
  const store: CapacityStore = {
    read: async () => kept,
    write: async (known) => void (kept = known),
    handOver: async () => undefined,
    takeOver: async () => new Map(),
  };
  const reporter = await startNodeReporter({
    engine: rig.engine,
    slots,
    probe: { machine: async () => facts, state: async () => conditions, freeMemoryBytes: () => 4e9 },
    store,
    allowance: () => ({ ...unlimited, ...allowance }),
    agentVersion: "1.0.0",
    timing: createSystemTiming(),
    log,
    onChange: silent,
  });
  reporters.push(reporter);
  return {
    ...rig,
    reporter,
    slots,
    conditions,
    setConditions: (changes) => void (conditions = { ...conditions, ...changes }),
    look: () => reporter.look(soon()),
  };
}

/** An owner who leaves it all to the agent. */
const unlimited: NodeAllowance = {
  slots: null,
  engineSlots: null,
  contextTokens: null,
  memory: null,
  freeMemory: null,
  budget: { day: { kind: "none" }, month: { kind: "none" }, share: 0.5 },
  hours: ALWAYS,
  models: ALL_MODELS,
  availability: { kind: "open" },
};

describe("a look at the node", () => {
  test("tells machine, models and priors, in the words of the wire", async () => {
    const { look } = await startReporter();
    const { machine, report, engineProblem } = await look();
    expect(engineProblem).toBeNull();
    expect(machineSchema.parse(machine)).toEqual({
      chip: "Apple M4",
      profile: "macbook-air-m4-32",
      platform: "darwin arm64",
      memoryBytes: air.memoryBytes,
      simulated: false,
      agentVersion: "1.0.0",
      engine: "ollama 0.35.1",
    });
    expect(nodeReportSchema.parse(report)).toEqual(report);
    expect(report).toMatchObject({
      slots: 1,
      modelMemoryBytes: Math.round(air.memoryBytes * 0.7),
      tokensPerDay: null,
      draining: false,
      unhealthy: {},
      models: [
        {
          name: scriptedModel,
          contextTokens: 8192,
          cloud: false,
          loaded: false,
          capacity: { effectiveBytesPerSecond: { value: 104e9, basis: "prior" } },
        },
      ],
    });
    expect(report.models[0]?.residentBytes).toBeGreaterThan(2_019_393_189);
  });

  test("tells how the machine is now", async () => {
    const { look, setConditions } = await startReporter();
    expect((await look()).report).toMatchObject({ pressure: "normal", thermal: "nominal", power: "mains" });
    const worse = { pressure: "critical", thermal: "serious", power: "battery" } as const;
    setConditions(worse);
    expect((await look()).report).toMatchObject(worse);
  });

  test("keeps to what the owner allows", async () => {
    const allowance: Partial<NodeAllowance> = {
      slots: 3,
      contextTokens: 4096,
      memory: { kind: "bytes", bytes: 5e9 },
      budget: { day: { kind: "tokens", tokens: 1000 }, month: { kind: "none" }, share: 1 },
      availability: { kind: "closed", reason: "paused", untilMs: 7 },
    };
    const { look, slots } = await startReporter(allowance);
    const { report } = await look();
    expect(report).toMatchObject({
      slots: 3,
      modelMemoryBytes: 5e9,
      tokensPerDay: 1000,
      tokensPerMonth: null,
      availability: { kind: "closed", reason: "paused", untilMs: 7 },
      models: [{ contextTokens: 4096 }],
    });
    expect(slots.total).toBe(3);
  });

  test("gives the co-op the owner's share of memory, and of what the machine makes in its hours", async () => {
    const hours = readHours("sat-sun all");
    if (hours.kind === "problem") throw new Error(hours.problem);
    const budget = { day: { kind: "auto" }, month: { kind: "auto" }, share: 0.25 } as const;
    const memory = { kind: "share", share: 0.5 } as const;
    const { look } = await startReporter({ hours: hours.value, budget, memory });
    const { report } = await look();
    const perDay = throughputOf(report.models, 1).value * (2 / 7) * 86_400 * 0.25;
    expect(report.modelMemoryBytes).toBe(air.memoryBytes / 2);
    expect(report.servingSecondsPerDay).toBeCloseTo((2 / 7) * 86_400, 6);
    expect(report.tokensPerDay).toBeGreaterThan(0.9 * perDay);
    expect(report.tokensPerDay).toBeLessThanOrEqual(perDay);
    expect(report.tokensPerMonth).toBeGreaterThan(25 * perDay);
  });

  test("names only the models that the owner lets the co-op use", async () => {
    const { look } = await startReporter({ models: { allow: [], forbid: ["llama3.2:*"] } });
    const { report, notAllowed, engineProblem } = await look();
    expect([report.models, notAllowed, engineProblem]).toEqual([[], [scriptedModel], null]);
    expect(report.tokensPerDay).toBeNull();
  });

  test.for([
    [{ slots: 3, engineSlots: 2 }, 2],
    [{ slots: 1, engineSlots: 4 }, 1],
    [{ engineSlots: 4 }, 4],
    [{}, 1],
  ] as const)("takes %j as %i slots", async ([allowance, slots]) => {
    expect((await (await startReporter(allowance)).look()).report.slots).toBe(slots);
  });

  test("calls a model loaded only with the context that is pinned", async () => {
    const { look, ollama } = await startReporter();
    ollama.loaded.set(scriptedModel, 4096);
    expect((await look()).report.models).toMatchObject([{ loaded: false }]);
    ollama.loaded.set(scriptedModel, 8192);
    expect((await look()).report.models).toMatchObject([{ loaded: true, residentBytes: 2_019_393_189 }]);
  });

  test("marks a cloud model, with figures that the wire can carry", async () => {
    const { look, ollama } = await startReporter();
    ollama.models = [{ name: "gpt-oss:120b-cloud", sizeBytes: 384 }];
    const { report } = await look();
    expect(report.models).toMatchObject([{ cloud: true }]);
    expect(nodeReportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
  });

  test("takes a graphics card's memory for a PC's", async () => {
    const pc: MachineFacts = {
      chip: "NVIDIA GeForce RTX 4090",
      platform: "linux x64",
      memoryBytes: 64 * 2 ** 30,
      graphicsMemoryBytes: 24 * 2 ** 30,
    };
    const { machine, report } = await (await startReporter({}, pc)).look();
    expect(machine).toMatchObject({ profile: "rtx-4090", memoryBytes: pc.memoryBytes });
    expect(report.modelMemoryBytes).toBe(Math.round(24 * 2 ** 30 * 0.7));
  });

  test("of an unknown machine still has figures", async () => {
    const { machine, report } = await (await startReporter({}, { ...air, chip: "Zilog Z80" })).look();
    expect(machine.profile).toBeNull();
    expect(report.models[0]?.capacity.prefillTokensPerSecond.value).toBeGreaterThan(0);
  });
});

describe("an engine that cannot serve", () => {
  test("leaves a report without models that says what to do", async () => {
    const { look, ollama } = await startReporter();
    ollama.version = { version: "0.34.0" };
    const { machine, report, engineProblem } = await look();
    expect(machine.engine).toBe("none");
    expect(report.models).toEqual([]);
    expect(engineProblem).toMatch(/update Ollama/);
    ollama.version = { version: "0.35.0" };
    expect(await look()).toMatchObject({
      engineProblem: null,
      report: { models: [{ name: scriptedModel }] },
    });
  });

  test("for want of a model says how to fetch one", async () => {
    const { look, ollama } = await startReporter();
    ollama.models = [];
    expect(await look()).toMatchObject({
      engineProblem:
        "ollama 0.35.1 has no model, so this node serves nothing; fetch one here, such as: ollama pull llama3.2:3b",
      report: { models: [] },
    });
  });

  test("and one whose list fails, too", async () => {
    const { look, ollama } = await startReporter();
    ollama.script("/api/tags", { do: "refuse", status: 500, body: '{"error":"disk"}' });
    expect(await look()).toMatchObject({ engineProblem: /disk/, report: { models: [] } });
  });
});

describe("a simulated machine", () => {
  test("is the one that it models, faster by its speedup, and says so", async () => {
    const { look, ollama, setConditions, slots } = await startReporter();
    ollama.version = { version: "0.35.1", simulated };
    setConditions({ pressure: "critical", power: "battery" });
    const { machine, report } = await look();
    expect(machine).toMatchObject({
      simulated: true,
      chip: "Apple M4 Max",
      profile: "mac-studio-m4-max-128",
      memoryBytes: simulated.memoryBytes,
    });
    expect(report).toMatchObject({ slots: 4, pressure: "normal", power: "mains" });
    expect(report.models[0]?.capacity.effectiveBytesPerSecond.value).toBeCloseTo(20 * 492e9, -3);
    expect(slots.total).toBe(4);
  });
});

describe("what attempts teach", () => {
  test("shows in the next look", async () => {
    const { look, ollama, engine, reporter } = await startReporter();
    await look();
    for (let attempt = 0; attempt < 4; attempt += 1) {
      ollama.script("/api/chat", piece("x"), done({ eval_count: 100, eval_duration: 10e9 }));
      reporter.observe(scriptedModel, (await run(engine)).outcome);
    }
    const [model] = (await look()).report.models;
    expect(model?.capacity.effectiveBytesPerSecond.basis).toBe("measured");
    expect(model?.capacity.effectiveBytesPerSecond.value).toBeLessThan(50e9);
    expect(model?.capacity.prefillTokensPerSecond.basis).toBe("prior");
  });

  test("a model whose canaries miss is reported unhealthy, alone", async () => {
    const { look, ollama, engine, reporter, slots } = await startReporter();
    ollama.models = [...ollama.models, { name: "other:1b", capabilities: ["completion"] }];
    await look();
    ollama.always("/api/chat", { do: "refuse", status: 500, body: '{"error":"runner died"}' });
    const slot = slots.tryTake();
    const { outcome } = await run(engine);
    slot?.release();
    reporter.observe(scriptedModel, outcome);
    await expect
      .poll(async () => (await look()).report.unhealthy, { timeout: 8000 })
      .toEqual({
        [scriptedModel]: expect.stringMatching(/runner died/),
      });
  });
});
