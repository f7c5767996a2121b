import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ActiveAttempt, NodeView } from "../fleet/node.ts";
import { asNodeId } from "../terms.ts";
import {
  buildJobSpec,
  buildModelCapacity,
  buildModelReport,
  buildNodeBudget,
  buildNodeIdentity,
  buildNodeReport,
  buildNodeView,
} from "../testing/index.ts";
import { couldBeServed, explainPlacement } from "./explain.ts";

const NOW = Date.UTC(2026, 2, 1, 12);
const STUDIO = asNodeId("node_studio");
const PI = asNodeId("node_pi");

const slow = { value: 10e9, basis: "measured" } as const;
const pi = buildNodeView({
  identity: buildNodeIdentity({ id: PI, name: "pi" }),
  report: buildNodeReport({
    slots: 1,
    models: [buildModelReport({ capacity: buildModelCapacity({ effectiveBytesPerSecond: slow }) })],
  }),
});

const explain = (
  nodes: readonly NodeView[],
  spec = buildJobSpec(),
  excluded: readonly (typeof STUDIO)[] = [],
) => explainPlacement(spec, { atMs: NOW, nodes, pendingJobs: 0 }, NOW, excluded);

const attempt: ActiveAttempt = {
  job: "job_9",
  model: "llama3.2:3b",
  phase: "decode",
  startedAtMs: NOW - 2_000,
  promptTokens: 200,
  maxOutputTokens: 512,
  outputTokens: 40,
};

describe("explaining a placement", () => {
  test("goes to the faster node, and costs both", () => {
    const placement = explain([pi, buildNodeView()]);
    expect(placement.decision).toMatchObject({ kind: "assigned", node: STUDIO, tier: "edge" });
    expect(placement.atMs).toBe(NOW);
    expect(placement.nodes).toMatchObject([
      { node: PI, options: [{ kind: "costed", startsNow: true }] },
      {
        node: STUDIO,
        options: [{ kind: "costed", startsNow: true, cost: { waitS: 0, loadS: 0, prefillS: 0.1 } }],
      },
    ]);
  });

  test("the terms of every cost add up", () => {
    const busy = buildNodeView({ active: [attempt] });
    for (const { options } of explain([pi, busy]).nodes) {
      for (const option of options) {
        expect(option.kind).toBe("costed");
        if (option.kind !== "costed") continue;
        const { totalS, ...terms } = option.cost;
        expect(Object.values(terms).reduce((sum, term) => sum + term, 0)).toBeCloseTo(totalS, 9);
      }
    }
  });

  test("holds the job for a fast node that is full rather than give it to a slow one", () => {
    const full = buildNodeView({ report: buildNodeReport({ slots: 1 }), active: [attempt] });
    const { decision } = explain([pi, full]);
    expect(decision).toMatchObject({
      kind: "held",
      forNode: STUDIO,
      forNodeName: "studio",
      model: "llama3.2:3b",
    });
    expect(decision.kind === "held" ? decision.expectedWaitS : 0).toBeGreaterThan(0.5);
  });

  test("is impossible when no known node could ever serve it, each with its reason", () => {
    const spec = buildJobSpec({ target: { kind: "tier", tier: "frontier" } });
    const placement = explain([pi, buildNodeView({ connected: false })], spec);
    expect(placement.decision.kind).toBe("impossible");
    expect(placement.nodes.flatMap(({ options }) => options)).toMatchObject([
      { refusals: [{ reason: "tier-below", passing: false }] },
      {
        refusals: [
          { reason: "disconnected", passing: true },
          { reason: "tier-below", passing: false },
        ],
      },
    ]);
  });

  test("waits while a node that could serve it is away", () => {
    const spec = buildJobSpec({ target: { kind: "model", model: "qwen3:8b" } });
    const away = buildNodeView({
      connected: false,
      report: buildNodeReport({ models: [buildModelReport({ name: "qwen3:8b" })] }),
    });
    expect(explain([pi, away], spec).decision.kind).toBe("waiting");
  });

  test("waits for a first node", () => {
    expect(explain([]).decision).toEqual({ kind: "waiting", why: "no node has joined yet" });
  });

  test("a node without a model says so", () => {
    const empty = buildNodeView({ report: buildNodeReport({ models: [] }) });
    expect(explain([empty])).toMatchObject({
      decision: { kind: "impossible" },
      nodes: [{ options: [{ kind: "refused", model: null, refusals: [{ reason: "model-absent" }] }] }],
    });
  });

  test("leaves aside the nodes it is told to", () => {
    expect(explain([pi, buildNodeView()], buildJobSpec(), [STUDIO]).decision).toMatchObject({ node: PI });
  });
});

test("could be served is what an explanation does not call impossible, in any fleet", () => {
  const flag = fc.boolean();
  const model = fc.record({ big: flag, cloud: flag, loaded: flag, blind: flag, faulty: flag, short: flag });
  const node = fc.record({
    models: fc.array(model, { maxLength: 3 }),
    mine: flag,
    away: flag,
    draining: flag,
    tight: flag,
    tokensPerDay: fc.constantFrom(null, 10, 10_000),
    tokensPerMonth: fc.constantFrom(null, 10, 10_000),
    dayLeftTokens: fc.constantFrom(null, 5, 10_000),
    paused: flag,
  });
  const job = fc.record({
    privacy: fc.constantFrom("own" as const, "coop" as const, "any" as const),
    tier: fc.constantFrom("edge" as const, "local-large" as const),
    sees: flag,
  });
  fc.assert(
    fc.property(fc.array(node, { maxLength: 3 }), job, (drawn, { privacy, tier, sees }) => {
      const spec = buildJobSpec({ privacy, target: { kind: "tier", tier }, needs: sees ? ["vision"] : [] });
      const nodes = drawn.map(
        (
          { models, mine, away, draining, tight, tokensPerDay, tokensPerMonth, dayLeftTokens, paused },
          index,
        ) =>
          buildNodeView({
            identity: buildNodeIdentity({
              id: asNodeId(`node_${index}`),
              ...(mine && { owner: spec.member }),
            }),
            connected: !away,
            budget: { ...buildNodeBudget(), dayLeftTokens },
            report: buildNodeReport({
              draining,
              tokensPerDay,
              tokensPerMonth,
              availability: paused ? { kind: "closed", reason: "paused", untilMs: null } : { kind: "open" },
              modelMemoryBytes: tight ? 1e9 : 88e9,
              unhealthy: models.some(({ faulty }) => faulty) ? { m0: "broken" } : {},
              models: models.map(({ big, cloud, loaded, blind, short }, at) =>
                buildModelReport({
                  name: `m${at}`,
                  parameterCount: big ? 70e9 : 3e9,
                  cloud,
                  loaded,
                  capabilities: blind ? ["completion"] : ["completion", "vision"],
                  contextTokens: short ? 512 : 16_384,
                }),
              ),
            }),
          }),
      );
      const { kind } = explain(nodes, spec).decision;
      expect(couldBeServed(spec, { atMs: NOW, nodes, pendingJobs: 0 })).toBe(kind !== "impossible");
    }),
    { numRuns: 1_000 },
  );
});
