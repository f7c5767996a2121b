import { expect, test } from "vitest";
import { createMetrics } from "./metrics.ts";

test("what was measured is rendered with its labels", async () => {
  const metrics = createMetrics();
  metrics.httpRequest("/v1/jobs/:id", 404, 0.002);
  metrics.jobEnded("succeeded");
  metrics.jobEnded("succeeded");
  metrics.attemptRetried("node-lost");
  metrics.queueDepth(7);
  metrics.dispatched(0.004);
  metrics.decided(0.0002);
  metrics.connectedNodes(3);
  metrics.frame("from-agent", "output");
  metrics.nodeRefused("not-leader");
  expect((await metrics.render()).split("\n")).toEqual(
    expect.arrayContaining([
      'coop_http_request_seconds_count{route="/v1/jobs/:id",status="404"} 1',
      'coop_jobs_total{outcome="succeeded"} 2',
      'coop_attempt_retries_total{failure="node-lost"} 1',
      "coop_queue_depth_jobs 7",
      "coop_submit_to_dispatch_seconds_sum 0.004",
      "coop_dispatch_decision_seconds_sum 0.0002",
      "coop_connected_nodes 3",
      'coop_node_frames_total{direction="from-agent",kind="output"} 1',
      'coop_node_refusals_total{reason="not-leader"} 1',
    ]),
  );
  expect(metrics.contentType).toContain("text/plain");
});

test("two programs in one process do not see each other's figures", async () => {
  const one = createMetrics();
  const other = createMetrics();
  one.queueDepth(5);
  expect(await other.render()).toContain("coop_queue_depth_jobs 0");
});
