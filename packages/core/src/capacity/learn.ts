import type { Figure, ModelCapacity } from "../fleet/node.ts";
import { decodeStepMs } from "./decode.ts";

/**
 * Turns what an engine measured for real attempts into a model's capacity. Pure: an estimate is plain data
 * (it survives JSON) and every function returns a new one.
 *
 * L1. A figure says `measured` after three samples, and `prior` before.
 * L2. Counts that are absent, zero or too small to time change nothing.
 * L3. Time is taken for what the attempt had of the machine: of n that take turns, each has an nth part.
 * L4. One odd sample changes nothing once a figure is settled; three in a row on one side are a new truth.
 */

/** Timings of one attempt as its engine told them; null or zero where it did not. */
export interface AttemptObservation {
  /** Prompt tokens that were processed, those from a cached prefix aside. */
  readonly promptTokens: number | null;
  readonly prefillMs: number | null;
  readonly outputTokens: number | null;
  readonly decodeMs: number | null;
  /** Null when the model was loaded already. */
  readonly loadMs: number | null;
  /** Mean number of generations in the batch while it decoded, itself included. */
  readonly occupancy: number;
  /** Mean number of prompts and models' batches that took turns on the machine with its prompt, itself included. */
  readonly prefillSharers: number;
  /** The same with its batch while it decoded. */
  readonly decodeSharers: number;
  /** Mean tokens in its context while it decoded. */
  readonly contextTokens: number;
}

/** One figure in learning: an exponentially weighted mean that starts as a plain one. */
interface Learned {
  readonly value: number;
  readonly samples: number;
  /** Odd samples in a row, negative when below. */
  readonly oddInARow: number;
}

export interface CapacityEstimate {
  readonly prior: ModelCapacity;
  /** Logarithm of measured over prior step time. */
  readonly step: Learned;
  /** Logarithm of measured over prior time per prompt token. */
  readonly prefill: Learned;
  /** Logarithm of measured over prior load time. */
  readonly load: Learned;
  readonly batchFactor: Learned;
}

const SAMPLES_TO_MEASURE = 3;
const MEMORY_SAMPLES = 20;
const SETTLED_SAMPLES = 5;
const ODD_IN_A_ROW_TO_BELIEVE = 3;
/** Times beyond this factor of the settled mean are odd. */
const ODD_LOG = Math.log(1.8);
const ODD_BATCH_FACTOR = 0.35;
const OUTPUT_TOKENS_MIN = 8;
const PROMPT_TOKENS_MIN = 32;
/** A prompt that went this much faster than the prior came from a cache that the engine did not own up to. */
const PREFILL_SPEEDUP_MAX = 8;
/** Times further than this factor from the prior are broken counts, not speed. */
const BELIEVABLE_FACTOR = 1000;
const ALONE_OCCUPANCY_MAX = 1.2;
const BATCH_FACTOR_MAX = 1.5;

const unlearned = (value: number): Learned => ({ value, samples: 0, oddInARow: 0 });

/** An estimate that knows nothing but the prior. */
export const createCapacityEstimate = (prior: ModelCapacity): CapacityEstimate => ({
  prior,
  step: unlearned(0),
  prefill: unlearned(0),
  load: unlearned(0),
  batchFactor: unlearned(prior.batchFactor.value),
});

/** Takes in one attempt. */
export function observeAttempt(estimate: CapacityEstimate, seen: AttemptObservation): CapacityEstimate {
  return observeDecode(observeLoad(observePrefill(estimate, seen), seen), seen);
}

/** After a change of thermal or power state: what was learned still stands, and gives way within a few samples. */
export function forgetSlowly(estimate: CapacityEstimate): CapacityEstimate {
  const shorten = (learned: Learned): Learned => ({
    ...learned,
    samples: Math.min(learned.samples, SAMPLES_TO_MEASURE),
    oddInARow: 0,
  });
  return {
    prior: estimate.prior,
    step: shorten(estimate.step),
    prefill: shorten(estimate.prefill),
    load: estimate.load,
    batchFactor: shorten(estimate.batchFactor),
  };
}

/** The capacity to report. */
export function learnedCapacity(estimate: CapacityEstimate): ModelCapacity {
  const { prior, step, prefill, load, batchFactor } = estimate;
  const slowdown = Math.exp(step.value);
  return {
    fixedMsPerToken: figure(prior.fixedMsPerToken.value * slowdown, step),
    effectiveBytesPerSecond: figure(prior.effectiveBytesPerSecond.value / slowdown, step),
    prefillTokensPerSecond: figure(prior.prefillTokensPerSecond.value / Math.exp(prefill.value), prefill),
    batchFactor: figure(batchFactor.value, batchFactor),
    loadMs: figure(prior.loadMs.value * Math.exp(load.value), load),
    weightBytesPerToken: prior.weightBytesPerToken,
    kvBytesPerToken: prior.kvBytesPerToken,
  };
}

const figure = (value: number, learned: Learned): Figure => ({
  value,
  basis: learned.samples >= SAMPLES_TO_MEASURE ? "measured" : "prior",
});

function observePrefill(estimate: CapacityEstimate, seen: AttemptObservation): CapacityEstimate {
  if (!isPositive(seen.promptTokens) || !isPositive(seen.prefillMs)) return estimate;
  if (seen.promptTokens < PROMPT_TOKENS_MIN || !isCount(seen.prefillSharers)) return estimate;
  const expectedMs = (seen.promptTokens / estimate.prior.prefillTokensPerSecond.value) * 1000;
  const ratio = seen.prefillMs / seen.prefillSharers / expectedMs;
  if (ratio < 1 / PREFILL_SPEEDUP_MAX || !isBelievable(ratio)) return estimate;
  return { ...estimate, prefill: learn(estimate.prefill, Math.log(ratio), ODD_LOG) };
}

function observeLoad(estimate: CapacityEstimate, seen: AttemptObservation): CapacityEstimate {
  if (!isPositive(seen.loadMs)) return estimate;
  const ratio = seen.loadMs / estimate.prior.loadMs.value;
  if (!isBelievable(ratio)) return estimate;
  return { ...estimate, load: learn(estimate.load, Math.log(ratio), ODD_LOG) };
}

/** Alone, a step tells the step time; in a batch, it tells the batch factor once the step time is known. */
function observeDecode(estimate: CapacityEstimate, seen: AttemptObservation): CapacityEstimate {
  if (!isPositive(seen.outputTokens) || !isPositive(seen.decodeMs)) return estimate;
  if (seen.outputTokens < OUTPUT_TOKENS_MIN || !isCount(seen.occupancy)) return estimate;
  if (!isCount(seen.decodeSharers)) return estimate;
  const stepMs = seen.decodeMs / seen.decodeSharers / seen.outputTokens;
  const priorAloneMs = decodeStepMs(estimate.prior, seen.contextTokens, 1);
  if (!isBelievable(stepMs / priorAloneMs)) return estimate;
  const others = seen.occupancy - 1;
  const isAlone = seen.occupancy <= ALONE_OCCUPANCY_MAX;
  if (isAlone || estimate.step.samples < SAMPLES_TO_MEASURE) {
    const aloneMs = stepMs / (1 + estimate.batchFactor.value * others);
    return { ...estimate, step: learn(estimate.step, Math.log(aloneMs / priorAloneMs), ODD_LOG) };
  }
  const aloneMs = priorAloneMs * Math.exp(estimate.step.value);
  const factor = Math.min(BATCH_FACTOR_MAX, Math.max(0, (stepMs / aloneMs - 1) / others));
  return { ...estimate, batchFactor: learn(estimate.batchFactor, factor, ODD_BATCH_FACTOR) };
}

const isPositive = (value: number | null): value is number =>
  value !== null && Number.isFinite(value) && value > 0;

/** Whether it can be a mean number of those at work, at least one. */
const isCount = (value: number): boolean => value >= 1 && Number.isFinite(value);

const isBelievable = (ratio: number): boolean => ratio > 1 / BELIEVABLE_FACTOR && ratio < BELIEVABLE_FACTOR;

function learn(learned: Learned, sample: number, oddBeyond: number): Learned {
  const distance = sample - learned.value;
  if (learned.samples >= SETTLED_SAMPLES && Math.abs(distance) > oddBeyond) {
    const side = Math.sign(distance);
    const oddInARow = Math.sign(learned.oddInARow) === side ? learned.oddInARow + side : side;
    if (Math.abs(oddInARow) < ODD_IN_A_ROW_TO_BELIEVE) return { ...learned, oddInARow };
    return { value: sample, samples: SAMPLES_TO_MEASURE, oddInARow: 0 };
  }
  const samples = Math.min(learned.samples + 1, MEMORY_SAMPLES);
  return { value: learned.value + distance / samples, samples, oddInARow: 0 };
}
