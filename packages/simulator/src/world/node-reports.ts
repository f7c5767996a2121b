import { createCapacityEstimate, forgetSlowly, learnedCapacity, observeAttempt } from "@coop/core";
import type { CapacityEstimate, Machine, ModelCapacity, ModelReport, NodeReport } from "@coop/core";
import type { SimModel, SimNode } from "./fleet.ts";
import type { SimAttempt, SimMachine } from "./machine.ts";

/** What a node says of itself: speeds that it has measured on real attempts, and the catalogue's before that. */
export interface NodeReports {
  /** Learns from an attempt that ended well, as the agent does. */
  readonly learn: (attempt: SimAttempt) => void;
  /** The temperature's word changed: what was measured gives way faster. */
  readonly conditionsChanged: () => void;
  readonly capacityOf: (model: number) => ModelCapacity;
  readonly report: (machine: SimMachine) => NodeReport;
}

/** A load faster than this was none. */
const LOAD_S_MIN = 0.25;
const SECONDS_PER_DAY = 86_400;

export function createNodeReports(node: SimNode): NodeReports {
  const estimates: CapacityEstimate[] = node.models.map(({ prior }) => createCapacityEstimate(prior));
  const capacities: (ModelCapacity | undefined)[] = [];

  const capacityOf = (index: number): ModelCapacity => {
    const estimate = estimates[index];
    if (estimate === undefined) throw new Error(`broken invariant: ${node.name} has no model ${index}`);
    return (capacities[index] ??= learnedCapacity(estimate));
  };
  const modelReport = (model: SimModel, loaded: boolean): ModelReport => ({
    name: model.name,
    digest: `sha256:${model.name}`,
    capabilities: model.capabilities,
    contextTokens: model.contextTokens,
    parameterCount: model.parameterCount,
    cloud: false,
    loaded,
    residentBytes: model.residentBytes,
    capacity: capacityOf(model.index),
  });

  return {
    learn({ job, model, cachedTokens, spent }) {
      const estimate = estimates[model];
      if (estimate === undefined) return;
      estimates[model] = observeAttempt(estimate, {
        promptTokens: job.promptTokens - cachedTokens,
        prefillMs: spent.prefillS * 1000,
        outputTokens: job.outputTokens,
        decodeMs: spent.decodeS * 1000,
        loadMs: spent.loadS >= LOAD_S_MIN ? spent.loadS * 1000 : null,
        occupancy: meanOver(spent.decodeS, spent.batchArea),
        prefillSharers: meanOver(spent.prefillS, spent.prefillSharersArea),
        decodeSharers: meanOver(spent.decodeS, spent.decodeSharersArea),
        contextTokens: job.promptTokens + job.outputTokens / 2,
      });
      capacities[model] = undefined;
    },
    conditionsChanged() {
      for (const [index, estimate] of estimates.entries()) estimates[index] = forgetSlowly(estimate);
      capacities.length = 0;
    },
    capacityOf,
    report: (machine) => ({
      models: node.models.map((model) => modelReport(model, machine.isLoaded(model.index))),
      slots: node.slots,
      modelMemoryBytes: node.modelMemoryBytes,
      interference: { value: node.interference, basis: "measured" },
      pressure: "normal",
      thermal: machine.thermal(),
      power: "mains",
      tokensPerDay: node.tokensPerDay,
      tokensPerMonth: node.tokensPerMonth,
      servingSecondsPerDay: SECONDS_PER_DAY,
      availability: { kind: "open" },
      draining: false,
      unhealthy: {},
    }),
  };
}

/** At least 1, whatever adding up rounds off. */
const meanOver = (seconds: number, area: number): number => (seconds > 0 ? Math.max(1, area / seconds) : 1);

/** What the node's machine is, for whoever asks. */
export const machineOf = (node: SimNode): Machine => ({
  chip: node.profile,
  profile: node.profile,
  platform: "simulated",
  memoryBytes: node.modelMemoryBytes,
  simulated: true,
  agentVersion: "simulated",
  engine: "simulated",
});
