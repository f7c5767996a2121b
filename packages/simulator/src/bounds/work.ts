/**
 * What a job takes at the very least, by the true speeds of the machines. Nothing here looks at a schedule.
 */
import { holdTokens, prefillMs } from "@coop/core";
import type { JobSpec } from "@coop/core";
import { decodeAloneS } from "../world/decode-time.ts";
import type { SimFleet, SimModel, SimNode } from "../world/fleet.ts";
import type { SimJob } from "../world/job.ts";
import { suits } from "../world/unloaded.ts";

export interface SimPlace {
  readonly node: SimNode;
  readonly model: SimModel;
}

/** Every place that may ever serve the job: by owner, tier or name, capabilities, context, memory and budget. */
export const placesOf = (fleet: SimFleet, spec: JobSpec): SimPlace[] =>
  fleet.nodes.flatMap((node) =>
    node.models.filter((model) => mayServe(spec, node, model)).map((model) => ({ node, model })),
  );

const mayServe = (spec: JobSpec, node: SimNode, model: SimModel): boolean =>
  (spec.privacy !== "own" || node.owner === spec.member) &&
  suits(spec, model) &&
  model.residentBytes <= node.modelMemoryBytes &&
  holdTokens(spec) <= Math.min(node.tokensPerDay ?? Infinity, node.tokensPerMonth ?? Infinity);

/** What a job takes at a place, with the machine to itself, seconds. */
export interface Need {
  /** What of its prompt no cache could hold. */
  readonly prefillS: number;
  readonly decodeS: number;
}

export const needAt = ({ model: { capacity } }: SimPlace, job: SimJob): Need => ({
  prefillS: prefillMs(capacity, job.promptTokens - job.sharedTokens) / 1000,
  decodeS: decodeAloneS(capacity, job.promptTokens, job.outputTokens),
});

/** Least time of the machine that a job takes, seconds: its prompt, and its part of a batch that fills every slot. */
export function leastWorkS(place: SimPlace, job: SimJob): number {
  const { prefillS, decodeS } = needAt(place, job);
  return prefillS + batchPart(place, place.node.slots) * decodeS;
}

/**
 * Part of its time alone that a generation takes of the machine in a batch of `size`: each of `k` runs at
 * `1 / (1 + e (k - 1))` of its speed.
 */
export const batchPart = (place: SimPlace, size: number): number =>
  (countedPart(place) * (1 + batchFactorOf(place) * (size - 1))) / size;

/**
 * `e`, at most 1: a batch that makes its members slower still is never needed. Where models share a batch, the least of
 * their factors and of the interference holds for all.
 */
export function batchFactorOf({ node, model }: SimPlace): number {
  const factors = node.models.map(({ capacity }) => capacity.batchFactor.value);
  const own = model.capacity.batchFactor.value;
  return Math.min(1, node.interference < 1 ? Math.min(node.interference, ...factors) : own);
}

/**
 * Part of a machine's time that is counted: where prompts and models share a batch they get, of all mixes, at most
 * 0.8 % more than the whole of it.
 */
export const countedPart = ({ node }: SimPlace): number => (node.interference < 1 ? 0.99 : 1);
