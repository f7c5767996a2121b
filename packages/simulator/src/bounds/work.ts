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

/**
 * Least time of the machine that a job takes, seconds: what of its prompt no cache could hold, and its part of a
 * batch that fills every slot.
 */
export const leastWorkS = (place: SimPlace, job: SimJob): number =>
  prefillMs(place.model.capacity, job.promptTokens - job.sharedTokens) / 1000 +
  partOfBatch(place) * decodeAloneS(place.model.capacity, job.promptTokens, job.outputTokens);

/**
 * With `k` in a batch each generation runs at `1 / (1 + e (k - 1))` of its speed, so that a batch does most when
 * it fills every slot. Where models share a batch, the least of their factors and of the interference holds for all.
 */
function partOfBatch({ node, model }: SimPlace): number {
  const factors = node.models.map(({ capacity }) => capacity.batchFactor.value);
  const own = model.capacity.batchFactor.value;
  const factor = node.interference < 1 ? Math.min(node.interference, ...factors) : own;
  return Math.min(1, (1 + factor * (node.slots - 1)) / node.slots);
}
