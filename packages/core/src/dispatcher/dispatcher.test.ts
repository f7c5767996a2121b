import { describe, expect, test } from "vitest";
import type { NodeReport } from "../fleet/node.ts";
import type { JobSpec } from "../job/job.ts";
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
import { createDispatcher } from "./dispatcher.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { DispatchEffect } from "./events.ts";

const STUDIO = asNodeId("node_studio");
const PI = asNodeId("node_pi");

const figure = (value: number) => ({ value, basis: "measured" as const });

/** About a Raspberry Pi 5 with a 3B model: 25 times slower at output, 130 times at prompts. */
const piReport = (changes: Partial<NodeReport> = {}) =>
  buildNodeReport({
    models: [
      buildModelReport({
        capacity: buildModelCapacity({
          fixedMsPerToken: figure(0),
          effectiveBytesPerSecond: figure(10e9),
          prefillTokensPerSecond: figure(15),
        }),
      }),
    ],
    slots: 1,
    modelMemoryBytes: 5.6e9,
    ...changes,
  });

const joinStudio = (report: Partial<NodeReport> = {}) => buildNodeJoined({ report: buildNodeReport(report) });
const joinPi = (report: Partial<NodeReport> = {}) =>
  buildNodeJoined({
    identity: buildNodeIdentity({ id: PI, name: "pi", owner: asMemberId("mem_bo") }),
    report: piReport(report),
  });

let jobs = 0;
function job(changes: Partial<JobSpec> = {}): JobSpec {
  jobs += 1;
  return buildJobSpec({ id: asJobId(`job_${jobs}`), ...changes });
}

const submit = (
  dispatcher: Dispatcher,
  spec: JobSpec,
  changes: { notBeforeMs?: number; excluded?: string[] } = {},
) =>
  dispatcher.step({
    kind: "job-pending",
    spec,
    excludedNodes: (changes.excluded ?? []).map(asNodeId),
    notBeforeMs: changes.notBeforeMs ?? 0,
  });

const finish = (dispatcher: Dispatcher, spec: JobSpec, outputTokens = 100) =>
  dispatcher.step({
    kind: "attempt-ended",
    job: spec.id,
    usage: { promptTokens: spec.promptTokens, outputTokens },
  });

const placed = (effects: readonly DispatchEffect[]) => effects.map(({ spec, node }) => [spec.id, node]);

function start() {
  const clock = createManualClock();
  return { clock, dispatcher: createDispatcher({ clock }) };
}

describe("assigning", () => {
  test("an idle node gets the job at once, with its explanation", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio());
    const spec = job();
    const [effect] = submit(dispatcher, spec);
    expect(effect).toMatchObject({ kind: "assign", spec, node: STUDIO, model: "llama3.2:3b", tier: "edge" });
    expect(effect?.placement.decision).toEqual({
      kind: "assigned",
      node: STUDIO,
      nodeName: "studio",
      model: "llama3.2:3b",
      tier: "edge",
    });
    expect(dispatcher.pendingCount()).toBe(0);
    expect(dispatcher.explain(spec.id)).toBeNull();
    expect(dispatcher.snapshot().nodes[0]?.active).toMatchObject([{ job: spec.id, phase: "assigned" }]);
  });

  test("jobs that came first are assigned when a node joins", () => {
    const { dispatcher } = start();
    const spec = job();
    expect(submit(dispatcher, spec)).toEqual([]);
    expect(dispatcher.explain(spec.id)?.decision).toEqual({ kind: "waiting", why: "no node has joined yet" });
    expect(placed(dispatcher.step(joinStudio()))).toEqual([[spec.id, STUDIO]]);
  });

  test("repeating a pending job changes nothing, whether it waits or runs", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio({ slots: 1 }));
    const [running, waiting] = [job(), job()];
    submit(dispatcher, running);
    submit(dispatcher, waiting);
    expect(submit(dispatcher, running)).toEqual([]);
    expect(submit(dispatcher, waiting)).toEqual([]);
    expect(dispatcher.pendingCount()).toBe(1);
  });

  test("no node gets more than its slots, and a freed slot is used", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio({ slots: 2 }));
    const specs = [job(), job(), job()];
    expect(specs.flatMap((spec) => submit(dispatcher, spec))).toHaveLength(2);
    expect(placed(finish(dispatcher, specs[0] ?? job()))).toEqual([[specs[2]?.id, STUDIO]]);
  });

  test("a job waits for a fast node rather than starting on a slow one", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio({ slots: 1 }));
    dispatcher.step(joinPi());
    const [first, second] = [job(), job()];
    expect(placed(submit(dispatcher, first))).toEqual([[first.id, STUDIO]]);
    expect(submit(dispatcher, second)).toEqual([]);
    const held = dispatcher.explain(second.id);
    expect(held?.decision).toMatchObject({ kind: "held", forNode: STUDIO, forNodeName: "studio" });
    const costs = held?.nodes.map(({ options }) => options[0]);
    expect(costs?.[1]).toMatchObject({ kind: "costed", startsNow: true });
  });

  test("a slow node is used when enough wait for the fast one", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio({ slots: 1 }));
    dispatcher.step(joinPi());
    const effects = Array.from({ length: 60 }, () => job({ maxOutputTokens: 40, promptTokens: 20 })).flatMap(
      (spec) => submit(dispatcher, spec),
    );
    expect(effects.map(({ node }) => node)).toContain(PI);
  });

  test("a burst that fast nodes would take long for fills the slow one too", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio({ slots: 4 }));
    dispatcher.step(joinPi());
    const burst = Array.from({ length: 240 }, () => job({ promptTokens: 60, maxOutputTokens: 60 }));
    const effects = burst.flatMap((spec) => submit(dispatcher, spec));
    expect(effects.filter(({ node }) => node === STUDIO)).toHaveLength(4);
    expect(effects.filter(({ node }) => node === PI)).toHaveLength(1);
  });

  test("small jobs go before large ones", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio({ slots: 1 }));
    const [running, large, small] = [
      job(),
      job({ promptTokens: 8_000 }),
      job({ promptTokens: 20, maxOutputTokens: 20 }),
    ];
    for (const spec of [running, large, small]) submit(dispatcher, spec);
    expect(placed(finish(dispatcher, running))).toEqual([[small.id, STUDIO]]);
  });

  test("interactive work goes before batch work", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio({ slots: 1 }));
    const [running, batch, interactive] = [job(), job({ band: "batch" }), job()];
    for (const spec of [running, batch, interactive]) submit(dispatcher, spec);
    expect(placed(finish(dispatcher, running))).toEqual([[interactive.id, STUDIO]]);
  });
});

describe("what is never traded", () => {
  test("a job is not served below its tier", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio());
    const spec = job({ target: { kind: "tier", tier: "local-large" } });
    expect(submit(dispatcher, spec)).toEqual([]);
    const placement = dispatcher.explain(spec.id);
    expect(placement?.decision.kind).toBe("impossible");
    expect(placement?.nodes[0]?.options[0]).toMatchObject({
      kind: "refused",
      refusals: [{ reason: "tier-below", passing: false }],
    });
  });

  test("own work runs on its member's nodes only", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio());
    const spec = job({ privacy: "own", member: asMemberId("mem_bo") });
    expect(submit(dispatcher, spec)).toEqual([]);
    expect(placed(dispatcher.step(joinPi()))).toEqual([[spec.id, PI]]);
  });

  test("a cloud model serves only jobs that allow it", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio({ models: [buildModelReport({ cloud: true })] }));
    expect(submit(dispatcher, job({ privacy: "coop" }))).toEqual([]);
    expect(submit(dispatcher, job({ privacy: "own", member: asMemberId("mem_owner") }))).toEqual([]);
    expect(submit(dispatcher, job({ privacy: "any" }))).toHaveLength(1);
  });

  test("an embedding model gets no chats and a chat model no embeddings", () => {
    const { dispatcher } = start();
    const embedder = buildModelReport({
      name: "nomic-embed-text",
      capabilities: ["embedding"],
      parameterCount: 137e6,
    });
    dispatcher.step(joinStudio({ models: [buildModelReport(), embedder] }));
    const embedding = job({ endpoint: "embeddings" });
    const [embed] = submit(dispatcher, embedding);
    expect(embed?.model).toBe("nomic-embed-text");
    finish(dispatcher, embedding, 0);
    const [chat] = submit(dispatcher, job());
    expect(chat?.model).toBe("llama3.2:3b");
  });

  test.each([
    ["draining", { draining: true }],
    ["memory-pressure", { pressure: "critical" as const }],
    ["thermal-critical", { thermal: "critical" as const }],
    ["model-unhealthy", { unhealthy: { "llama3.2:3b": "two canaries missed" } }],
    ["no-free-slot", { slots: 0 }],
  ])("a node that reports %s gets nothing until it reports better", (reason, changes) => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio(changes));
    const spec = job();
    expect(submit(dispatcher, spec)).toEqual([]);
    expect(dispatcher.explain(spec.id)).toMatchObject({
      decision: { kind: "waiting" },
      nodes: [{ options: [{ kind: "refused", refusals: [{ reason, passing: true }] }] }],
    });
    const better = dispatcher.step({
      kind: "node-reported",
      node: STUDIO,
      report: buildNodeReport(),
      budget: buildNodeBudget(),
    });
    expect(placed(better)).toEqual([[spec.id, STUDIO]]);
  });

  test("under memory pressure what is loaded still serves", () => {
    const { dispatcher } = start();
    const unloaded = buildModelReport({ name: "qwen3:4b", loaded: false });
    dispatcher.step(joinStudio({ pressure: "warning", models: [buildModelReport(), unloaded] }));
    expect(submit(dispatcher, job({ target: { kind: "model", model: "qwen3:4b" } }))).toEqual([]);
    expect(submit(dispatcher, job({ target: { kind: "model", model: "llama3.2:3b" } }))).toHaveLength(1);
  });

  test("a token budget is never exceeded, not even by what is under way", () => {
    const { dispatcher } = start();
    dispatcher.step(
      buildNodeJoined({ report: buildNodeReport({ tokensPerDay: 2_500, tokensPerMonth: 9_000 }) }),
    );
    const own = { member: asMemberId("mem_owner") };
    const specs = [job(own), job(own), job(own)];
    expect(specs.flatMap((spec) => submit(dispatcher, spec))).toHaveLength(2);
    expect(dispatcher.snapshot().nodes[0]?.budget).toMatchObject({
      dayLeftTokens: 2_500 - 2 * 976,
      monthLeftTokens: 9_000 - 2 * 976,
    });
    expect(placed(finish(dispatcher, specs[0] ?? job(), 50))).toEqual([[specs[2]?.id, STUDIO]]);
  });

  test("a token budget is paced for everyone but the node's owner", () => {
    const { clock, dispatcher } = start();
    dispatcher.step(buildNodeJoined({ report: buildNodeReport({ tokensPerDay: 12_000 }) }));
    const [first, second] = [job(), job()];
    expect(submit(dispatcher, first)).toHaveLength(1);
    finish(dispatcher, first, 400);
    expect(submit(dispatcher, second)).toEqual([]);
    expect(dispatcher.explain(second.id)?.decision).toMatchObject({ kind: "held", forNode: STUDIO });
    expect(submit(dispatcher, job({ member: asMemberId("mem_owner") }))).toHaveLength(1);
    clock.advance(6 * 3_600_000);
    expect(placed(dispatcher.step({ kind: "tick" }))).toEqual([[second.id, STUDIO]]);
  });

  test("a node that failed the job is left aside while another can serve it", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio());
    dispatcher.step(joinPi());
    const spec = job();
    expect(placed(submit(dispatcher, spec, { excluded: [STUDIO] }))).toEqual([[spec.id, PI]]);
  });

  test("the only node there is may try again", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio());
    const spec = job();
    expect(placed(submit(dispatcher, spec, { excluded: [STUDIO] }))).toEqual([[spec.id, STUDIO]]);
  });
});

describe("time and comings and goings", () => {
  test("a job that backs off waits for its time", () => {
    const { clock, dispatcher } = start();
    dispatcher.step(joinStudio());
    const spec = job();
    const notBeforeMs = clock.now() + 4_000;
    expect(submit(dispatcher, spec, { notBeforeMs })).toEqual([]);
    expect(dispatcher.explain(spec.id)?.decision).toMatchObject({ kind: "waiting" });
    clock.advance(3_999);
    expect(dispatcher.step({ kind: "tick" })).toEqual([]);
    clock.advance(1);
    expect(placed(dispatcher.step({ kind: "tick" }))).toEqual([[spec.id, STUDIO]]);
  });

  test("a job that went elsewhere is forgotten, waiting or running", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio({ slots: 1 }));
    const [running, cancelled, next] = [job(), job(), job()];
    for (const spec of [running, cancelled, next]) submit(dispatcher, spec);
    expect(dispatcher.step({ kind: "job-gone", job: cancelled.id })).toEqual([]);
    expect(placed(dispatcher.step({ kind: "job-gone", job: running.id }))).toEqual([[next.id, STUDIO]]);
    expect(dispatcher.step({ kind: "job-gone", job: asJobId("job_unknown") })).toEqual([]);
  });

  test("a node that left keeps its attempts and gets nothing new", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio({ slots: 2 }));
    const [running, waiting] = [job(), job()];
    submit(dispatcher, running);
    dispatcher.step({ kind: "node-left", node: STUDIO });
    expect(submit(dispatcher, waiting)).toEqual([]);
    expect(dispatcher.snapshot().nodes[0]).toMatchObject({ connected: false, active: [{ job: running.id }] });
    expect(dispatcher.explain(waiting.id)?.nodes[0]?.options[0]).toMatchObject({
      refusals: [{ reason: "disconnected", passing: true }],
    });
  });

  test("a node that comes back brings what it still runs; the rest of its slots are free", () => {
    const { clock, dispatcher } = start();
    dispatcher.step(joinStudio({ slots: 2 }));
    const [kept, lost, waiting] = [job(), job(), job()];
    for (const spec of [kept, lost, waiting]) submit(dispatcher, spec);
    dispatcher.step({ kind: "node-left", node: STUDIO });
    const back = dispatcher.step({
      ...joinStudio({ slots: 2 }),
      running: [{ spec: kept, model: "llama3.2:3b", startedAtMs: clock.now(), outputTokens: 7 }],
    });
    expect(placed(back)).toEqual([[waiting.id, STUDIO]]);
    expect(dispatcher.snapshot().nodes[0]?.active).toMatchObject([
      { job: kept.id, phase: "decode", outputTokens: 7 },
      { job: waiting.id },
    ]);
  });

  test("a removed node is forgotten", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio());
    dispatcher.step({ kind: "node-removed", node: STUDIO });
    expect(dispatcher.snapshot().nodes).toEqual([]);
    expect(submit(dispatcher, job())).toEqual([]);
  });

  test("a retry goes to another node", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio());
    dispatcher.step(joinPi());
    const spec = job();
    submit(dispatcher, spec);
    dispatcher.step({ kind: "attempt-ended", job: spec.id, usage: null });
    expect(placed(submit(dispatcher, spec, { excluded: [STUDIO] }))).toEqual([[spec.id, PI]]);
  });

  test("a job that nothing can serve holds back nobody", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio({ slots: 1 }));
    for (let count = 0; count < 100; count += 1)
      submit(dispatcher, job({ promptTokens: 50_000, promptTokensMax: 60_000 }));
    const served = job();
    expect(placed(submit(dispatcher, served))).toEqual([[served.id, STUDIO]]);
    expect(dispatcher.pendingCount()).toBe(100);
  });

  test("a job too long for every context starts once a node offers one that is long enough", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio());
    const spec = job({ promptTokens: 50_000 });
    expect(submit(dispatcher, spec)).toEqual([]);
    expect(dispatcher.explain(spec.id)?.decision.kind).toBe("impossible");
    const longer = buildNodeReport({ models: [buildModelReport({ contextTokens: 65_536 })] });
    const effects = dispatcher.step({
      kind: "node-reported",
      node: STUDIO,
      report: longer,
      budget: buildNodeBudget(),
    });
    expect(placed(effects)).toEqual([[spec.id, STUDIO]]);
  });
});

describe("fair order", () => {
  test("a member who sends much does not keep out one who sends little", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio({ slots: 1 }));
    const heavy = Array.from({ length: 400 }, () =>
      job({ member: asMemberId("mem_heavy"), promptTokens: 50 }),
    );
    for (const spec of heavy) submit(dispatcher, spec);
    const light = job({ member: asMemberId("mem_light"), promptTokens: 4_000 });
    submit(dispatcher, light);
    const order: string[] = [];
    let running = heavy[0];
    while (running !== undefined && order.length < 400) {
      const [next] = finish(dispatcher, running, 400);
      if (next !== undefined) order.push(next.spec.id);
      running = next?.spec;
    }
    expect(order.indexOf(light.id)).toBeGreaterThan(-1);
    expect(order.indexOf(light.id)).toBeLessThan(60);
  });

  test("who waits for one node holds nobody back from another", () => {
    const { dispatcher } = start();
    const large = buildModelReport({ name: "llama3.3:70b", parameterCount: 70.6e9 });
    dispatcher.step(joinStudio({ slots: 1, models: [large] }));
    dispatcher.step(joinPi({ slots: 1 }));
    const ada = asMemberId("mem_ada");
    const bo = asMemberId("mem_bo");
    const running = job({ member: ada, target: { kind: "model", model: "llama3.3:70b" } });
    submit(dispatcher, running);
    submit(dispatcher, job({ member: ada, target: { kind: "model", model: "llama3.3:70b" } }));
    let served = 0;
    for (let count = 0; count < 200; count += 1) {
      const spec = job({ member: bo, target: { kind: "model", model: "llama3.2:3b" } });
      served += submit(dispatcher, spec).length;
      finish(dispatcher, spec, 500);
    }
    expect(served).toBe(200);
  });

  test.each([
    ["more than", 250_000, "mem_light"],
    ["what", 100, "mem_heavy"],
  ])(
    "after an attempt that used %s was expected, the other member goes first or not",
    (_, outputTokens, next) => {
      const { dispatcher } = start();
      dispatcher.step(joinStudio({ slots: 1 }));
      const member = asMemberId("mem_heavy");
      const running = job({ member, maxOutputTokens: 12_000 });
      submit(dispatcher, running);
      submit(dispatcher, job({ member, promptTokens: 20 }));
      submit(dispatcher, job({ member: asMemberId("mem_light"), promptTokens: 9_000 }));
      expect(finish(dispatcher, running, outputTokens)).toMatchObject([{ spec: { member: next } }]);
    },
  );

  test("the longest wait ends: a large job is overtaken so often and no more", () => {
    const { dispatcher } = start();
    dispatcher.step(joinStudio({ slots: 1 }));
    const running = job();
    submit(dispatcher, running);
    const large = job({ promptTokens: 9_000 });
    submit(dispatcher, large);
    let current = running;
    let overtakes = 0;
    while (overtakes < 1_000) {
      submit(
        dispatcher,
        job({ promptTokens: 10, maxOutputTokens: 10, submittedAtMs: large.submittedAtMs + 1 }),
      );
      const [next] = finish(dispatcher, current, 5);
      if (next === undefined || next.spec.id === large.id) break;
      current = next.spec;
      overtakes += 1;
    }
    expect(overtakes).toBe(224);
  });
});
