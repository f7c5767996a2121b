import type { Log } from "@coop/core";
import { afterEach, expect, test, vi } from "vitest";
import {
  chat,
  generousLimits,
  run,
  scriptedModel,
  startEngineRig,
} from "../../../test/harness/ollama-engine.ts";
import type { EngineRig } from "../../../test/harness/ollama-engine.ts";
import { piece } from "../../../test/harness/scripted-ollama.ts";
import { createModelHealth } from "./model-health.ts";
import type { ModelHealth } from "./model-health.ts";
import { createSlots } from "./slots.ts";
import type { Slots } from "./slots.ts";
import { createSystemTiming } from "./timing.ts";

const silent = (): void => undefined;
const log: Log = { debug: silent, info: silent, warn: silent, error: silent };
const broken = {
  do: "refuse",
  status: 500,
  body: '{"error":"llama runner process has terminated"}',
} as const;

interface HealthRig extends EngineRig {
  readonly health: ModelHealth;
  readonly slots: Slots;
  readonly changes: () => number;
  /** Runs a job as an attempt does: takes a slot, gives it back, and says how it ended. */
  job(signal?: AbortSignal): Promise<string>;
}

const running: ModelHealth[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((health) => health.close()));
});

async function startHealth(slotCount = 1): Promise<HealthRig> {
  const rig = await startEngineRig();
  const slots = createSlots(slotCount);
  let changes = 0;
  const health = createModelHealth({
    engine: rig.engine,
    slots,
    timing: createSystemTiming(),
    log,
    canary: (model) => (model === scriptedModel ? chat({ maxOutputTokens: 1 }) : null),
    onChange: () => void (changes += 1),
    limits: { ...generousLimits, firstTokenMs: 1000 },
    intervals: { secondMs: 10, healingMs: 30, healingMsMax: 60 },
  });
  running.push(health);
  return {
    ...rig,
    health,
    slots,
    changes: () => changes,
    async job(signal) {
      const slot = slots.tryTake();
      if (slot === null) return "no slot";
      const { outcome } = await run(rig.engine, chat(), {}, signal);
      slot.release();
      health.ended(scriptedModel, outcome);
      return outcome.kind;
    },
  };
}

const eventually = (assertion: () => void | Promise<void>): Promise<void> =>
  vi.waitFor(assertion, { timeout: 6000, interval: 5 });

test("one fault does not condemn a model whose canary lives", async () => {
  const { ollama, health, job, slots, changes } = await startHealth();
  ollama.script("/api/chat", broken);
  expect(await job()).toBe("failed");
  expect(slots.free).toBe(0);
  await eventually(() => expect(slots.free).toBe(1));
  expect(ollama.callsOf("/api/chat")).toHaveLength(2);
  expect(ollama.callsOf("/api/chat")[1]?.body).toMatchObject({ options: { num_predict: 1 } });
  expect(health.unhealthy()).toEqual({});
  expect(changes()).toBe(0);
});

test("two canaries missed make the model unhealthy, and a good one heals it", async () => {
  const { ollama, health, job, slots, changes } = await startHealth();
  ollama.always("/api/chat", broken);
  await job();
  await eventually(() =>
    expect(health.unhealthy()).toEqual({ [scriptedModel]: expect.stringMatching(/terminated/) }),
  );
  expect(ollama.callsOf("/api/chat")).toHaveLength(3);
  expect(slots.free).toBe(1);
  ollama.always("/api/chat", { do: "behave" });
  await eventually(() => expect(health.unhealthy()).toEqual({}));
  expect(changes()).toBe(2);
});

test("a canary that hangs is a miss", async () => {
  const { ollama, health, job } = await startHealth();
  ollama.always("/api/chat", { do: "hang" });
  ollama.script("/api/chat", piece("Hel"), { do: "end" });
  await job();
  await eventually(() =>
    expect(health.unhealthy()).toEqual({ [scriptedModel]: expect.stringMatching(/first-token/) }),
  );
});

test("a model that hangs takes no slot from the others while it is tried again", async () => {
  const { ollama, health, job, slots } = await startHealth();
  ollama.always("/api/chat", broken);
  await job();
  await eventually(() => expect(health.unhealthy()).not.toEqual({}));
  const before = ollama.callsOf("/api/chat").length;
  ollama.always("/api/chat", { do: "hang" });
  await ollama.call("/api/chat", before);
  expect(slots.free).toBe(1);
  ollama.always("/api/chat", { do: "behave" });
  await eventually(() => expect(health.unhealthy()).toEqual({}));
});

test("a good job heals without waiting for a canary", async () => {
  const { ollama, health, job } = await startHealth();
  ollama.always("/api/chat", broken);
  await job();
  await eventually(() => expect(health.unhealthy()).not.toEqual({}));
  ollama.always("/api/chat", { do: "behave" });
  await eventually(async () => expect(["done", "no slot"]).toContain(await job()));
  await eventually(() => expect(health.unhealthy()).toEqual({}));
});

test("after a cancel the slot is held until the engine shows that it let go", async () => {
  const { ollama, job, slots } = await startHealth();
  ollama.script("/api/chat", { do: "hang" });
  ollama.script("/api/chat", { do: "pause", ms: 100 }, { do: "behave" });
  const cancel = new AbortController();
  void ollama.call("/api/chat").then(() => cancel.abort());
  expect(await job(cancel.signal)).toBe("aborted");
  expect(slots.tryTake()).toBeNull();
  await eventually(() => expect(slots.free).toBe(1));
  expect(ollama.callsOf("/api/chat")).toHaveLength(2);
});

test("two slots left by a cancel at once are both held until one canary lives", async () => {
  const { ollama, job, slots } = await startHealth(2);
  ollama.script("/api/chat", { do: "hang" });
  ollama.script("/api/chat", { do: "hang" });
  ollama.script("/api/chat", { do: "pause", ms: 100 }, { do: "behave" });
  const cancel = new AbortController();
  void ollama.call("/api/chat", 1).then(() => cancel.abort());
  expect(await Promise.all([job(cancel.signal), job(cancel.signal)])).toEqual(["aborted", "aborted"]);
  expect(slots.free).toBe(0);
  await eventually(() => expect(slots.free).toBe(2));
  expect(ollama.callsOf("/api/chat")).toHaveLength(3);
});

test("a model of two slots can be found unhealthy, too", async () => {
  const { ollama, health, job, slots } = await startHealth(2);
  ollama.always("/api/chat", broken);
  await Promise.all([job(), job()]);
  await eventually(() => expect(health.unhealthy()).toHaveProperty([scriptedModel]));
  await eventually(() => expect(slots.free).toBe(2));
});

test.for([
  ["a full engine", { do: "refuse", status: 503, body: '{"error":"server busy"}' }],
  ["a bad request", { do: "refuse", status: 400, body: '{"error":"does not support tools"}' }],
  ["a garbled tool call", { do: "refuse", status: 500, body: '{"error":"error parsing tool call"}' }],
] as const)("%s says nothing about the model", async ([, step]) => {
  const { ollama, health, job, slots } = await startHealth();
  ollama.script("/api/chat", step);
  await job();
  expect(slots.free).toBe(1);
  expect(ollama.callsOf("/api/chat")).toHaveLength(1);
  expect(health.unhealthy()).toEqual({});
});

test("a canary that misses while others keep the engine busy says nothing", async () => {
  const { ollama, health, job, slots } = await startHealth(2);
  const other = slots.tryTake();
  ollama.always("/api/chat", { do: "hang" });
  ollama.script("/api/chat", broken);
  await job();
  await eventually(() => expect(slots.free).toBe(1));
  expect(health.unhealthy()).toEqual({});
  other?.release();
});

test("closing stops a canary under way", async () => {
  const { ollama, health, job, slots } = await startHealth();
  ollama.always("/api/chat", { do: "hang" });
  ollama.script("/api/chat", broken);
  await job();
  await ollama.call("/api/chat", 1);
  await health.close();
  expect(slots.free).toBe(1);
});
