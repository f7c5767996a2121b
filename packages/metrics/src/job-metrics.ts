import { Counter, Histogram } from "prom-client";
import type { Registry } from "prom-client";
import { FAILURE_CLASSES, TIERS } from "@coop/core";
import type { Tier } from "@coop/core";

const OUTCOMES = ["succeeded", "failed", "cancelled", "expired"] as const;
/** How a job ended, as its metric labels it. */
export type JobOutcome = (typeof OUTCOMES)[number];

/** The life of jobs, from the queue to their end. */
export interface JobMetrics {
  jobEnded(outcome: JobOutcome): void;
  /** An attempt that ended without ending its job; `failure` is the class. */
  attemptRetried(failure: string): void;
  /** A lease that lapsed: its node was not heard of in time. */
  leaseLost(): void;
  /** From admission until the assign was sent to a node; `tier` is the one that was asked for. */
  dispatched(tier: Tier, seconds: number): void;
  /** From admission until the first output came from the node. */
  firstOutput(tier: Tier, seconds: number): void;
}

const waitSeconds = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 3600,
];

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
  // Zero is said from the start: of what was never there, nobody can tell that it stands still.
  for (const histogram of [wait, first]) for (const tier of TIERS) histogram.zero({ tier });
  for (const outcome of OUTCOMES) jobs.inc({ outcome }, 0);
  for (const failure of FAILURE_CLASSES) retries.inc({ failure }, 0);
  return {
    jobEnded: (outcome) => jobs.inc({ outcome }),
    attemptRetried: (failure) => retries.inc({ failure }),
    leaseLost: () => leasesLost.inc(),
    dispatched: (tier, seconds) => wait.observe({ tier }, seconds),
    firstOutput: (tier, seconds) => first.observe({ tier }, seconds),
  };
}
