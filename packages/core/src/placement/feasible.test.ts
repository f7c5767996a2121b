import { describe, expect, test } from "vitest";
import type { CLOSED_REASONS, NodeReport, NodeView } from "../fleet/node.ts";
import type { JobSpec } from "../job/job.ts";
import { asMemberId, asNodeId } from "../terms.ts";
import {
  buildJobSpec,
  buildModelReport,
  buildNodeBudget,
  buildNodeReport,
  buildNodeView,
} from "../testing/index.ts";
import { REFUSAL_REASONS } from "./explanation.ts";
import type { Refusal } from "./explanation.ts";
import { modelAnswersTo, modelRefusals, nodeRefusals } from "./feasible.ts";

const STUDIO = asNodeId("node_studio");

function refusals(
  spec: Partial<JobSpec>,
  view: Partial<NodeView>,
  excluded: readonly (typeof STUDIO)[] = [],
): Refusal[] {
  const node = buildNodeView(view);
  const [model] = node.report.models;
  const job = buildJobSpec(spec);
  return [
    ...nodeRefusals(job, node, excluded),
    ...(model === undefined ? [] : modelRefusals(job, node, model)),
  ];
}

const reporting = (changes: Partial<NodeReport>): Partial<NodeView> => ({ report: buildNodeReport(changes) });
const closed = (reason: (typeof CLOSED_REASONS)[number], untilMs: number | null): Partial<NodeView> =>
  reporting({ availability: { kind: "closed", reason, untilMs } });
const SIX = Date.UTC(2026, 2, 1, 18);
function leaving({
  tokensPerDay = null,
  tokensPerMonth = null,
  ...left
}: Partial<Pick<NodeReport, "tokensPerDay" | "tokensPerMonth"> & NodeView["budget"]>): Partial<NodeView> {
  const report = buildNodeReport({ tokensPerDay, tokensPerMonth });
  return { report, budget: { ...buildNodeBudget(report), ...left } };
}
const serving = (changes: Parameters<typeof buildModelReport>[0]) =>
  reporting({ models: [buildModelReport(changes)] });

test("a healthy node with the model has nothing against the job", () => {
  expect(refusals({}, {})).toEqual([]);
});

const cases: readonly [Refusal["reason"], "passes" | "stays", Partial<JobSpec>, Partial<NodeView>, RegExp][] =
  [
    [
      "tier-below",
      "stays",
      { target: { kind: "tier", tier: "local-small" } },
      {},
      /asks for local-small.*3b is edge/,
    ],
    ["model-absent", "stays", { target: { kind: "model", model: "qwen3:8b" } }, {}, /asks for qwen3:8b/],
    ["capability-missing", "stays", { needs: ["vision"] }, {}, /has no vision/],
    ["capability-missing", "stays", { endpoint: "embeddings" }, {}, /has no embedding/],
    ["capability-missing", "stays", {}, serving({ capabilities: ["embedding"] }), /has no completion/],
    [
      "context-too-small",
      "stays",
      { promptTokens: 16_000, maxOutputTokens: 512 },
      {},
      /needs 16,512.*has 16,384 here/,
    ],
    [
      "memory-too-small",
      "stays",
      {},
      reporting({ modelMemoryBytes: 3e9, models: [buildModelReport({ loaded: false })] }),
      /takes 4.0 GB.*3.0 GB/,
    ],
    ["privacy-not-owner", "stays", { privacy: "own" }, {}, /own nodes only/],
    ["privacy-cloud", "stays", { privacy: "coop" }, serving({ cloud: true }), /may not leave/],
    [
      "privacy-cloud",
      "stays",
      { privacy: "own", member: asMemberId("mem_owner") },
      serving({ cloud: true }),
      /may not leave/,
    ],
    ["budget-too-small", "stays", {}, reporting({ tokensPerDay: 900 }), /may take 976.*serves 900 a day/],
    [
      "budget-spent",
      "passes",
      {},
      leaving({ tokensPerDay: 10_000, dayLeftTokens: 975 }),
      /has 975 of this day left, until 2026-03-02 00:00 UTC/,
    ],
    ["budget-too-small", "stays", {}, reporting({ tokensPerMonth: 900 }), /serves 900 a month/],
    [
      "budget-spent",
      "passes",
      {},
      leaving({ tokensPerDay: 10_000, tokensPerMonth: 20_000, monthLeftTokens: 975 }),
      /has 975 of this month left, until 2026-04-01 00:00 UTC/,
    ],
    ["paused", "passes", {}, closed("paused", null), /^studio is paused by its owner$/],
    ["paused", "passes", {}, closed("paused", SIX), /paused by its owner until 2026-03-01 18:00 UTC$/],
    [
      "outside-hours",
      "passes",
      {},
      closed("outside-hours", SIX),
      /no serving hours now before 2026-03-01 18:00 UTC$/,
    ],
    ["owner-active", "passes", {}, closed("owner-active", null), /in use by its owner/],
    ["drained", "passes", {}, closed("drained", null), /^studio was drained by an operator: it finishes/],
    ["no-free-slot", "passes", {}, reporting({ slots: 0 }), /has no slot/],
    ["disconnected", "passes", {}, { connected: false }, /not connected/],
    ["draining", "passes", {}, reporting({ draining: true }), /takes nothing new/],
    [
      "model-unhealthy",
      "passes",
      {},
      reporting({ unhealthy: { "llama3.2:3b": "canary missed" } }),
      /canary missed/,
    ],
    ["memory-pressure", "passes", {}, reporting({ pressure: "critical" }), /critical/],
    [
      "memory-pressure",
      "passes",
      {},
      reporting({ pressure: "warning", models: [buildModelReport({ loaded: false })] }),
      /load/,
    ],
    ["thermal-critical", "passes", {}, reporting({ thermal: "critical" }), /too hot/],
  ];

describe("refusals", () => {
  test.each(cases)("%s, which %s", (reason, lasts, spec, view, detail) => {
    expect(refusals(spec, view)).toEqual([
      { reason, passing: lasts === "passes", detail: expect.stringMatching(detail) },
    ]);
  });

  test("a node that failed the job", () => {
    expect(refusals({}, {}, [STUDIO])).toMatchObject([{ reason: "excluded-after-failure", passing: false }]);
  });

  test("every reason of a filter is named, not just the first", () => {
    const spec = { privacy: "own", target: { kind: "tier", tier: "frontier" }, needs: ["vision"] } as const;
    expect(refusals(spec, { connected: false }).map(({ reason }) => reason)).toEqual([
      "privacy-not-owner",
      "disconnected",
      "tier-below",
      "capability-missing",
    ]);
  });

  test("each reason there is has a case", () => {
    const covered = new Set([
      ...cases.map(([reason]) => reason),
      "owner-first",
      "excluded-after-failure",
      "fair-order",
    ]);
    expect(REFUSAL_REASONS.filter((reason) => !covered.has(reason))).toEqual([]);
  });
});

describe("what is not refused", () => {
  test.each([
    ["a full node is waited for", {}, { active: [] }],
    ["a hot node that is not yet critical", {}, reporting({ thermal: "serious" })],
    ["a loaded model larger than the memory set aside since", {}, reporting({ modelMemoryBytes: 1e9 })],
    ["a cloud model for a job that allows it", { privacy: "any" }, serving({ cloud: true })],
    ["a tier above the one asked for", {}, serving({ name: "qwen3:32b" })],
    ["the last token of a budget", {}, reporting({ tokensPerDay: 976, tokensPerMonth: 976 })],
  ] as const)("%s", (_, spec, view) => {
    expect(refusals(spec, view)).toEqual([]);
  });
});

test.each([
  ["llama3.2:3b", "llama3.2:3b", true],
  ["llama3.2:latest", "llama3.2", true],
  ["llama3.2", "llama3.2:latest", true],
  ["llama3.2:3b", "llama3.2", false],
  ["llama3.2:3b", "llama3.2:1b", false],
])("%s answers to %s: %s", (model, asked, answers) => {
  expect(modelAnswersTo(model, asked)).toBe(answers);
});
