import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assert } from "../assert.ts";
import type { NodeView } from "../fleet/node.ts";
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
import { asJobId, asMemberId, asNodeId } from "../terms.ts";
import type { JobId, NodeId } from "../terms.ts";
import { createDispatcher } from "./dispatcher.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { DispatchEffect } from "./events.ts";

const [ADA, BO, CY] = [asMemberId("mem_ada"), asMemberId("mem_bo"), asMemberId("mem_cy")];
const STUDIO = asNodeId("node_studio");
const PI = asNodeId("node_pi");
const figure = (value: number) => ({ value, basis: "measured" as const });
const SMALL = buildModelReport();
const LARGE = buildModelReport({ name: "qwen3:32b", parameterCount: 32.8e9, residentBytes: 24e9 });
const slow = buildModelCapacity({
  fixedMsPerToken: figure(0),
  effectiveBytesPerSecond: figure(10e9),
  prefillTokensPerSecond: figure(15),
});

let jobs = 0;
const job = (changes: Partial<JobSpec> = {}): JobSpec => {
  jobs += 1;
  return buildJobSpec({ id: asJobId(`job_${jobs}`), ...changes });
};
const submit = (dispatcher: Dispatcher, spec: JobSpec, excluded: readonly NodeId[] = []) =>
  dispatcher.step({ kind: "job-pending", spec, excludedNodes: excluded, notBeforeMs: 0 });
const finish = (dispatcher: Dispatcher, spec: JobSpec, outputTokens = 100) =>
  dispatcher.step({
    kind: "attempt-ended",
    job: spec.id,
    usage: { promptTokens: spec.promptTokens, outputTokens },
  });
const placed = (effects: readonly DispatchEffect[]) => effects.map(({ spec, node }) => [spec.id, node]);

/** Ada's Studio and Bo's Pi, each with one slot unless told otherwise. */
function start({ studioSlots = 1, piSlots = 1 } = {}) {
  const clock = createManualClock();
  const dispatcher = createDispatcher({ clock });
  dispatcher.step(
    buildNodeJoined({
      identity: buildNodeIdentity({ id: STUDIO, name: "studio", owner: ADA }),
      report: buildNodeReport({ slots: studioSlots }),
    }),
  );
  dispatcher.step(
    buildNodeJoined({
      identity: buildNodeIdentity({ id: PI, name: "pi", owner: BO }),
      report: buildNodeReport({ slots: piSlots, models: [buildModelReport({ capacity: slow })] }),
    }),
  );
  return { clock, dispatcher };
}

describe("on their own node", () => {
  test("an owner's large job goes before another's small one", () => {
    const { dispatcher } = start();
    const running = job({ member: CY });
    submit(dispatcher, running);
    submit(dispatcher, job({ member: CY, promptTokens: 10, maxOutputTokens: 10 }));
    const own = job({ member: ADA, promptTokens: 6_000, maxOutputTokens: 2_000 });
    submit(dispatcher, own);
    expect(placed(finish(dispatcher, running))[0]).toEqual([own.id, STUDIO]);
  });

  test("an owner's batch work goes before another's interactive work", () => {
    const { dispatcher } = start();
    const running = job({ member: CY });
    submit(dispatcher, running);
    submit(dispatcher, job({ member: CY }));
    const own = job({ member: ADA, band: "batch" });
    submit(dispatcher, own);
    expect(placed(finish(dispatcher, running))).toEqual([[own.id, STUDIO]]);
  });

  test("what owners had counts, yet holds them back on the nodes of others only", () => {
    const { dispatcher } = start({ studioSlots: 2 });
    for (let count = 0; count < 100; count += 1) {
      const spec = job({ member: ADA, maxOutputTokens: 2_000 });
      expect(submit(dispatcher, spec)).toHaveLength(1);
      finish(dispatcher, spec, 2_000);
    }
    const [one, other] = [job({ member: ADA }), job({ member: ADA })];
    for (const spec of [one, other]) submit(dispatcher, spec);
    const [own, behind] = [job({ member: ADA }), job({ member: CY })];
    for (const spec of [behind, own]) submit(dispatcher, spec);
    expect(placed(finish(dispatcher, one))).toEqual([[own.id, STUDIO]]);
    const nobodysPi = dispatcher.explain(behind.id);
    expect(nobodysPi?.decision.kind).not.toBe("impossible");
    submit(dispatcher, job({ member: BO, promptTokens: 9_000 }));
    expect(placed(finish(dispatcher, other))).toEqual([[behind.id, STUDIO]]);
  });

  test.each([
    ["had much", 300, 0],
    ["asks for most", 2, 1_200],
  ])("an owner who %s goes before however many others wait", (_, served, asked) => {
    const { dispatcher } = start();
    const longest = { member: ADA, maxOutputTokens: 2_000 };
    let running = job(longest);
    submit(dispatcher, running);
    for (let count = 0; count < 400; count += 1) submit(dispatcher, job({ member: CY, promptTokens: 10 }));
    for (let count = 0; count < asked; count += 1) {
      const spec = job({ member: ADA });
      submit(dispatcher, spec);
      dispatcher.step({ kind: "job-gone", job: spec.id });
    }
    for (let count = 0; count < served; count += 1) {
      const own = job(longest);
      submit(dispatcher, own);
      expect(placed(finish(dispatcher, running, 2_000))).toContainEqual([own.id, STUDIO]);
      running = own;
    }
  });

  test("the node is kept while its owner's job waits for a better one, and told so", () => {
    const { dispatcher } = start();
    submit(dispatcher, job({ member: CY }));
    const own = job({ member: BO });
    expect(submit(dispatcher, own)).toEqual([]);
    expect(dispatcher.explain(own.id)?.decision).toMatchObject({ kind: "held", forNode: STUDIO });
    const forPi = job({ member: CY, promptTokens: 5, maxOutputTokens: 5 });
    for (let count = 0; count < 40; count += 1) submit(dispatcher, job({ member: CY }));
    expect(placed(submit(dispatcher, forPi)).filter(([id]) => id === forPi.id)).toEqual([]);
    const verdict = dispatcher.explain(forPi.id)?.nodes.find(({ node }) => node === PI);
    expect(verdict?.options[0]).toMatchObject({
      kind: "refused",
      refusals: [{ reason: "owner-first", passing: true, detail: "pi is kept for a job of its owner" }],
    });
  });

  test("a kept node is free for others as soon as the owner's job started elsewhere", () => {
    const { dispatcher } = start();
    const running = job({ member: CY });
    submit(dispatcher, running);
    const own = job({ member: BO, promptTokens: 10, maxOutputTokens: 10 });
    expect(submit(dispatcher, own)).toEqual([]);
    const others = Array.from({ length: 60 }, () => job({ member: CY, maxOutputTokens: 40 }));
    for (const spec of others) expect(submit(dispatcher, spec)).toEqual([]);
    const effects = finish(dispatcher, running);
    expect(placed(effects)[0]).toEqual([own.id, STUDIO]);
    expect(effects.map(({ node }) => node)).toContain(PI);
  });

  test.each([
    ["may not use the node again", { excluded: [STUDIO] }],
    ["is too long for it", { promptTokens: 60_000 }],
    ["asks for a model that it has not", { target: { kind: "model" as const, model: "absent" } }],
    ["backs off", { notBeforeMs: 5_000 }],
  ])(
    "an owner's job that %s keeps the node from nobody",
    (
      _,
      {
        excluded = [],
        notBeforeMs,
        ...changes
      }: {
        excluded?: NodeId[];
        notBeforeMs?: number;
      } & Partial<JobSpec>,
    ) => {
      const { clock, dispatcher } = start();
      const running = job({ member: CY });
      submit(dispatcher, running);
      dispatcher.step({
        kind: "job-pending",
        spec: job({ member: ADA, ...changes }),
        excludedNodes: excluded,
        notBeforeMs: notBeforeMs === undefined ? 0 : clock.now() + notBeforeMs,
      });
      const waiting = job({ member: CY });
      submit(dispatcher, waiting);
      expect(placed(finish(dispatcher, running))).toContainEqual([waiting.id, STUDIO]);
    },
  );

  test("in a fleet of hundreds of faster nodes, owners still find their own", () => {
    const clock = createManualClock();
    const dispatcher = createDispatcher({ clock });
    for (let index = 0; index < 300; index += 1) {
      dispatcher.step(
        buildNodeJoined({
          identity: buildNodeIdentity({ id: asNodeId(`node_${index}`), name: `n${index}`, owner: CY }),
          report: buildNodeReport({ slots: 1 }),
        }),
      );
    }
    dispatcher.step(
      buildNodeJoined({
        identity: buildNodeIdentity({ id: PI, name: "pi", owner: BO }),
        report: buildNodeReport({ models: [buildModelReport({ capacity: slow })] }),
      }),
    );
    const specs = Array.from({ length: 300 }, () => job({ member: ADA, maxOutputTokens: 4_000 }));
    for (const spec of specs) submit(dispatcher, spec);
    const own = job({ member: BO, promptTokens: 5, maxOutputTokens: 5 });
    expect(placed(submit(dispatcher, own))).toEqual([[own.id, PI]]);
  });
});

type Step =
  | { readonly kind: "submit"; readonly changes: Partial<JobSpec>; readonly excluded: readonly NodeId[] }
  | { readonly kind: "end"; readonly pick: number }
  | { readonly kind: "report"; readonly node: number; readonly left: number | null };

const OWNERS = [ADA, BO, CY];
const NODES = ["node_a", "node_b", "node_c"].map(asNodeId);
const REPORTS = [
  buildNodeReport({ slots: 2, modelMemoryBytes: 26e9, models: [SMALL, LARGE] }),
  buildNodeReport({ slots: 1, models: [buildModelReport({ capacity: slow })] }),
  buildNodeReport({ slots: 3, modelMemoryBytes: 60e9, models: [LARGE, { ...SMALL, loaded: false }] }),
];
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant("submit" as const),
        excluded: fc.subarray([...NODES], { maxLength: 1 }),
        changes: fc.record({
          member: fc.constantFrom(...OWNERS),
          target: fc.constantFrom(
            { kind: "tier" as const, tier: "edge" as const },
            { kind: "tier" as const, tier: "local-large" as const },
          ),
          privacy: fc.constantFrom("own" as const, "coop" as const),
          band: fc.constantFrom("interactive" as const, "batch" as const),
          promptTokens: fc.constantFrom(10, 800, 9_000, 15_000),
          promptTokensMax: fc.constantFrom(16_000),
          maxOutputTokens: fc.constantFrom(20, 1_000, 4_000),
          deadlineMs: fc.constantFrom(1_000, 15_000, 300_000).map((inMs) => createManualClock().now() + inMs),
        }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("end" as const), pick: fc.nat(20) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("report" as const),
        node: fc.nat(2),
        left: fc.option(fc.nat(60_000)),
      }),
    },
  ),
  { minLength: 10, maxLength: 60, size: "max" },
);

/** Whether the models that run, without those of the given jobs, leave memory for one more. */
function fitsBeside(view: NodeView, name: string): boolean {
  const names = new Set([name, ...view.active.map(({ model }) => model)]);
  const bytes = view.report.models
    .filter((model) => names.has(model.name))
    .reduce((sum, { residentBytes }) => sum + residentBytes, 0);
  return bytes <= view.report.modelMemoryBytes;
}

describe("whatever happens", () => {
  test("nobody starts on a node while a job of its owner waits that could start there", () => {
    let seen = 0;
    fc.assert(
      fc.property(steps, (sequence) => {
        const dispatcher = createDispatcher({ clock: createManualClock() });
        const waiting = new Map<JobId, { readonly spec: JobSpec; readonly excluded: readonly NodeId[] }>();
        const active: JobSpec[] = [];
        NODES.forEach((id, index) =>
          dispatcher.step(
            buildNodeJoined({
              identity: buildNodeIdentity({ id, name: id, owner: OWNERS[index] ?? ADA }),
              report: REPORTS[index] ?? buildNodeReport(),
            }),
          ),
        );
        const play = (step: Step): readonly DispatchEffect[] => {
          if (step.kind === "submit") {
            const spec = job(step.changes);
            waiting.set(spec.id, { spec, excluded: step.excluded });
            return submit(dispatcher, spec, step.excluded);
          }
          if (step.kind === "end") {
            const [spec] = active.splice(step.pick % Math.max(1, active.length), 1);
            return spec === undefined ? [] : finish(dispatcher, spec);
          }
          const [node, report] = [NODES[step.node], REPORTS[step.node]];
          assert(node !== undefined && report !== undefined, "the step names a node");
          const budget = { ...buildNodeBudget(), dayLeftTokens: step.left };
          return dispatcher.step({ kind: "node-reported", node, report, budget });
        };
        for (const step of sequence) {
          const effects = play(step);
          for (const { spec } of effects) {
            waiting.delete(spec.id);
            active.push(spec);
          }
          const views = new Map(dispatcher.snapshot().nodes.map((view) => [view.identity.id, view]));
          for (const { spec, node } of effects) {
            const view = views.get(node);
            assert(view !== undefined, "a job starts on a known node");
            if (view.identity.owner === spec.member) continue;
            seen += 1;
            for (const { spec: own, excluded } of waiting.values()) {
              if (own.member !== view.identity.owner) continue;
              const could =
                nodeRefusals(own, view, excluded).length === 0 &&
                view.report.models.some(
                  (model) => modelRefusals(own, view, model).length === 0 && fitsBeside(view, model.name),
                );
              expect(could).toBe(false);
            }
          }
        }
      }),
      { numRuns: 150 },
    );
    expect(seen).toBeGreaterThan(100);
  });
});
