import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assert } from "../assert.ts";
import { leftTokens } from "../budget/node-budget.ts";
import type { NodeBudget } from "../budget/node-budget.ts";
import { referenceSeconds } from "../fairness/reference.ts";
import { FLOOD_JOBS_MIN, serviceGapBoundS } from "../fairness/window.ts";
import type { ModelReport, NodeReport } from "../fleet/node.ts";
import type { JobSpec } from "../job/job.ts";
import { modelRefusals, nodeRefusals } from "../placement/feasible.ts";
import {
  buildJobSpec,
  buildModelCapacity,
  buildModelReport,
  buildNodeBudget,
  buildNodeIdentity,
  buildNodeJoined,
  buildNodeReport,
  createManualClock,
} from "../testing/index.ts";
import { asJobId, asMemberId, asNodeId, TIERS } from "../terms.ts";
import type { JobId, MemberId, NodeId } from "../terms.ts";
import { createDispatcher } from "./dispatcher.ts";
import type { DispatchEffect, DispatchEvent } from "./events.ts";

/** Any sequence of what can happen to a small fleet; every step is checked against a plain account of it. */

const MEMBERS = ["mem_ada", "mem_bo", "mem_cy"].map(asMemberId);
const NODES = ["node_a", "node_b", "node_c"].map(asNodeId);
const MODELS: readonly ModelReport[] = [
  buildModelReport(),
  buildModelReport({ name: "qwen3:8b", parameterCount: 8.2e9, residentBytes: 7e9, contextTokens: 8_192 }),
  buildModelReport({ name: "qwen3:32b", parameterCount: 32.8e9, residentBytes: 24e9, loaded: false }),
  buildModelReport({ name: "nomic-embed-text", parameterCount: 137e6, capabilities: ["embedding"] }),
  buildModelReport({
    name: "far:cloud",
    parameterCount: 400e9,
    cloud: true,
    capabilities: ["completion", "vision"],
  }),
];
/** What the tiers of MODELS are, said again by hand. */
const TIER_OF: Readonly<Record<string, number>> = {
  "llama3.2:3b": 0,
  "qwen3:8b": 1,
  "qwen3:32b": 2,
  "nomic-embed-text": 0,
  "far:cloud": 2,
};

type Step =
  | {
      readonly kind: "submit";
      readonly changes: Partial<JobSpec> & { readonly deadlineInMs: number };
      readonly excluded: NodeId[];
      readonly delayMs: number;
    }
  | { readonly kind: "end" | "gone" | "progress"; readonly pick: number; readonly tokens: number }
  | {
      readonly kind: "join" | "report";
      readonly node: number;
      readonly report: NodeReport;
      readonly left: number | null;
      readonly leftOfMonth: number | null;
    }
  | { readonly kind: "leave" | "remove"; readonly node: number }
  | { readonly kind: "wait"; readonly ms: number };

const anyReport: fc.Arbitrary<NodeReport> = fc
  .record({
    models: fc.subarray([...MODELS]),
    speed: fc.constantFrom(10e9, 100e9, 500e9),
    slots: fc.nat(3),
    tokensPerDay: fc.option(fc.integer({ min: 0, max: 20_000 })),
    tokensPerMonth: fc.option(fc.integer({ min: 0, max: 40_000 })),
    paused: fc.boolean(),
    draining: fc.boolean(),
    pressure: fc.constantFrom("normal", "normal", "warning", "critical"),
    thermal: fc.constantFrom("nominal", "nominal", "serious", "critical"),
    interference: fc.constantFrom(1, 0.2),
    sick: fc.subarray(
      MODELS.map(({ name }) => name),
      { maxLength: 1 },
    ),
  })
  .map(({ speed, sick, models, interference, draining, paused, ...rest }) =>
    buildNodeReport({
      ...rest,
      draining: draining && rest.slots === 3,
      availability:
        paused && rest.slots === 2 ? { kind: "closed", reason: "paused", untilMs: null } : { kind: "open" },
      modelMemoryBytes: 30e9,
      interference: { value: interference, basis: "prior" },
      unhealthy: Object.fromEntries(sick.map((name) => [name, "missed its canary"])),
      models: models.map((model) => ({
        ...model,
        capacity: buildModelCapacity({ effectiveBytesPerSecond: { value: speed, basis: "prior" } }),
      })),
    }),
  );

const anySpec: fc.Arbitrary<Partial<JobSpec> & { readonly deadlineInMs: number }> = fc.record({
  member: fc.constantFrom(...MEMBERS),
  weight: fc.constantFrom(1, 2),
  endpoint: fc.constantFrom("chat", "chat", "chat", "embeddings"),
  target: fc.oneof(
    fc.constantFrom(...TIERS).map((tier) => ({ kind: "tier" as const, tier })),
    fc.constantFrom(...MODELS).map(({ name }) => ({ kind: "model" as const, model: name })),
  ),
  privacy: fc.constantFrom("own", "coop", "any"),
  needs: fc.constantFrom([], [], ["tools" as const], ["vision" as const]),
  promptTokens: fc.nat(12_000),
  promptTokensMax: fc.integer({ min: 12_000, max: 14_000 }),
  maxOutputTokens: fc.integer({ min: 1, max: 2_000 }),
  band: fc.constantFrom("interactive", "batch"),
  deadlineInMs: fc.constantFrom(1_000, 15_000, 30_000, 86_400_000),
});

const pick = fc.nat(50);
const node = fc.nat(NODES.length - 1);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("submit" as const),
      changes: anySpec,
      excluded: fc.subarray([...NODES], { maxLength: 1 }),
      delayMs: fc.constantFrom(0, 0, 0, 5_000),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("end", "end", "gone", "progress"),
      pick,
      tokens: fc.nat(3_000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom("join", "report"),
      node,
      report: anyReport,
      left: fc.option(fc.nat(40_000)),
      leftOfMonth: fc.option(fc.nat(80_000)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("leave", "remove"), node }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(20_000) }) },
);

const budgetOf = ({ left, leftOfMonth }: Extract<Step, { left: unknown }>): NodeBudget => ({
  ...buildNodeBudget(),
  dayLeftTokens: left,
  monthLeftTokens: leftOfMonth,
});

/** Plays steps against a dispatcher and keeps a plain account of jobs and nodes. */
function createWorld() {
  const clock = createManualClock();
  const dispatcher = createDispatcher({ clock });
  const pending = new Map<
    JobId,
    { readonly spec: JobSpec; readonly excluded: readonly NodeId[]; readonly dueMs: number }
  >();
  const active = new Map<JobId, { readonly spec: JobSpec; readonly node: NodeId }>();
  const joined = new Set<NodeId>();
  const sent = new Map<MemberId, number>();
  let jobs = 0;

  const eventFor = (step: Step): DispatchEvent | null => {
    switch (step.kind) {
      case "submit": {
        jobs += 1;
        const { deadlineInMs, ...changes } = step.changes;
        const spec = buildJobSpec({
          ...changes,
          id: asJobId(`job_${jobs}`),
          submittedAtMs: clock.now(),
          deadlineMs: clock.now() + deadlineInMs,
        });
        const dueMs = step.delayMs === 0 ? 0 : clock.now() + step.delayMs;
        sent.set(spec.member, (sent.get(spec.member) ?? 0) + 1);
        pending.set(spec.id, { spec, excluded: step.excluded, dueMs });
        return { kind: "job-pending", spec, excludedNodes: step.excluded, notBeforeMs: dueMs };
      }
      case "end":
      case "progress": {
        const id = [...active.keys()][step.pick % Math.max(1, active.size)];
        const attempt = id === undefined ? undefined : active.get(id);
        if (attempt === undefined) return null;
        const { spec } = attempt;
        const outputTokens = Math.min(step.tokens, spec.maxOutputTokens);
        if (step.kind === "progress")
          return { kind: "attempt-progress", job: spec.id, phase: "decode", outputTokens };
        active.delete(spec.id);
        return {
          kind: "attempt-ended",
          job: spec.id,
          usage: { promptTokens: spec.promptTokens, outputTokens },
        };
      }
      case "gone": {
        const all = [...pending.keys(), ...active.keys()];
        const job = all[step.pick % Math.max(1, all.length)];
        if (job === undefined) return null;
        pending.delete(job);
        active.delete(job);
        return { kind: "job-gone", job };
      }
      case "join":
      case "report": {
        const id = NODES[step.node];
        assert(id !== undefined, "the step names a node");
        if (step.kind === "report") {
          return { kind: "node-reported", node: id, report: step.report, budget: budgetOf(step) };
        }
        joined.add(id);
        for (const [job, attempt] of active) if (attempt.node === id) active.delete(job);
        const identity = buildNodeIdentity({
          id,
          name: id,
          owner: MEMBERS[step.node] ?? asMemberId("mem_x"),
        });
        return buildNodeJoined({ identity, report: step.report, budget: budgetOf(step) });
      }
      case "leave":
      case "remove": {
        const id = NODES[step.node];
        assert(id !== undefined, "the step names a node");
        if (step.kind === "leave") return { kind: "node-left", node: id };
        joined.delete(id);
        for (const [job, attempt] of active) if (attempt.node === id) active.delete(job);
        return { kind: "node-removed", node: id };
      }
      case "wait":
        clock.advance(step.ms);
        return { kind: "tick" };
    }
  };

  return {
    clock,
    dispatcher,
    pending,
    active,
    joined,
    sent: (member: MemberId): number => sent.get(member) ?? 0,
    play(step: Step): readonly DispatchEffect[] {
      const event = eventFor(step);
      const effects = event === null ? [] : dispatcher.step(event);
      for (const { spec, node: home } of effects) {
        assert(pending.delete(spec.id), `${spec.id} was pending when it was assigned`);
        assert(!active.has(spec.id), `${spec.id} was not active when it was assigned`);
        active.set(spec.id, { spec, node: home });
      }
      return effects;
    },
  };
}

type World = ReturnType<typeof createWorld>;

const viewsOf = (world: World) =>
  new Map(world.dispatcher.snapshot().nodes.map((view) => [view.identity.id, view]));

/** The promises to a member, said without the code that keeps them. */
function expectAllowed(world: World, { spec, node: id, model: name }: DispatchEffect): void {
  const view = viewsOf(world).get(id);
  const model = view?.report.models.find((known) => known.name === name);
  assert(view !== undefined && model !== undefined, "a job is assigned to a known model of a known node");
  if (spec.target.kind === "model") expect(name).toBe(spec.target.model);
  else expect(TIER_OF[name]).toBeGreaterThanOrEqual(TIERS.indexOf(spec.target.tier));
  if (spec.privacy === "own") expect(view.identity.owner).toBe(spec.member);
  if (spec.privacy !== "any") expect(model.cloud).toBe(false);
  expect(model.capabilities).toEqual(expect.arrayContaining([...spec.needs]));
  expect(model.capabilities.includes("embedding")).toBe(spec.endpoint === "embeddings");
  expect(spec.promptTokens + spec.maxOutputTokens).toBeLessThanOrEqual(model.contextTokens);
  expect(view.connected).toBe(true);
  expect(view.report.draining).toBe(false);
  expect([view.report.pressure, view.report.thermal]).not.toContain("critical");
  expect(view.report.unhealthy[name]).toBeUndefined();
}

/**
 * Jobs that some model could serve at once if nothing else ran or waited; not those that may wait for the pace of a
 * token budget.
 */
function servable(world: World): JobSpec[] {
  const views = [...viewsOf(world).values()];
  return [...world.pending.values()]
    .filter(({ dueMs }) => dueMs <= world.clock.now())
    .map(({ spec }) => spec)
    .filter((spec) => {
      const able = views.filter(
        (view) =>
          nodeRefusals(spec, view, []).length === 0 &&
          view.report.models.some((model) => modelRefusals(spec, view, model).length === 0),
      );
      return able.length > 0 && able.every(({ budget }) => leftTokens(budget) === Infinity);
    });
}

const steps = fc.array(anyStep, { maxLength: 60, size: "max" });
const RUNS = 300;

describe("whatever happens", () => {
  test("no job is below its tier, off its privacy, or on a node that may not take it", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const world = createWorld();
        for (const step of sequence) for (const effect of world.play(step)) expectAllowed(world, effect);
      }),
      { numRuns: RUNS },
    );
    expect.hasAssertions();
  });

  test("no slot and no token budget is exceeded by an assignment", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const world = createWorld();
        for (const step of sequence) {
          const before = viewsOf(world);
          const effects = world.play(step);
          for (const [id, view] of viewsOf(world)) {
            if (!effects.some((effect) => effect.node === id)) continue;
            expect(view.active.length).toBeLessThanOrEqual(view.report.slots);
            expect(leftTokens(view.budget)).toBeGreaterThanOrEqual(0);
          }
          expect(before.size).toBeLessThanOrEqual(NODES.length);
        }
      }),
      { numRuns: RUNS },
    );
  });

  test("no job is lost or assigned twice, and the dispatcher knows what runs where", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const world = createWorld();
        for (const step of sequence) {
          world.play(step);
          expect(world.dispatcher.pendingCount()).toBe(world.pending.size);
          const running = [...viewsOf(world)].flatMap(([id, view]) =>
            view.active.map(({ job }) => `${job} ${id}`),
          );
          const known = [...world.active].map(([job, attempt]) => `${job} ${attempt.node}`);
          expect(running.sort()).toEqual(known.sort());
        }
      }),
      { numRuns: RUNS },
    );
  });

  test("an idle fleet starts a job that it can serve, a flood's in ten minutes", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const world = createWorld();
        for (const step of sequence) {
          world.play(step);
          if (world.active.size > 0) continue;
          const held = servable(world);
          for (const { member } of held) expect(world.sent(member)).toBeGreaterThanOrEqual(FLOOD_JOBS_MIN);
          if (held.length > 0) world.play({ kind: "wait", ms: 600_000 });
          if (world.active.size === 0) expect(servable(world)).toEqual([]);
        }
      }),
      { numRuns: RUNS },
    );
  });

  test("once everything ends, every job that the fleet can serve is served", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const world = createWorld();
        for (const step of sequence) world.play(step);
        world.play({ kind: "wait", ms: 60_000 });
        for (let turn = 0; turn < 200; turn += 1) {
          if (world.active.size > 0) world.play({ kind: "end", pick: 0, tokens: 30 });
          else if (servable(world).length > 0) world.play({ kind: "wait", ms: 600_000 });
        }
        expect(world.active.size).toBe(0);
        expect(servable(world)).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  });

  test("an explanation refuses what is not feasible, costs what is, and says the same when asked twice", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const world = createWorld();
        for (const step of sequence) world.play(step);
        for (const { spec, excluded } of world.pending.values()) {
          const placement = world.dispatcher.explain(spec.id);
          expect(placement).toEqual(world.dispatcher.explain(spec.id));
          for (const verdict of placement?.nodes ?? []) {
            const view = viewsOf(world).get(verdict.node);
            assert(view !== undefined, "the explanation is of a known node");
            for (const option of verdict.options) {
              const model = view.report.models.find(({ name }) => name === option.model);
              if (model === undefined) continue;
              const strict = [...nodeRefusals(spec, view, excluded), ...modelRefusals(spec, view, model)];
              const lenient = [...nodeRefusals(spec, view, []), ...modelRefusals(spec, view, model)];
              if (option.kind === "costed") expect(lenient).toEqual([]);
              else
                expect(
                  strict.length +
                    option.refusals.filter(
                      ({ reason }) => reason === "fair-order" || reason === "owner-first",
                    ).length,
                ).toBeGreaterThan(0);
            }
          }
        }
      }),
      { numRuns: RUNS },
    );
  });

  test("the same events lead to the same assignments", () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const [one, other] = [createWorld(), createWorld()];
        for (const step of sequence) expect(one.play(step)).toEqual(other.play(step));
      }),
      { numRuns: 100 },
    );
  });

  test("of members who both wait for a node, none is served more than the window and a job beyond the other", () => {
    const sizes = fc.array(fc.record({ prompt: fc.nat(6_000), output: fc.integer({ min: 1, max: 2_000 }) }), {
      minLength: 20,
      maxLength: 80,
    });
    fc.assert(
      fc.property(sizes, sizes, fc.constantFrom(1, 3), fc.boolean(), (ofAda, ofBo, weightOfAda, hurries) => {
        const clock = createManualClock();
        const dispatcher = createDispatcher({ clock });
        dispatcher.step(buildNodeJoined({ report: buildNodeReport({ slots: 1 }) }));
        const servedS = new Map(MEMBERS.map((member) => [member, 0]));
        const outputs = new Map<JobId, number>();
        const left = new Map([
          [MEMBERS[0], ofAda.length],
          [MEMBERS[1], ofBo.length],
        ]);
        let running: DispatchEffect | undefined;
        let largestS = 0;
        for (const [member, jobs] of [
          [MEMBERS[0], ofAda],
          [MEMBERS[1], ofBo],
        ] as const) {
          for (const [index, { prompt, output }] of jobs.entries()) {
            assert(member !== undefined, "there are two members");
            const weight = member === MEMBERS[0] ? weightOfAda : 1;
            const isShort = hurries && member === MEMBERS[0];
            const id = asJobId(`job_${member}_${index}`);
            const spec = buildJobSpec({
              id,
              member,
              weight,
              promptTokens: prompt,
              maxOutputTokens: 2_000,
              deadlineMs: clock.now() + (isShort ? 40_000 : 86_400_000),
            });
            outputs.set(id, output);
            largestS = Math.max(largestS, referenceSeconds(buildModelCapacity(), prompt, 2_000) / weight);
            const [effect] = dispatcher.step({
              kind: "job-pending",
              spec,
              excludedNodes: [],
              notBeforeMs: 0,
            });
            running ??= effect;
          }
        }
        while (running !== undefined) {
          const { spec }: DispatchEffect = running;
          const usage = { promptTokens: spec.promptTokens, outputTokens: outputs.get(spec.id) ?? 0 };
          const tookS =
            referenceSeconds(buildModelCapacity(), usage.promptTokens, usage.outputTokens) / spec.weight;
          servedS.set(spec.member, (servedS.get(spec.member) ?? 0) + tookS);
          left.set(spec.member, (left.get(spec.member) ?? 0) - 1);
          if ([...left.values()].every((count) => count > 0)) {
            const gapS = Math.abs(
              (servedS.get(asMemberId("mem_ada")) ?? 0) - (servedS.get(asMemberId("mem_bo")) ?? 0),
            );
            expect(gapS).toBeLessThanOrEqual(serviceGapBoundS(largestS) / 2);
          }
          [running] = dispatcher.step({ kind: "attempt-ended", job: spec.id, usage });
        }
        expect([...left.values()]).toEqual([0, 0]);
      }),
      { numRuns: 60 },
    );
  });
});
