import { buildModelReport, buildNodeReport, buildNodeView } from "@coop/core/testing";
import { expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";

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
  metrics.queueDepth(7);
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
      "coop_queue_depth_jobs 7",
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
  metrics.showFleet({ atMs: 0, nodes: [buildNodeView({ report })], pendingJobs: 0 });
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
  metrics.showFleet({ atMs: 1, nodes: [], pendingJobs: 0 });
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
  metrics.showFleet({ atMs: 0, nodes: [buildNodeView({ report })], pendingJobs: 0 });
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
  const figures = { usedTokens: 10, heldTokens: 5, creditTokens: 2 };
  metrics.showMembers([
    { member: "mem_1", limitTokens: 100, ...figures },
    { member: "mem_2", limitTokens: null, ...figures },
  ]);
  const shown = await lines(metrics);
  expect(shown).toContain('coop_member_quota_used_tokens{member="mem_1"} 10');
  expect(shown).toContain('coop_member_quota_limit_tokens{member="mem_1"} 100');
  expect(shown).not.toContain('coop_member_quota_limit_tokens{member="mem_2"} 100');
  expect(shown.filter((line) => line.startsWith("coop_member_quota_limit_tokens{"))).toHaveLength(1);
});

test("two programs in one process do not see each other's figures", async () => {
  const one = createMetrics();
  const other = createMetrics();
  one.queueDepth(5);
  expect(await other.render()).toContain("coop_queue_depth_jobs 0");
});
