import { RowBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import { BYTES, COUNT, dashboard, figure, quantile, RATIO, SECONDS, series } from "./panel.ts";

const PER_SECOND = "suffix: /s";

/** Errors, latency, and the server itself. */
export const service = dashboard(
  "coop-service",
  "Co-op: service",
  "Errors and latency as members meet them, and the health of the server, its store and its links to nodes.",
)
  .withRow(new RowBuilder("What members meet"))
  .withPanel(
    series({
      title: "Requests",
      description: "Answered requests a second, by status.",
      unit: PER_SECOND,
      width: 8,
      stacked: true,
      queries: [
        { expr: "sum by (status) (rate(coop_http_request_seconds_count[5m]))", legend: "{{status}}" },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Server errors",
      description: "Share of requests answered with 5xx. 503 while Redis or the scheduler is away.",
      unit: RATIO,
      width: 8,
      queries: [
        {
          expr: '(sum(rate(coop_http_request_seconds_count{status=~"5.."}[5m])) or vector(0)) / clamp_min(sum(rate(coop_http_request_seconds_count[5m])), 0.001)',
          legend: "5xx",
        },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Jobs not accepted",
      description: "By reason: quota_exceeded and the like are limits at work, others deserve a look.",
      unit: PER_SECOND,
      width: 8,
      queries: [{ expr: "sum by (reason) (rate(coop_job_refusals_total[5m]))", legend: "{{reason}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Time to first output, p50 and p95",
      description: "From acceptance until the first output came from a node, by the tier that was asked for.",
      unit: SECONDS,
      width: 12,
      queries: [
        { expr: quantile(0.5, "coop_time_to_first_output_seconds", "tier"), legend: "{{tier}} p50" },
        { expr: quantile(0.95, "coop_time_to_first_output_seconds", "tier"), legend: "{{tier}} p95" },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Time to answer, p99 by route",
      description: "Streams count until they end, so chat routes show whole answers.",
      unit: SECONDS,
      width: 12,
      queries: [{ expr: quantile(0.99, "coop_http_request_seconds", "route"), legend: "{{route}}" }],
    }),
  )
  .withRow(new RowBuilder("Jobs"))
  .withPanel(
    series({
      title: "Jobs that ended",
      description: "By how they did.",
      unit: PER_SECOND,
      width: 8,
      stacked: true,
      queries: [{ expr: "sum by (outcome) (rate(coop_jobs_total[5m]))", legend: "{{outcome}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Attempts tried again",
      description: "By class of failure. node-lost: a node went away; engine errors point at one machine.",
      unit: PER_SECOND,
      width: 8,
      queries: [
        { expr: "sum by (failure) (rate(coop_attempt_retries_total[15m]))", legend: "{{failure}}" },
        { expr: "sum(rate(coop_leases_lost_total[15m]))", legend: "leases lost" },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Where an attempt's time goes, p50",
      description: "Loading the model, the prompt, the output, as engines measured them.",
      unit: SECONDS,
      width: 8,
      queries: [{ expr: quantile(0.5, "coop_attempt_stage_seconds", "stage", "15m"), legend: "{{stage}}" }],
    }),
  )
  .withRow(new RowBuilder("Scheduler, store and links"))
  .withPanel(
    figure({
      title: "Ledger findings",
      description:
        "Balances that the last check of the ledger found to differ. Anything but 0: run coop ledger verify.",
      unit: COUNT,
      width: 5,
      limits: { amber: 1, red: 2 },
      queries: [{ expr: "max(coop_ledger_findings)", legend: "findings" }],
    }),
  )
  .withPanel(
    figure({
      title: "Ledger checked",
      description: "How long ago the ledger was last checked against the accounts.",
      unit: SECONDS,
      width: 5,
      limits: { amber: 172_800, red: 604_800 },
      queries: [{ expr: "time() - max(coop_ledger_checked_timestamp_seconds > 0)", legend: "ago" }],
    }),
  )
  .withPanel(
    figure({
      title: "Weak persistence",
      description: "1 when Redis may lose accepted jobs in a crash.",
      unit: COUNT,
      width: 5,
      limits: { amber: 0.5, red: 1 },
      queries: [{ expr: "max(coop_store_persistence_weak)", legend: "weak" }],
    }),
  )
  .withPanel(
    figure({
      title: "Schedulers that lead",
      description: "Exactly one leads, except for some seconds after one was lost.",
      unit: COUNT,
      width: 5,
      queries: [{ expr: "sum(coop_scheduler_leading)", legend: "leading" }],
    }),
  )
  .withPanel(
    figure({
      title: "Redis answers",
      description: "1 while Redis answers. At 0 members get 503, and fleet and quotas are missing here.",
      unit: COUNT,
      width: 4,
      limits: { amber: 1, red: 0.5 },
      queries: [{ expr: "min(coop_store_reachable)", legend: "answers" }],
    }),
  )
  .withPanel(
    series({
      title: "Time of one decision",
      description: "Of the dispatcher, for one event.",
      unit: SECONDS,
      width: 12,
      height: 8,
      queries: [
        { expr: quantile(0.5, "coop_dispatch_decision_seconds", ""), legend: "p50" },
        { expr: quantile(0.99, "coop_dispatch_decision_seconds", ""), legend: "p99" },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Steps in Redis, p99",
      description: "Seen from the server, by step: includes the way there and back and the disk.",
      unit: SECONDS,
      width: 12,
      queries: [{ expr: quantile(0.99, "coop_store_step_seconds", "step"), legend: "{{step}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Frames with agents",
      description: "A second, by direction and kind.",
      unit: PER_SECOND,
      width: 12,
      queries: [
        {
          expr: "sum by (direction, kind) (rate(coop_node_frames_total[5m]))",
          legend: "{{direction}} {{kind}}",
        },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Bytes with agents",
      description: "A second, by direction.",
      unit: "Bps",
      width: 12,
      queries: [
        { expr: "sum by (direction) (rate(coop_node_frame_bytes_total[5m]))", legend: "{{direction}}" },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Agents turned away",
      description: "By reason. bad-signature and revoked that keep coming are someone to talk to.",
      unit: PER_SECOND,
      width: 12,
      queries: [{ expr: "sum by (reason) (rate(coop_node_refusals_total[15m]))", legend: "{{reason}}" }],
    }),
  )
  .withRow(new RowBuilder("The server's process"))
  .withPanel(
    series({
      title: "Event loop lag",
      description: "How late the process is. Above some tens of milliseconds everything is.",
      unit: SECONDS,
      width: 8,
      queries: [
        { expr: "nodejs_eventloop_lag_p50_seconds", legend: "p50" },
        { expr: "nodejs_eventloop_lag_p99_seconds", legend: "p99" },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Memory",
      description: "Resident, and what of it is JavaScript's heap.",
      unit: BYTES,
      width: 8,
      queries: [
        { expr: "process_resident_memory_bytes", legend: "resident" },
        { expr: "nodejs_heap_size_used_bytes", legend: "heap" },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Processor",
      description: "Share of one core.",
      unit: RATIO,
      width: 8,
      queries: [{ expr: "rate(process_cpu_seconds_total[5m])", legend: "processor" }],
    }),
  );
