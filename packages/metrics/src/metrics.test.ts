import { buildModelReport, buildNodeReport, buildNodeView } from "@coop/core/testing";
import { expect, test } from "vitest";
import { createMetrics, describeMetrics } from "./metrics.ts";

const lines = async (metrics: ReturnType<typeof createMetrics>): Promise<string[]> =>
  (await metrics.render()).split("\n");

test("what was measured is rendered with its labels", async () => {
  const metrics = createMetrics();
  metrics.httpRequest("/v1/jobs/:id", 404, 0.002);
  metrics.jobRefused("quota_exceeded");
  metrics.jobEnded("succeeded");
  metrics.jobEnded("succeeded");
  metrics.attemptRetried("node-lost");
  metrics.leaseLost();
  metrics.dispatched("edge", 0.004);
  metrics.firstOutput("edge", 0.3);
  metrics.decided(0.0002);
  metrics.connectedNodes(3);
  metrics.leading(true);
  metrics.frame("from-agent", "output", 90);
  metrics.frame("from-agent", "done", 10);
  metrics.nodeRefused("not-leader");
  metrics.storeStep("admit", 0.001);
  metrics.persistence("weak");
  metrics.ledgerChecked(2, 1_000);
  expect(await lines(metrics)).toEqual(
    expect.arrayContaining([
      'coop_http_request_seconds_count{route="/v1/jobs/:id",status="404"} 1',
      'coop_job_refusals_total{reason="quota_exceeded"} 1',
      'coop_jobs_total{outcome="succeeded"} 2',
      'coop_attempt_retries_total{failure="node-lost"} 1',
      "coop_leases_lost_total 1",
      'coop_queue_wait_seconds_sum{tier="edge"} 0.004',
      'coop_time_to_first_output_seconds_sum{tier="edge"} 0.3',
      "coop_dispatch_decision_seconds_sum 0.0002",
      "coop_connected_nodes 3",
      "coop_scheduler_leading 1",
      'coop_node_frames_total{direction="from-agent",kind="output"} 1',
      'coop_node_frame_bytes_total{direction="from-agent"} 100',
      'coop_node_refusals_total{reason="not-leader"} 1',
      'coop_store_step_seconds_sum{step="admit"} 0.001',
      "coop_store_persistence_weak 1",
      "coop_ledger_findings 2",
      "coop_ledger_checked_timestamp_seconds 1",
    ]),
  );
  expect(metrics.contentType).toContain("text/plain");
});

test("a finished attempt counts its tokens where it ran, and its rates by tier", async () => {
  const metrics = createMetrics();
  const place = { node: "studio", owner: "mem_1", model: "qwen3:8b", tier: "local-small" as const };
  const timings = { loadMs: 0, prefillMs: 500, decodeMs: 2_000, totalMs: 2_500 };
  metrics.attemptDone(place, { promptTokens: 30, outputTokens: 100 }, timings);
  const labels = 'node="studio",owner="mem_1",model="qwen3:8b",tier="local-small"';
  expect(await lines(metrics)).toEqual(
    expect.arrayContaining([
      `coop_node_tokens_total{${labels},direction="prompt"} 30`,
      `coop_node_tokens_total{${labels},direction="output"} 100`,
      'coop_attempt_stage_seconds_sum{stage="prefill",tier="local-small"} 0.5',
      'coop_attempt_output_tokens_per_second_sum{tier="local-small"} 50',
    ]),
  );
});

test("a snapshot of the fleet shows machines, models, budgets, and forgets those of the one before", async () => {
  const metrics = createMetrics();
  const report = buildNodeReport({ tokensPerDay: 1_000, thermal: "serious", power: "battery" });
  metrics.showFleet({ atMs: 0, nodes: [buildNodeView({ report })], pendingJobs: 0 }, 0);
  const node = 'node="studio",owner="mem_owner"';
  const shown = await lines(metrics);
  expect(shown).toEqual(
    expect.arrayContaining([
      `coop_node_up{${node}} 1`,
      `coop_node_open{${node}} 1`,
      `coop_node_slots{${node}} 4`,
      `coop_node_slots_busy{${node}} 0`,
      `coop_node_thermal{${node}} 2`,
      `coop_node_on_battery{${node}} 1`,
      `coop_node_budget_limit_tokens{${node},period="day"} 1000`,
      `coop_node_budget_left_tokens{${node},period="day"} 1000`,
      `coop_node_model_loaded{${node},model="llama3.2:3b",tier="edge"} 1`,
      `coop_node_output_capacity_tokens_per_second{${node},model="llama3.2:3b",tier="edge",basis="measured"} 125`,
      // Four at once, each step 1 + 0.2 x 3 times as long.
      `coop_node_output_capacity_all_slots_tokens_per_second{${node},model="llama3.2:3b",tier="edge",basis="measured"} 312.5`,
    ]),
  );
  expect(shown.some((line) => line.includes('period="month"'))).toBe(false);
  metrics.showFleet({ atMs: 1, nodes: [], pendingJobs: 0 }, 0);
  expect((await lines(metrics)).some((line) => line.includes("studio"))).toBe(false);
});

test("a node that its owner paused is up and not open, and an embedding model has no output rate", async () => {
  const metrics = createMetrics();
  const report = buildNodeReport({
    availability: { kind: "closed", reason: "paused", untilMs: null },
    models: [buildModelReport({ name: "embedder", capabilities: ["embedding"] })],
    thermal: "unknown",
    power: "unknown",
  });
  metrics.showFleet({ atMs: 0, nodes: [buildNodeView({ report })], pendingJobs: 0 }, 0);
  const shown = await lines(metrics);
  expect(shown).toContain('coop_node_up{node="studio",owner="mem_owner"} 1');
  expect(shown).toContain('coop_node_open{node="studio",owner="mem_owner"} 0');
  const absent = [
    "coop_node_output_capacity_tokens_per_second{",
    "coop_node_thermal{",
    "coop_node_on_battery{",
  ];
  for (const metric of absent) expect(shown.some((line) => line.startsWith(metric))).toBe(false);
});

test("members appear by id, without a limit where they have none", async () => {
  const metrics = createMetrics();
  const figures = { usedTokens: 10, heldTokens: 5, creditTokens: 2, referenceS: null };
  metrics.showMembers([
    { member: "mem_1", limitTokens: 100, ...figures, referenceS: 1.5 },
    { member: "mem_2", limitTokens: null, ...figures },
  ]);
  const shown = await lines(metrics);
  expect(shown).toContain('coop_member_quota_used_tokens{member="mem_1"} 10');
  expect(shown).toContain('coop_member_quota_limit_tokens{member="mem_1"} 100');
  expect(shown).toContain('coop_member_service_reference_seconds{member="mem_1"} 1.5');
  expect(shown.filter((line) => line.startsWith("coop_member_service_reference_seconds{"))).toHaveLength(1);
  expect(shown).not.toContain('coop_member_quota_limit_tokens{member="mem_2"} 100');
  expect(shown.filter((line) => line.startsWith("coop_member_quota_limit_tokens{"))).toHaveLength(1);
});

const none = { jobs: 0, oldestMs: null };
const waiting = {
  edge: none,
  "local-small": { jobs: 3, oldestMs: 2_000 },
  "local-large": none,
  frontier: none,
};

test("the queue is shown by the tier that jobs ask for, with how long the oldest waits by now", async () => {
  const metrics = createMetrics();
  metrics.showFleet({ atMs: 5_000, nodes: [], pendingJobs: 3, queues: waiting }, 6_500);
  const shown = await lines(metrics);
  expect(shown).toContain('coop_queue_depth_jobs{tier="local-small"} 3');
  expect(shown).toContain('coop_queue_depth_jobs{tier="frontier"} 0');
  expect(shown).toContain('coop_queue_oldest_wait_seconds{tier="local-small"} 4.5');
  expect(shown).toContain('coop_queue_oldest_wait_seconds{tier="edge"} 0');
  metrics.showFleet(null, 7_000);
  expect((await lines(metrics)).some((line) => line.startsWith("coop_queue_depth_jobs{"))).toBe(false);
});

test("what an agent tells of itself is shown while it is connected, and a budget's price while there is one", async () => {
  const metrics = createMetrics();
  const agent = { residentBytes: 6e7, eventLoopLagP99Ms: 3, reconnects: 2, unconfirmedBytes: 512 };
  const view = buildNodeView({ report: buildNodeReport({ agent, tokensPerMonth: 500 }), tokenPriceS: 0.004 });
  metrics.showFleet({ atMs: 0, nodes: [view], pendingJobs: 0 }, 0);
  const node = 'node="studio",owner="mem_owner"';
  expect(await lines(metrics)).toEqual(
    expect.arrayContaining([
      `coop_agent_resident_memory_bytes{${node}} 60000000`,
      `coop_agent_event_loop_lag_p99_seconds{${node}} 0.003`,
      `coop_agent_reconnects{${node}} 2`,
      `coop_agent_unconfirmed_output_bytes{${node}} 512`,
      `coop_node_token_price_seconds{${node}} 0.004`,
    ]),
  );
  const gone = { ...view, connected: false };
  metrics.showFleet({ atMs: 0, nodes: [gone], pendingJobs: 0 }, 0);
  expect((await lines(metrics)).some((line) => line.startsWith("coop_agent_resident_memory_bytes{"))).toBe(
    false,
  );
});

const studio = { node: "studio", owner: "mem_1" };

test("a model that comes into a node's memory is counted, one that is found there is not", async () => {
  const metrics = createMetrics();
  const loads = 'coop_node_model_loads_total{node="studio",owner="mem_1",model="small"}';
  for (const [loaded, count] of [
    [true, 0],
    [false, 0],
    [true, 1],
    [true, 1],
    [false, 1],
    [true, 2],
  ] as const) {
    metrics.modelsReported(studio, [{ name: "small", loaded }]);
    expect(await lines(metrics)).toContain(`${loads} ${count}`);
  }
});

test("a thousand models that come and go leave no series behind", async () => {
  const metrics = createMetrics();
  const usage = { promptTokens: 1, outputTokens: 1 };
  const timings = { loadMs: 1, prefillMs: 1, decodeMs: 1, totalMs: 3 };
  const report = (name: string) =>
    buildNodeView({ report: buildNodeReport({ models: [buildModelReport({ name })] }) });
  const served = async (name: string): Promise<number> => {
    metrics.modelsReported(studio, [{ name, loaded: true }]);
    metrics.attemptDone({ ...studio, model: name, tier: "edge" }, usage, timings);
    metrics.showFleet({ atMs: 0, nodes: [report(name)], pendingJobs: 0 }, 0);
    return (await lines(metrics)).filter((line) => line.startsWith("coop_node_")).length;
  };
  const ofOne = await served("model-0");
  for (let model = 1; model < 1_000; model += 1) {
    metrics.modelsReported(studio, [{ name: `model-${model}`, loaded: model % 2 === 0 }]);
    metrics.attemptDone({ ...studio, model: `model-${model}`, tier: "edge" }, usage, timings);
    metrics.showFleet({ atMs: 0, nodes: [report(`model-${model}`)], pendingJobs: 0 }, 0);
  }
  expect(await served("model-1000")).toBe(ofOne);
  expect(await metrics.render()).not.toContain("model-999");
  metrics.nodeForgotten(studio);
  expect(await metrics.render()).not.toContain("coop_node_tokens_total{");
});

test("a node's name with quotes, backslashes and newlines stays one label", async () => {
  const metrics = createMetrics();
  const name = 'the "big" one\\\n} 1\nup';
  const identity = { ...buildNodeView().identity, name };
  metrics.showFleet({ atMs: 0, nodes: [buildNodeView({ identity })], pendingJobs: 0 }, 0);
  const shown = await lines(metrics);
  expect(shown).toContain('coop_node_up{node="the \\"big\\" one\\\\\\n} 1\\nup",owner="mem_owner"} 1');
  for (const line of shown) expect(line).toMatch(/^$|^# |^[a-z0-9_]+(\{.*\})? \S+$/);
});

test("every metric is described by name, unit, labels and a help text that ends", () => {
  const described = describeMetrics();
  expect(described.length).toBeGreaterThan(40);
  expect(described.find(({ name }) => name === "coop_queue_wait_seconds")).toMatchObject({
    type: "histogram",
    labels: ["tier"],
  });
  for (const { name, type, labels, help } of described) {
    expect(name).toMatch(/^coop_[a-z0-9_]+$/);
    expect(name.endsWith("_total")).toBe(type === "counter");
    expect(help).toMatch(/^[A-Z0-9].{20,}\.$/);
    for (const label of labels) expect(label).toMatch(/^[a-z_]+$/);
  }
});

test("two programs in one process do not see each other's figures", async () => {
  const one = createMetrics();
  const other = createMetrics();
  one.connectedNodes(5);
  expect(await other.render()).toContain("coop_connected_nodes 0");
});
