import { decodeTokensPerSecond } from "@coop/core";
import type { FleetSnapshot, ModelReport, NodeView } from "@coop/core";
import { Gauge } from "prom-client";
import type { Registry } from "prom-client";
import { createAgentMetrics } from "./agent-metrics.ts";
import { createQueueMetrics } from "./queue-metrics.ts";

/** The fleet and its queue as a snapshot shows them. Labels: a node's name and its owner's member id, models, tiers. */
export interface FleetMetrics {
  /**
   * Shows a snapshot in place of the one before: nodes and models that are gone are shown no more. Null: shows none.
   * One program of a co-op does it, or sums over all of them would count twice.
   */
  showFleet(snapshot: FleetSnapshot | null, nowMs: number): void;
}

type Gauges = ReturnType<typeof createGauges>;
const NODE = ["node", "owner"] as const;
const MODEL = [...NODE, "model", "tier", "basis"] as const;

export function createFleetMetrics(registry: Registry): FleetMetrics {
  const gauges = createGauges(registry);
  const agents = createAgentMetrics(registry);
  const showQueues = createQueueMetrics(registry);
  return {
    showFleet(snapshot, nowMs) {
      showQueues(snapshot, nowMs);
      agents.reset();
      for (const gauge of Object.values(gauges)) gauge.reset();
      for (const node of snapshot?.nodes ?? []) {
        showNode(gauges, node);
        agents.show(node);
      }
    },
  };
}

function createGauges(registry: Registry) {
  const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Gauge<Label>({ name, help, labelNames: [...labelNames], registers: [registry] });
  return {
    info: gauge("coop_node_info", "1 for each node, with what it is in its labels.", [
      ...NODE,
      "chip",
      "engine",
      "agent_version",
      "simulated",
    ]),
    up: gauge("coop_node_up", "1 while the node is connected.", NODE),
    open: gauge("coop_node_open", "1 while its owner and its state let the node take jobs.", NODE),
    slots: gauge("coop_node_slots", "Generations that the node runs at once.", NODE),
    busy: gauge("coop_node_slots_busy", "Generations that the node runs now.", NODE),
    decode: gauge(
      "coop_node_output_capacity_tokens_per_second",
      "Output that one generation alone gets from a model on a node; basis says whether that was measured or is still the prior from its bandwidth.",
      MODEL,
    ),
    together: gauge(
      "coop_node_output_capacity_all_slots_tokens_per_second",
      "Output of a model on a node with all slots busy, summed over them.",
      MODEL,
    ),
    prefill: gauge(
      "coop_node_prompt_capacity_tokens_per_second",
      "Rate at which a node processes a prompt for a model.",
      MODEL,
    ),
    loaded: gauge("coop_node_model_loaded", "1 while the model is in the node's memory.", [
      ...NODE,
      "model",
      "tier",
    ]),
    unhealthy: gauge("coop_node_model_unhealthy", "1 while the model does not work on the node.", [
      ...NODE,
      "model",
    ]),
    budgetLimit: gauge(
      "coop_node_budget_limit_tokens",
      "Tokens that the owner lets the node serve in the period. Absent without a limit.",
      [...NODE, "period"],
    ),
    budgetLeft: gauge(
      "coop_node_budget_left_tokens",
      "Tokens of the period's budget that are neither used nor held. Absent without a limit.",
      [...NODE, "period"],
    ),
    budgetEnds: gauge(
      "coop_node_budget_ends_timestamp_seconds",
      "When the period of the budget ends and its tokens come anew, seconds since the Unix epoch.",
      [...NODE, "period"],
    ),
    tokenPrice: gauge(
      "coop_node_token_price_seconds",
      "What placement reckons one token of the node's budget to be worth, in seconds of a job's time: rises while the budget goes faster than it lasts, falls while it goes slower. Absent without a budget.",
      NODE,
    ),
    pressure: gauge("coop_node_memory_pressure", "Memory pressure: 0 normal, 1 warning, 2 critical.", NODE),
    thermal: gauge(
      "coop_node_thermal",
      "Thermal state: 0 nominal, 1 fair, 2 serious, 3 critical. Absent where the machine does not tell.",
      NODE,
    ),
    battery: gauge(
      "coop_node_on_battery",
      "1 while the machine runs on battery. Absent where it does not tell.",
      NODE,
    ),
  };
}

const PRESSURES = { normal: 0, warning: 1, critical: 2 } as const;
const THERMALS = { nominal: 0, fair: 1, serious: 2, critical: 3 } as const;

function showNode(gauges: Gauges, view: NodeView): void {
  const { identity, machine, report, connected, active } = view;
  const node = { node: identity.name, owner: identity.owner };
  gauges.info.set(
    {
      ...node,
      chip: machine.chip,
      engine: machine.engine,
      agent_version: machine.agentVersion,
      simulated: String(machine.simulated),
    },
    1,
  );
  gauges.up.set(node, connected ? 1 : 0);
  const isOpen = connected && !report.draining && report.availability.kind === "open";
  gauges.open.set(node, isOpen ? 1 : 0);
  gauges.slots.set(node, report.slots);
  gauges.busy.set(node, active.length);
  gauges.pressure.set(node, PRESSURES[report.pressure]);
  if (report.thermal !== "unknown") gauges.thermal.set(node, THERMALS[report.thermal]);
  if (report.power !== "unknown") gauges.battery.set(node, report.power === "battery" ? 1 : 0);
  showBudget(gauges, view);
  for (const model of report.models) showModel(gauges, view, model);
}

function showBudget(gauges: Gauges, { identity, report, budget, tokenPriceS = 0 }: NodeView): void {
  const periods = [
    ["day", report.tokensPerDay, budget.dayLeftTokens, budget.dayEndsMs],
    ["month", report.tokensPerMonth, budget.monthLeftTokens, budget.monthEndsMs],
  ] as const;
  for (const [period, limit, left, endsMs] of periods) {
    if (limit === null || left === null) continue;
    const labels = { node: identity.name, owner: identity.owner, period };
    gauges.budgetLimit.set(labels, limit);
    gauges.budgetLeft.set(labels, Math.max(0, left));
    gauges.budgetEnds.set(labels, endsMs / 1000);
    gauges.tokenPrice.set({ node: identity.name, owner: identity.owner }, tokenPriceS);
  }
}

function showModel(gauges: Gauges, { identity, report, tiers }: NodeView, model: ModelReport): void {
  const { capacity } = model;
  const labels = { node: identity.name, owner: identity.owner, model: model.name };
  const tier = tiers[model.name] ?? "unknown";
  gauges.loaded.set({ ...labels, tier }, model.loaded ? 1 : 0);
  gauges.unhealthy.set(labels, model.name in report.unhealthy ? 1 : 0);
  if (!model.capabilities.includes("completion")) return;
  const basis = capacity.effectiveBytesPerSecond.basis;
  gauges.decode.set({ ...labels, tier, basis }, decodeTokensPerSecond(capacity, 0, 1));
  const slots = Math.max(1, report.slots);
  gauges.together.set({ ...labels, tier, basis }, slots * decodeTokensPerSecond(capacity, 0, slots));
  const { value, basis: prefillBasis } = capacity.prefillTokensPerSecond;
  gauges.prefill.set({ ...labels, tier, basis: prefillBasis }, value);
}
