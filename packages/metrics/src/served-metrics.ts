import { TIERS } from "@coop/core";
import type { ModelReport, Tier, Timings, Usage } from "@coop/core";
import { Counter, Histogram } from "prom-client";
import type { Registry } from "prom-client";

/** A node by its name and the id of the member it belongs to. */
export interface NodeLabels {
  readonly node: string;
  readonly owner: string;
}

/** Where an attempt ran. */
export interface AttemptPlace extends NodeLabels {
  readonly model: string;
  readonly tier: Tier;
}

/**
 * What nodes served, as their engines measured it.
 *
 * M1. Models come and go, series do not pile up: what a node no longer has is counted no more, and forgotten.
 */
export interface ServedMetrics {
  /** An attempt that its node finished. */
  attemptDone(place: AttemptPlace, usage: Usage, timings: Timings): void;
  /** What a node says that it has now; whatever else it had before is forgotten. */
  modelsReported(node: NodeLabels, models: readonly Pick<ModelReport, "name" | "loaded">[]): void;
  /** A node that never comes back. */
  nodeForgotten(node: NodeLabels): void;
}

const stageSeconds = [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120];
const rates = [1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 250, 500];
const DIRECTIONS = ["prompt", "output"] as const;

export function createServedMetrics(registry: Registry): ServedMetrics {
  const counters = createModelCounters(registry);
  const observe = createAttemptHistograms(registry);
  /** By node, the models that have series, and whether each was loaded when last heard of. */
  const known = new Map<string, Map<string, boolean>>();

  const modelsOf = ({ node, owner }: NodeLabels): Map<string, boolean> => {
    const key = JSON.stringify([node, owner]);
    const models = known.get(key) ?? new Map<string, boolean>();
    known.set(key, models);
    return models;
  };
  const modelsReported: ServedMetrics["modelsReported"] = ({ node, owner }, models) => {
    const before = modelsOf({ node, owner });
    const names = new Set(models.map(({ name }) => name));
    for (const name of before.keys()) {
      if (names.has(name)) continue;
      counters.forget({ node, owner, model: name });
      before.delete(name);
    }
    for (const { name, loaded } of models) {
      counters.loads.inc({ node, owner, model: name }, before.get(name) === false && loaded ? 1 : 0);
      before.set(name, loaded);
    }
  };

  return {
    modelsReported,
    nodeForgotten({ node, owner }) {
      modelsReported({ node, owner }, []);
      known.delete(JSON.stringify([node, owner]));
    },
    attemptDone(place, usage, timings) {
      const models = modelsOf(place);
      models.set(place.model, models.get(place.model) ?? true);
      counters.tokens.inc({ ...place, direction: "prompt" }, usage.promptTokens);
      counters.tokens.inc({ ...place, direction: "output" }, usage.outputTokens);
      observe(place.tier, usage, timings);
    },
  };
}

function createModelCounters(registry: Registry) {
  const registers = [registry];
  const tokens = new Counter({
    name: "coop_node_tokens_total",
    help: "Tokens that a node processed (prompt) or generated (output), by model and its tier.",
    labelNames: ["node", "owner", "model", "tier", "direction"],
    registers,
  });
  const loads = new Counter({
    name: "coop_node_model_loads_total",
    help: "Times that a node was seen to bring a model into its memory. A model that comes and goes costs its load time each time.",
    labelNames: ["node", "owner", "model"],
    registers,
  });
  return {
    tokens,
    loads,
    forget(place: NodeLabels & { readonly model: string }): void {
      loads.remove({ ...place });
      for (const tier of TIERS)
        for (const direction of DIRECTIONS) tokens.remove({ ...place, tier, direction });
    },
  };
}

function createAttemptHistograms(registry: Registry) {
  const registers = [registry];
  const stages = new Histogram({
    name: "coop_attempt_stage_seconds",
    help: "Time that a finished attempt spent loading its model, on its prompt and on its output, as its engine measured it.",
    labelNames: ["stage", "tier"],
    buckets: stageSeconds,
    registers,
  });
  const rate = new Histogram({
    name: "coop_attempt_output_tokens_per_second",
    help: "Rate at which a finished attempt generated its output, by the tier of its model.",
    labelNames: ["tier"],
    buckets: rates,
    registers,
  });
  return (tier: Tier, { outputTokens }: Usage, { loadMs, prefillMs, decodeMs }: Timings): void => {
    stages.observe({ stage: "load", tier }, loadMs / 1000);
    stages.observe({ stage: "prefill", tier }, prefillMs / 1000);
    stages.observe({ stage: "decode", tier }, decodeMs / 1000);
    if (decodeMs > 0) rate.observe({ tier }, outputTokens / (decodeMs / 1000));
  };
}
