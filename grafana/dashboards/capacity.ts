import { RowBuilder } from "@grafana/grafana-foundation-sdk/dashboard";
import {
  bars,
  COUNT,
  dashboard,
  figure,
  quantile,
  RATIO,
  SECONDS,
  series,
  TOKENS,
  TOKENS_PER_HOUR,
  TOKENS_PER_SECOND,
} from "./panel.ts";

/** What of each node's models counts as its capacity: its fastest one with all slots busy. */
const NODE_CAPACITY = "max by (node, owner) (coop_node_output_capacity_all_slots_tokens_per_second)";
const CONNECTED_CAPACITY = `${NODE_CAPACITY} * on (node, owner) coop_node_up`;
const OUTPUT = 'coop_node_tokens_total{direction="output"}';

/** What the fleet can do, what of it is used, what is left of each budget, and where the queue waits. */
export const capacity = dashboard(
  "coop-capacity",
  "Co-op: capacity",
  "What the fleet can do, what of it is used, what is left of each token budget, and where jobs wait.",
)
  .withRow(new RowBuilder("Now"))
  .withPanel(
    figure({
      title: "Nodes connected",
      description: "Nodes that are connected to the scheduler that leads.",
      unit: COUNT,
      width: 4,
      queries: [{ expr: "max(coop_connected_nodes)", legend: "connected" }],
    }),
  )
  .withPanel(
    figure({
      title: "Slots busy",
      description: "Generations that run now, as a share of those that connected nodes can run at once.",
      unit: RATIO,
      width: 4,
      limits: { amber: 0.8, red: 0.98 },
      queries: [
        {
          expr: "sum(coop_node_slots_busy) / sum(coop_node_slots * on (node, owner) coop_node_up)",
          legend: "busy",
        },
      ],
    }),
  )
  .withPanel(
    figure({
      title: "Output now",
      description: "Output tokens a second, all nodes together, over the last minutes.",
      unit: TOKENS_PER_SECOND,
      width: 4,
      decimals: 1,
      queries: [{ expr: `sum(rate(${OUTPUT}[5m]))`, legend: "output" }],
    }),
  )
  .withPanel(
    figure({
      title: "Output possible",
      description:
        "What connected nodes could generate with every slot busy on the fastest model of each: an upper bound, larger models give less.",
      unit: TOKENS_PER_SECOND,
      width: 4,
      decimals: 0,
      queries: [{ expr: `sum(${CONNECTED_CAPACITY})`, legend: "possible" }],
    }),
  )
  .withPanel(
    figure({
      title: "Jobs waiting",
      description: "Jobs that were accepted and have no node yet.",
      unit: COUNT,
      width: 4,
      limits: { amber: 20, red: 200 },
      queries: [{ expr: "sum(coop_queue_depth_jobs)", legend: "waiting" }],
    }),
  )
  .withPanel(
    figure({
      title: "Wait, p95",
      description: "Of the jobs placed in the last quarter of an hour, 95 of 100 waited no longer than this.",
      unit: SECONDS,
      width: 4,
      limits: { amber: 10, red: 60 },
      queries: [
        {
          expr: quantile(0.95, "coop_queue_wait_seconds", "", "15m"),
          legend: "p95",
        },
      ],
    }),
  )
  .withRow(new RowBuilder("What the fleet can do"))
  .withPanel(
    series({
      title: "Output by node, and what all could do",
      description:
        "Stacked: output tokens a second of each node. Where the stack stays far below the possible output while jobs wait, look at budgets, hours and tiers.",
      unit: TOKENS_PER_SECOND,
      width: 12,
      stacked: true,
      queries: [{ expr: `sum by (node, owner) (rate(${OUTPUT}[5m]))`, legend: "{{node}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Possible output by tier",
      description:
        "For each tier, what connected nodes could generate with all slots busy on their fastest model of that tier. A node counts in every tier that it has a model of.",
      unit: TOKENS_PER_SECOND,
      width: 12,
      queries: [
        {
          expr: "sum by (tier) (max by (node, owner, tier) (coop_node_output_capacity_all_slots_tokens_per_second) * on (node, owner) group_left coop_node_up)",
          legend: "{{tier}}",
        },
      ],
    }),
  )
  .withPanel(
    bars({
      title: "Possible output by node and model, one generation",
      description:
        "Rate of one generation alone. The basis tells measured figures from those that are still computed from the machine's memory bandwidth.",
      unit: TOKENS_PER_SECOND,
      width: 12,
      max: 150,
      limits: { amber: 10, red: 3 },
      queries: [
        {
          expr: "sort_desc(coop_node_output_capacity_tokens_per_second)",
          legend: "{{node}} {{model}} ({{basis}})",
        },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Slots busy by node",
      description: "Share of each node's slots that run a generation.",
      unit: RATIO,
      width: 12,
      max: 1,
      queries: [{ expr: "coop_node_slots_busy / (coop_node_slots > 0)", legend: "{{node}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Output rate that jobs got, p50",
      description:
        "Half of the finished attempts generated at least this fast, by the tier that served them.",
      unit: TOKENS_PER_SECOND,
      width: 12,
      queries: [
        {
          expr: quantile(0.5, "coop_attempt_output_tokens_per_second", "tier", "15m"),
          legend: "{{tier}}",
        },
      ],
    }),
  )
  .withPanel(
    bars({
      title: "Prompt rate by node and model",
      description:
        "Prompt tokens a second: what long prompts wait for. Small machines fall behind here first.",
      unit: TOKENS_PER_SECOND,
      width: 12,
      max: 2_000,
      limits: { amber: 100, red: 50 },
      queries: [
        {
          expr: "sort_desc(coop_node_prompt_capacity_tokens_per_second)",
          legend: "{{node}} {{model}} ({{basis}})",
        },
      ],
    }),
  )
  .withRow(new RowBuilder("Token budgets"))
  .withPanel(
    bars({
      title: "Left of each budget",
      description:
        "Share of the day's and the month's budget that is neither used nor held. Nodes without a budget are not shown.",
      unit: RATIO,
      width: 12,
      max: 1,
      limits: { amber: 0.25, red: 0.1 },
      queries: [
        {
          expr: "coop_node_budget_left_tokens / (coop_node_budget_limit_tokens > 0)",
          legend: "{{node}}, {{period}}",
        },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Tokens left",
      description:
        "Tokens of each budget that are left. A straight line down to the period's end is the plan.",
      unit: TOKENS,
      width: 12,
      queries: [{ expr: "coop_node_budget_left_tokens", legend: "{{node}}, {{period}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Pace that lasts",
      description:
        "Tokens an hour that would use up what is left of each budget exactly at its period's end. A falling line: it is used faster than that.",
      unit: TOKENS_PER_HOUR,
      width: 12,
      queries: [
        {
          expr: "coop_node_budget_left_tokens / clamp_min((coop_node_budget_ends_timestamp_seconds - time()) / 3600, 0.1)",
          legend: "{{node}}, {{period}}",
        },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Price of a token",
      description:
        "What placement reckons one token of a node's budget to be worth, in seconds of a job's time. Where it rises, jobs go elsewhere if that costs them less.",
      unit: SECONDS,
      width: 12,
      queries: [{ expr: "coop_node_token_price_seconds", legend: "{{node}}" }],
    }),
  )
  .withRow(new RowBuilder("Where the queue waits"))
  .withPanel(
    series({
      title: "Jobs waiting by tier",
      description: "Stacked: jobs without a node, by the tier that they ask for.",
      unit: COUNT,
      width: 12,
      stacked: true,
      queries: [{ expr: "sum by (tier) (coop_queue_depth_jobs)", legend: "{{tier}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Oldest job that waits",
      description:
        "For how long the job that has waited longest has waited by now. It falls when that job is placed; a line that only rises shows a tier that nothing serves.",
      unit: SECONDS,
      width: 12,
      queries: [{ expr: "max by (tier) (coop_queue_oldest_wait_seconds)", legend: "{{tier}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Wait by tier, p50",
      description: "Half of the jobs that asked for the tier waited no longer than this for a node.",
      unit: SECONDS,
      width: 12,
      queries: [
        {
          expr: quantile(0.5, "coop_queue_wait_seconds", "tier", "15m"),
          legend: "{{tier}}",
        },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Wait by tier, p95",
      description: "95 of 100 jobs that asked for the tier waited no longer than this for a node.",
      unit: SECONDS,
      width: 12,
      queries: [
        {
          expr: quantile(0.95, "coop_queue_wait_seconds", "tier", "15m"),
          legend: "{{tier}}",
        },
      ],
    }),
  );
