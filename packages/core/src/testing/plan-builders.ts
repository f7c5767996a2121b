import type { PlanModel, PlanNode, Running } from "../placement/plan.ts";
import { buildModelCapacity } from "./builders.ts";

/** A loaded model of a plan, with batch factor 0.2 unless given. */
export function buildPlanModel({
  batchFactor = 0.2,
  ...changes
}: Partial<PlanModel> & { batchFactor?: number } = {}): PlanModel {
  return {
    name: "llama3.2:3b",
    tier: "edge",
    capacity: buildModelCapacity({ batchFactor: { value: batchFactor, basis: "measured" } }),
    residentBytes: 4e9,
    loadS: 2,
    loaded: true,
    lastUseMs: 0,
    startsPerSecond: 0,
    speed: 1,
    ...changes,
  };
}

/** A planned node of four slots and two loaded models that take turns; nothing runs. */
export const buildPlanNode = (changes: Partial<PlanNode> = {}): PlanNode => ({
  slots: 4,
  modelMemoryBytes: 88e9,
  interference: 1,
  tokenPriceS: 0,
  release: null,
  models: [buildPlanModel(), buildPlanModel({ name: "qwen3:8b", tier: "local-small" })],
  running: [],
  ...changes,
});

/** A planned attempt of the node's first model that decodes for ten more seconds. */
export const buildRunning = (changes: Partial<Running> = {}): Running => ({
  model: 0,
  loadS: 0,
  prefillS: 0,
  decodeS: 10,
  weight: 1,
  ...changes,
});
