import { decodeStepMs, prefillMs } from "../capacity/decode.ts";
import { referenceStepMs } from "../fairness/reference.ts";
import type { AttemptPhase, ModelCapacity, ModelReport, NodeReport } from "../fleet/node.ts";
import type { JobSpec } from "../job/job.ts";
import type { Tier } from "../terms.ts";
import { expectedMoreTokens } from "./expected-output.ts";
import type { PlacementOption } from "./candidate.ts";
import type { PlanModel, PlanNode, PlanRelease, Running } from "./plan.ts";

/** From what is known of a node to the plan that placement decides on. */

/** An attempt as far as its remaining time depends on it. */
export interface PlannedAttempt {
  readonly model: string;
  readonly phase: AttemptPhase;
  /** Since the phase or the token count was last heard of, seconds. */
  readonly sinceHeardS: number;
  readonly promptTokens: number;
  /** Part of the prompt that the engine is expected to hold from an earlier turn. */
  readonly cachedTokens: number;
  readonly maxOutputTokens: number;
  readonly outputTokens: number;
  /** Mean output of its kind of job. */
  readonly meanOutputTokens: number;
  readonly weight: number;
}

/** How a model was used on a node so far. */
export interface ModelUse {
  readonly lastUseMs: number;
  readonly startsPerSecond: number;
}

export interface PlanSource {
  readonly report: NodeReport;
  readonly tiers: Readonly<Record<string, Tier>>;
  readonly attempts: readonly PlannedAttempt[];
  readonly useOf: (model: string) => ModelUse;
  readonly tokenPriceS: number;
  readonly release: PlanRelease | null;
}

/** What a second of delay of a job is worth. */
export const weightOf = (spec: Pick<JobSpec, "band">): number => (spec.band === "batch" ? 0.1 : 1);

type Runnable = { readonly name: string; readonly capacity: ModelCapacity };

/**
 * A job's options, where outputs of its kind on a model have the mean `meanOf(model)` and a node's model holds
 * `cachedOf(node, model)` tokens of its prompt already.
 */
export function optionsOf(
  spec: JobSpec,
  meanOf: (model: string) => number,
  cachedOf: (node: number, model: string) => number = () => 0,
): (node: number, index: number, model: Runnable) => PlacementOption {
  /** By mean. */
  const expected = new Map<number, number>();
  return (node, index, { name, capacity }) => {
    const mean = meanOf(name);
    const outputTokens = expected.get(mean) ?? expectedMoreTokens(mean, 0, spec.maxOutputTokens);
    expected.set(mean, outputTokens);
    const contextTokens = spec.promptTokens + outputTokens / 2;
    return {
      node,
      model: index,
      prefillS: prefillMs(capacity, spec.promptTokens - cachedOf(node, name)) / 1000,
      decodeS: (outputTokens * decodeStepMs(capacity, contextTokens, 1)) / 1000,
    };
  };
}

export const planNode = (source: PlanSource): PlanNode => planWith(source, planModels(source));

const planTerms = ({ report, tokenPriceS, release }: PlanSource) => ({
  release,
  modelMemoryBytes: report.modelMemoryBytes,
  interference: report.interference.value,
  tokenPriceS,
});

/** The part of a plan that stands until a report comes or an attempt starts or ends. */
export function planModels(source: PlanSource): readonly PlanModel[] {
  const { report, tiers } = source;
  const inMemory = modelsInMemory(source);
  return report.models.map((model, index): PlanModel => {
    const use = source.useOf(model.name);
    return {
      name: model.name,
      tier: tiers[model.name] ?? "edge",
      capacity: model.capacity,
      residentBytes: model.cloud ? 0 : model.residentBytes,
      loadS: model.cloud ? 0 : model.capacity.loadMs.value / 1000,
      loaded: inMemory.has(index),
      lastUseMs: use.lastUseMs,
      startsPerSecond: use.startsPerSecond,
      speed: Math.min(1, referenceStepMs(model.capacity) / decodeStepMs(model.capacity, 0, 1)),
    };
  });
}

/** The whole plan, with models that were planned before. */
export function planWith(source: PlanSource, models: readonly PlanModel[]): PlanNode {
  return { ...planRunning(source, models), ...planTerms(source) };
}

function planRunning(
  { report, attempts }: PlanSource,
  models: readonly PlanModel[],
): Pick<PlanNode, "slots" | "models" | "running"> {
  const running = attempts.flatMap((attempt): Running | readonly [] => {
    const index = report.models.findIndex((model) => model.name === attempt.model);
    const model = report.models[index];
    if (model === undefined) return [];
    let batch = 0;
    for (const other of attempts) if (other.model === attempt.model) batch += 1;
    return runningOf(attempt, index, model, batch);
  });
  return { slots: report.slots - (attempts.length - running.length), models, running };
}

/** Loaded models, and those on their way in; where both do not fit, idle ones count as thrown out already. */
function modelsInMemory({ report, attempts, useOf }: PlanSource): Set<number> {
  const busy = new Set<number>();
  const idle: number[] = [];
  for (const [index, model] of report.models.entries()) {
    if (attempts.some((attempt) => attempt.model === model.name)) busy.add(index);
    else if (model.loaded || model.cloud) idle.push(index);
  }
  const bytesOf = (index: number) => {
    const model = report.models[index];
    return model === undefined || model.cloud ? 0 : model.residentBytes;
  };
  const lastUseMs = (index: number) => useOf(report.models[index]?.name ?? "").lastUseMs;
  let usedBytes = 0;
  for (const index of busy) usedBytes += bytesOf(index);
  for (const index of idle.sort((one, other) => lastUseMs(other) - lastUseMs(one))) {
    usedBytes += bytesOf(index);
    if (usedBytes <= report.modelMemoryBytes) busy.add(index);
  }
  return busy;
}

/** A decode that is silent for longer than this has not come further meanwhile. */
const SILENT_DECODE_S = 5;

/**
 * What an attempt still needs, alone. Time that passed since it was last heard of goes off the load and the
 * prompt, but never off an output that has not begun: an attempt that hangs does not look as if it were done.
 */
function runningOf(attempt: PlannedAttempt, index: number, model: ModelReport, batch: number): Running {
  const { weight } = attempt;
  const { capacity } = model;
  const contextTokens = attempt.promptTokens + attempt.outputTokens;
  const isDecoding = attempt.phase === "decode";
  const silentS = Math.min(attempt.sinceHeardS, SILENT_DECODE_S);
  const sinceTokens = isDecoding ? (silentS * 1000) / decodeStepMs(capacity, contextTokens, batch) : 0;
  const outputTokens = attempt.outputTokens + sinceTokens;
  const moreTokens = expectedMoreTokens(attempt.meanOutputTokens, outputTokens, attempt.maxOutputTokens);
  const decodeS = (moreTokens * decodeStepMs(capacity, contextTokens + moreTokens / 2, 1)) / 1000;
  if (isDecoding) return { model: index, weight, loadS: 0, prefillS: 0, decodeS };
  const mustLoad = attempt.phase !== "prefill" && !model.loaded && !model.cloud;
  const loadS = mustLoad ? capacity.loadMs.value / 1000 : 0;
  const promptS = prefillMs(capacity, attempt.promptTokens - attempt.cachedTokens) / 1000;
  return {
    model: index,
    weight,
    loadS: Math.max(0, loadS - attempt.sinceHeardS),
    prefillS: Math.max(0, promptS - Math.max(0, attempt.sinceHeardS - loadS)),
    decodeS,
  };
}
