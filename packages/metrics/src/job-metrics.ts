import { Counter, Gauge, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import type { Tier, Timings, Usage } from "@coop/core";

/** How a job ended, as its metric labels it. */
export type JobOutcome = "succeeded" | "failed" | "cancelled" | "expired";

/** Where an attempt ran. */
export interface AttemptPlace {
  /** The node's name, and the id of the member it belongs to. */
  readonly node: string;
  readonly owner: string;
  readonly model: string;
  readonly tier: Tier;
}

/** The life of jobs, from the queue to their end. */
export interface JobMetrics {
  jobEnded(outcome: JobOutcome): void;
  /** An attempt that ended without ending its job; `failure` is the class. */
  attemptRetried(failure: string): void;
  /** A lease that lapsed: its node was not heard of in time. */
  leaseLost(): void;
  /** Jobs that are pending now. */
  queueDepth(jobs: number): void;
  /** From admission until the assign was sent to a node; `tier` is the one that was asked for. */
  dispatched(tier: Tier, seconds: number): void;
  /** From admission until the first output came from the node. */
  firstOutput(tier: Tier, seconds: number): void;
  /** An attempt that its node finished. */
  attemptDone(place: AttemptPlace, usage: Usage, timings: Timings): void;
}

const waitSeconds = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600];
const stageSeconds = [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120];
const rates = [1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 250, 500];

export function createJobMetrics(registry: Registry): JobMetrics {
  const registers = [registry];
  const jobs = new Counter({
    name: "coop_jobs_total",
    help: "Jobs that ended, by how they did.",
    labelNames: ["outcome"],
    registers,
  });
  const retries = new Counter({
    name: "coop_attempt_retries_total",
    help: "Attempts that ended without ending their job, by class of failure; the job is tried again.",
    labelNames: ["failure"],
    registers,
  });
  const leasesLost = new Counter({
    name: "coop_leases_lost_total",
    help: "Attempts given up because their node was not heard of in time.",
    registers,
  });
  const depth = new Gauge({ name: "coop_queue_depth_jobs", help: "Jobs that wait for a node.", registers });
  const wait = new Histogram({
    name: "coop_queue_wait_seconds",
    help: "From acceptance until a job was sent to a node, by the tier that was asked for.",
    labelNames: ["tier"],
    buckets: waitSeconds,
    registers,
  });
  const first = new Histogram({
    name: "coop_time_to_first_output_seconds",
    help: "From acceptance until the first output came from the node, by the tier that was asked for.",
    labelNames: ["tier"],
    buckets: waitSeconds,
    registers,
  });
  return {
    jobEnded: (outcome) => jobs.inc({ outcome }),
    attemptRetried: (failure) => retries.inc({ failure }),
    leaseLost: () => leasesLost.inc(),
    queueDepth: (pending) => depth.set(pending),
    dispatched: (tier, seconds) => wait.observe({ tier }, seconds),
    firstOutput: (tier, seconds) => first.observe({ tier }, seconds),
    attemptDone: createServedMetrics(registry),
  };
}

/** What nodes served, as their engines measured it. */
function createServedMetrics(registry: Registry): JobMetrics["attemptDone"] {
  const registers = [registry];
  const tokens = new Counter({
    name: "coop_node_tokens_total",
    help: "Tokens that a node processed (prompt) or generated (output), by model and its tier.",
    labelNames: ["node", "owner", "model", "tier", "direction"],
    registers,
  });
  const stages = new Histogram({
    name: "coop_attempt_stage_seconds",
    help: "Time that a finished attempt spent loading its model, on its prompt and on its output, as its engine measured it.",
    labelNames: ["stage", "tier"],
    buckets: stageSeconds,
    registers,
  });
  const rate = new Histogram({
    name: "coop_attempt_output_tokens_per_second",
    help: "Rate at which a finished attempt generated its output.",
    labelNames: ["tier"],
    buckets: rates,
    registers,
  });
  return ({ tier, ...place }, { promptTokens, outputTokens }, { loadMs, prefillMs, decodeMs }) => {
    tokens.inc({ ...place, tier, direction: "prompt" }, promptTokens);
    tokens.inc({ ...place, tier, direction: "output" }, outputTokens);
    stages.observe({ stage: "load", tier }, loadMs / 1000);
    stages.observe({ stage: "prefill", tier }, prefillMs / 1000);
    stages.observe({ stage: "decode", tier }, decodeMs / 1000);
    if (decodeMs > 0) rate.observe({ tier }, outputTokens / (decodeMs / 1000));
  };
}
