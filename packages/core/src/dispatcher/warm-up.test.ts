import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  buildJobSpec,
  buildModelCapacity,
  buildModelReport,
  buildNodeJoined,
  buildNodeReport,
  createManualClock,
} from "../testing/index.ts";
import { asJobId } from "../terms.ts";
import { createDispatcher } from "./dispatcher.ts";
import { NEVER_WARMED, noteWarmUp, warmUpOf } from "./warm-up.ts";
import type { Reservation } from "./warm-up.ts";
import type { PlanModel, PlanNode } from "../placement/plan.ts";

const NOW_MS = 1_000_000;

const model = (name: string, changes: Partial<PlanModel> = {}): PlanModel => ({
  name,
  tier: "edge",
  capacity: buildModelCapacity(),
  residentBytes: 4e9,
  loadS: 10,
  loaded: false,
  lastUseMs: 0,
  startsPerSecond: 0,
  speed: 1,
  ...changes,
});
/** Runs `busy`, which is in memory beside `idle`; `wanted` and `also` are not. */
const planWith = (changes: Partial<PlanNode> = {}): PlanNode => ({
  slots: 1,
  modelMemoryBytes: 20e9,
  interference: 1,
  tokenPriceS: 0,
  release: null,
  models: [
    model("busy", { loaded: true }),
    model("wanted"),
    model("idle", { loaded: true }),
    model("also", { loadS: 5 }),
  ],
  running: [{ model: 0, loadS: 0, prefillS: 0, decodeS: 30, weight: 1 }],
  ...changes,
});
const BUSY = 0;
const WANTED = 1;
const IDLE = 2;
const ALSO = 3;

const waiting = (count: number, waitS: number, of = WANTED): Reservation[] =>
  Array.from({ length: count }, () => ({ model: of, waitS }));
const tight = planWith({ modelMemoryBytes: 12e9 - 1 });

describe("a load", () => {
  test.for([
    ["for one job saves no more than it takes", waiting(1, 30), null],
    ["for two pays", waiting(2, 30), { model: WANTED, unload: [], gainS: 10 }],
    ["that is hardly over by their turn does not", waiting(2, 5), null],
    ["for many that wait a little pays", waiting(5, 5), { model: WANTED, unload: [], gainS: 15 }],
    ["of what is in memory is none", waiting(9, 30, IDLE), null],
    [
      "that gains most is taken",
      [...waiting(3, 30), ...waiting(9, 30, ALSO)],
      { model: ALSO, unload: [], gainS: 40 },
    ],
  ] as const)("%s", ([, reservations, expected]) => {
    expect(warmUpOf(planWith(), reservations, NEVER_WARMED, NOW_MS)).toEqual(expected);
  });

  test("throws out an idle model where memory is short, but none that a job waits for", () => {
    expect(warmUpOf(tight, waiting(3, 30), NEVER_WARMED, NOW_MS)).toMatchObject({ unload: [IDLE] });
    const both = [...waiting(3, 30), ...waiting(1, 30, IDLE)];
    expect(warmUpOf(tight, both, NEVER_WARMED, NOW_MS)).toBeNull();
  });

  test("does not throw out what will be wanted again at once", () => {
    const popular = planWith({
      modelMemoryBytes: 12e9 - 1,
      models: tight.models.map((one, index) =>
        index === IDLE ? { ...one, loadS: 15, startsPerSecond: 1 } : one,
      ),
    });
    expect(warmUpOf(popular, waiting(2, 30), NEVER_WARMED, NOW_MS)).toBeNull();
    expect(warmUpOf(popular, waiting(9, 30), NEVER_WARMED, NOW_MS)).not.toBeNull();
  });

  test("that does not fit beside what runs is not begun", () => {
    expect(warmUpOf(planWith({ modelMemoryBytes: 7e9 }), waiting(9, 30), NEVER_WARMED, NOW_MS)).toBeNull();
  });

  test("is wished once, and not turned round for five minutes", () => {
    const warmUp = warmUpOf(tight, waiting(3, 30), NEVER_WARMED, NOW_MS);
    if (warmUp === null) throw new Error("the load pays");
    const history = noteWarmUp(NEVER_WARMED, tight, warmUp, NOW_MS);
    expect(warmUpOf(tight, waiting(3, 30), history, NOW_MS + 29_999)).toBeNull();
    // Now the other way round: the first is in memory, and the one that left for it is wanted.
    const turned = planWith({
      modelMemoryBytes: 12e9 - 1,
      models: tight.models.map((one, index) => ({ ...one, loaded: index === BUSY || index === WANTED })),
    });
    expect(warmUpOf(turned, waiting(9, 300, IDLE), history, NOW_MS + 299_999)).toBeNull();
    expect(warmUpOf(turned, waiting(9, 300, ALSO), history, NOW_MS + 299_999)).toBeNull();
    expect(warmUpOf(turned, waiting(9, 300, IDLE), history, NOW_MS + 300_000)).toMatchObject({
      model: IDLE,
      unload: [WANTED],
    });
  });
});

test("whatever waits, a load pays, fits, and throws out nothing that runs or is waited for", () => {
  const anyModel = fc.record({
    residentBytes: fc.integer({ min: 1, max: 10 }),
    loadS: fc.integer({ min: 1, max: 60 }),
    loaded: fc.boolean(),
    startsPerSecond: fc.constantFrom(0, 0.01, 1),
  });
  const anyCase = fc.record({
    models: fc.array(anyModel, { minLength: 1, maxLength: 5 }),
    memory: fc.integer({ min: 1, max: 25 }),
    running: fc.option(fc.nat(4)),
    reservations: fc.array(fc.record({ model: fc.nat(4), waitS: fc.nat(100) }), { maxLength: 20 }),
  });
  fc.assert(
    fc.property(anyCase, ({ models, memory, running, reservations }) => {
      const runs = running === null ? null : running % models.length;
      const plan = planWith({
        modelMemoryBytes: memory,
        models: models.map((changes, index) =>
          model(`m${index}`, { ...changes, loaded: changes.loaded || index === runs }),
        ),
        running: runs === null ? [] : [{ model: runs, loadS: 0, prefillS: 0, decodeS: 30, weight: 1 }],
      });
      const waits = reservations.map((one) => ({ ...one, model: one.model % models.length }));
      const warmUp = warmUpOf(plan, waits, NEVER_WARMED, NOW_MS);
      if (warmUp === null) return;
      const at = (index: number): PlanModel => {
        const found = plan.models[index];
        if (found === undefined) throw new Error(`no model ${index}`);
        return found;
      };
      expect(at(warmUp.model).loaded).toBe(false);
      let savedS = 0;
      for (const one of waits) {
        if (one.model === warmUp.model) savedS += Math.min(one.waitS, at(warmUp.model).loadS);
      }
      expect(savedS).toBeGreaterThan(at(warmUp.model).loadS);
      for (const index of warmUp.unload) {
        expect(index).not.toBe(runs);
        expect(waits.map((one) => one.model)).not.toContain(index);
        expect(at(index).loaded).toBe(true);
      }
      let bytes = at(warmUp.model).residentBytes;
      for (const [index, one] of plan.models.entries()) {
        if (one.loaded && !warmUp.unload.includes(index)) bytes += one.residentBytes;
      }
      if (warmUp.unload.length > 0) expect(bytes).toBeLessThanOrEqual(memory);
    }),
  );
});

describe("a dispatcher", () => {
  /** A node of one slot that runs a long job of its small model while jobs for another wait. */
  const start = (waitingJobs: number, modelMemoryBytes = 88e9) => {
    const clock = createManualClock();
    const dispatcher = createDispatcher({ clock });
    const report = buildNodeReport({
      slots: 1,
      modelMemoryBytes,
      models: [
        buildModelReport(),
        buildModelReport({ name: "qwen3:8b", parameterCount: 8e9, residentBytes: 8e9, loaded: false }),
      ],
    });
    const joined = buildNodeJoined({ report });
    dispatcher.step(joined);
    const submit = (id: string, name: string) =>
      dispatcher.step({
        kind: "job-pending",
        spec: buildJobSpec({ id: asJobId(id), target: { kind: "model", model: name } }),
        excludedNodes: [],
        notBeforeMs: 0,
      });
    submit("job_running", "llama3.2:3b");
    for (let index = 0; index < waitingJobs; index += 1) submit(`job_${index}`, "qwen3:8b");
    return { clock, dispatcher, node: joined.identity.id };
  };

  test("wishes for the model that several jobs wait for, once", () => {
    const { clock, dispatcher, node } = start(4);
    expect(dispatcher.wishes()).toEqual([{ kind: "warm", node, model: "qwen3:8b" }]);
    clock.advance(2_000);
    expect(dispatcher.wishes()).toEqual([]);
  });

  test("wishes for nothing for one job, without jobs, or where what runs leaves no memory", () => {
    expect(start(1).dispatcher.wishes()).toEqual([]);
    expect(start(0).dispatcher.wishes()).toEqual([]);
    expect(start(4, 9e9).dispatcher.wishes()).toEqual([]);
  });

  test("does not wish of a node that left", () => {
    const { dispatcher, node } = start(4);
    dispatcher.step({ kind: "node-left", node });
    expect(dispatcher.wishes()).toEqual([]);
  });
});
