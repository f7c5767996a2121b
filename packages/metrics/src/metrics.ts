import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** How a job ended, as its metric labels it. */
export type JobOutcome = "succeeded" | "failed" | "cancelled" | "expired";

/** What the parts of the co-op measure of themselves. No label ever carries a member, a job or a prompt. */
export interface Metrics {
  /** One answered request. `route` is the pattern (`/v1/jobs/:id`), never a path with ids in it. */
  httpRequest(route: string, status: number, seconds: number): void;
  jobEnded(outcome: JobOutcome): void;
  /** An attempt that ended without ending its job; `failure` is the class. */
  attemptRetried(failure: string): void;
  /** Jobs that are pending now. */
  queueDepth(jobs: number): void;
  /** From admission until the assign was sent to a node. */
  dispatched(seconds: number): void;
  /** One step of the dispatcher. */
  decided(seconds: number): void;
  connectedNodes(nodes: number): void;
  /** One frame read from an agent or sent to one. */
  frame(direction: "from-agent" | "to-agent", kind: string): void;
  /** One connection of an agent turned away. */
  nodeRefused(reason: string): void;
  /** Everything measured so far, in the Prometheus text format. */
  render(): Promise<string>;
  /** Content type of what `render` gives. */
  readonly contentType: string;
}

const fastSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 120];
const decisionSeconds = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1];

/** Builds the metrics of one program, in a registry of their own. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const httpSeconds = new Histogram({
    name: "coop_http_request_seconds",
    help: "Time to answer a request; streams count until they end.",
    labelNames: ["route", "status"],
    buckets: fastSeconds,
    registers,
  });
  const jobs = new Counter({
    name: "coop_jobs_total",
    help: "Jobs that ended, by outcome.",
    labelNames: ["outcome"],
    registers,
  });
  const retries = new Counter({
    name: "coop_attempt_retries_total",
    help: "Attempts that ended without ending their job, by failure class.",
    labelNames: ["failure"],
    registers,
  });
  const depth = new Gauge({ name: "coop_queue_depth_jobs", help: "Jobs that are pending.", registers });
  const dispatch = new Histogram({
    name: "coop_submit_to_dispatch_seconds",
    help: "From admission until the assign was sent to a node.",
    buckets: fastSeconds,
    registers,
  });
  const decision = new Histogram({
    name: "coop_dispatch_decision_seconds",
    help: "One step of the dispatcher.",
    buckets: decisionSeconds,
    registers,
  });
  const nodes = new Gauge({ name: "coop_connected_nodes", help: "Nodes that are connected.", registers });
  const frames = new Counter({
    name: "coop_node_frames_total",
    help: "Frames exchanged with agents.",
    labelNames: ["direction", "kind"],
    registers,
  });
  const refusals = new Counter({
    name: "coop_node_refusals_total",
    help: "Connections of agents turned away, by reason.",
    labelNames: ["reason"],
    registers,
  });

  return {
    httpRequest: (route, status, seconds) => httpSeconds.observe({ route, status: String(status) }, seconds),
    jobEnded: (outcome) => jobs.inc({ outcome }),
    attemptRetried: (failure) => retries.inc({ failure }),
    queueDepth: (pending) => depth.set(pending),
    dispatched: (seconds) => dispatch.observe(seconds),
    decided: (seconds) => decision.observe(seconds),
    connectedNodes: (connected) => nodes.set(connected),
    frame: (direction, kind) => frames.inc({ direction, kind }),
    nodeRefused: (reason) => refusals.inc({ reason }),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
