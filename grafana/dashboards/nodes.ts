import {
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { bars, COUNT, dashboard, figure, RATIO, series, TOKENS, TOKENS_PER_SECOND } from "./panel.ts";

const NODE = '{node="$node"}';

const nodeVariable = new QueryVariableBuilder("node")
  .label("Node")
  .datasource({ type: "prometheus", uid: "${datasource}" })
  .query("label_values(coop_node_up, node)")
  .refresh(VariableRefresh.OnTimeRangeChanged)
  .sort(VariableSort.AlphabeticalAsc);

const STATES = "Not told by every machine.";

/** One machine in depth. */
export const nodes = dashboard(
  "coop-nodes",
  "Co-op: nodes",
  "One machine in depth: what it can do, does and is allowed to do.",
)
  .withVariable(nodeVariable)
  .withRow(new RowBuilder("$node"))
  .withPanel(
    figure({
      title: "Connected",
      description: "1 while the node is connected.",
      unit: COUNT,
      width: 4,
      limits: { amber: 1, red: 0.5 },
      queries: [{ expr: `max(coop_node_up${NODE})`, legend: "connected" }],
    }),
  )
  .withPanel(
    figure({
      title: "Takes jobs",
      description:
        "1 while its owner and its state let it take jobs: neither paused, outside its hours nor stopping.",
      unit: COUNT,
      width: 4,
      limits: { amber: 1, red: 0.5 },
      queries: [{ expr: `max(coop_node_open${NODE})`, legend: "open" }],
    }),
  )
  .withPanel(
    figure({
      title: "Generations now",
      description: "Generations that run now.",
      unit: COUNT,
      width: 4,
      queries: [{ expr: `sum(coop_node_slots_busy${NODE})`, legend: "running" }],
    }),
  )
  .withPanel(
    figure({
      title: "Slots",
      description: "Generations that it runs at once.",
      unit: COUNT,
      width: 4,
      queries: [{ expr: `sum(coop_node_slots${NODE})`, legend: "slots" }],
    }),
  )
  .withPanel(
    figure({
      title: "Memory pressure",
      description: "0 normal, 1 warning, 2 critical: at 2 it takes nothing new.",
      unit: COUNT,
      width: 4,
      limits: { amber: 1, red: 2 },
      queries: [{ expr: `max(coop_node_memory_pressure${NODE})`, legend: "pressure" }],
    }),
  )
  .withPanel(
    figure({
      title: "Heat",
      description: `0 nominal, 1 fair, 2 serious, 3 critical: at 3 it takes nothing new. ${STATES}`,
      unit: COUNT,
      width: 4,
      limits: { amber: 2, red: 3 },
      queries: [{ expr: `max(coop_node_thermal${NODE})`, legend: "thermal" }],
    }),
  )
  .withRow(new RowBuilder("Work"))
  .withPanel(
    series({
      title: "Output by model",
      description: "Output tokens a second.",
      unit: TOKENS_PER_SECOND,
      width: 12,
      stacked: true,
      queries: [
        {
          expr: 'sum by (model) (rate(coop_node_tokens_total{node="$node", direction="output"}[5m]))',
          legend: "{{model}}",
        },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Prompt by model",
      description: "Prompt tokens a second.",
      unit: TOKENS_PER_SECOND,
      width: 12,
      stacked: true,
      queries: [
        {
          expr: 'sum by (model) (rate(coop_node_tokens_total{node="$node", direction="prompt"}[5m]))',
          legend: "{{model}}",
        },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Slots busy",
      description: "Generations that run, and how many can.",
      unit: COUNT,
      width: 12,
      queries: [
        { expr: `coop_node_slots_busy${NODE}`, legend: "running" },
        { expr: `coop_node_slots${NODE}`, legend: "slots" },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Models in memory",
      description: "1 while the model is loaded. A model that comes and goes costs its load time each time.",
      unit: COUNT,
      width: 12,
      queries: [{ expr: `coop_node_model_loaded${NODE}`, legend: "{{model}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Models that do not work",
      description:
        "1 while a model fails its health check and gets no jobs. `agent models` on the machine says why.",
      unit: COUNT,
      width: 12,
      queries: [{ expr: `coop_node_model_unhealthy${NODE}`, legend: "{{model}}" }],
    }),
  )
  .withPanel(
    series({
      title: "What it is",
      description:
        "1 for each combination of chip, engine and agent that it reported: a step shows an update.",
      unit: COUNT,
      width: 12,
      queries: [{ expr: `coop_node_info${NODE}`, legend: "{{chip}}, {{engine}}, agent {{agent_version}}" }],
    }),
  )
  .withRow(new RowBuilder("Capacity"))
  .withPanel(
    bars({
      title: "Output of one generation",
      description: "By model; measured, or still computed from the machine's memory bandwidth.",
      unit: TOKENS_PER_SECOND,
      width: 12,
      max: 150,
      limits: { amber: 10, red: 3 },
      queries: [
        { expr: `coop_node_output_capacity_tokens_per_second${NODE}`, legend: "{{model}} ({{basis}})" },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Capacity over time",
      description:
        "Output of each model with all slots busy: falls with heat, power mode and other work on the machine.",
      unit: TOKENS_PER_SECOND,
      width: 12,
      queries: [
        {
          expr: `coop_node_output_capacity_all_slots_tokens_per_second${NODE}`,
          legend: "{{model}} ({{basis}})",
        },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Prompt rate",
      description: "Rate at which it processes a prompt, by model.",
      unit: TOKENS_PER_SECOND,
      width: 12,
      queries: [
        { expr: `coop_node_prompt_capacity_tokens_per_second${NODE}`, legend: "{{model}} ({{basis}})" },
      ],
    }),
  )
  .withPanel(
    series({
      title: "State of the machine",
      description: `Heat 0 to 3, memory pressure 0 to 2, 1 while on battery. ${STATES}`,
      unit: COUNT,
      width: 12,
      queries: [
        { expr: `coop_node_thermal${NODE}`, legend: "heat" },
        { expr: `coop_node_memory_pressure${NODE}`, legend: "memory pressure" },
        { expr: `coop_node_on_battery${NODE}`, legend: "on battery" },
      ],
    }),
  )
  .withRow(new RowBuilder("Token budget"))
  .withPanel(
    series({
      title: "Tokens left",
      description: "Of the day's and the month's budget. Empty when its owner set none.",
      unit: TOKENS,
      width: 12,
      queries: [{ expr: `coop_node_budget_left_tokens${NODE}`, legend: "{{period}}" }],
    }),
  )
  .withPanel(
    series({
      title: "Pace",
      description:
        "Share of the budget that is left, divided by the share of the period that is left: above 1 there is more than a steady pace needs, below 1 less.",
      unit: RATIO,
      width: 12,
      queries: [
        {
          expr: `(coop_node_budget_left_tokens{node="$node", period="day"} / (coop_node_budget_limit_tokens > 0)) / clamp_min((coop_node_budget_ends_timestamp_seconds{node="$node", period="day"} - time()) / 86400, 0.001)`,
          legend: "day",
        },
      ],
    }),
  );
