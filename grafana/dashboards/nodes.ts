import {
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from "@grafana/grafana-foundation-sdk/dashboard";
import {
  bars,
  BYTES,
  COUNT,
  dashboard,
  figure,
  RATIO,
  SECONDS,
  series,
  TOKENS,
  TOKENS_PER_HOUR,
  TOKENS_PER_SECOND,
} from "./panel.ts";

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
      title: "Models loaded an hour",
      description:
        "Times an hour that each model was brought into memory. Many: the node has too little of it for what it is asked.",
      unit: COUNT,
      width: 12,
      queries: [
        { expr: `sum by (model) (increase(coop_node_model_loads_total${NODE}[1h]))`, legend: "{{model}}" },
      ],
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
        "Tokens an hour that it serves, and those that would use up the budget exactly at its period's end. Above that line for long, the budget is spent early.",
      unit: TOKENS_PER_HOUR,
      width: 12,
      queries: [
        { expr: `sum(rate(coop_node_tokens_total${NODE}[15m])) * 3600`, legend: "served" },
        {
          expr: `coop_node_budget_left_tokens${NODE} / clamp_min((coop_node_budget_ends_timestamp_seconds${NODE} - time()) / 3600, 0.1)`,
          legend: "lasts the {{period}}",
        },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Share of the budget left",
      description: "What is neither used nor held, of the budget of the day and of the month.",
      unit: RATIO,
      width: 12,
      max: 1,
      queries: [
        {
          expr: `coop_node_budget_left_tokens${NODE} / (coop_node_budget_limit_tokens${NODE} > 0)`,
          legend: "{{period}}",
        },
      ],
    }),
  )
  .withPanel(
    series({
      title: "Price of a token",
      description:
        "What placement reckons one token of the budget to be worth, in seconds of a job's time: it keeps tokens for the jobs that need this machine.",
      unit: SECONDS,
      width: 12,
      queries: [{ expr: `coop_node_token_price_seconds${NODE}`, legend: "price" }],
    }),
  )
  .withRow(new RowBuilder("Its agent"))
  .withPanel(
    series({
      title: "Memory of the agent",
      description: "Resident memory of the agent's own process; the engine and its models are not in it.",
      unit: BYTES,
      width: 6,
      queries: [{ expr: `coop_agent_resident_memory_bytes${NODE}`, legend: "resident" }],
    }),
  )
  .withPanel(
    series({
      title: "Event loop lag of the agent, p99",
      description: "How late its process is. Much of it: the machine is too busy for what it serves.",
      unit: SECONDS,
      width: 6,
      queries: [{ expr: `coop_agent_event_loop_lag_p99_seconds${NODE}`, legend: "p99" }],
    }),
  )
  .withPanel(
    series({
      title: "Connections made anew",
      description:
        "Since the agent started. Each step is a connection that broke: Wi-Fi, sleep, the server's restart.",
      unit: COUNT,
      width: 6,
      queries: [{ expr: `coop_agent_reconnects${NODE}`, legend: "reconnects" }],
    }),
  )
  .withPanel(
    series({
      title: "Output not confirmed",
      description:
        "Output that the agent keeps until the server has it: rises while the connection is away or slow.",
      unit: BYTES,
      width: 6,
      queries: [{ expr: `coop_agent_unconfirmed_output_bytes${NODE}`, legend: "kept" }],
    }),
  );
