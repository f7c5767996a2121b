import { prefillMs, tierAtLeast } from "@coop/core";
import type { JobSpec } from "@coop/core";
import { decodeAloneS } from "./decode-time.ts";
import type { SimFleet, SimModel } from "./fleet.ts";
import type { SimJob } from "./job.ts";

/** Whether a model may ever serve a job: tier or name, capabilities, context. */
export function suits(
  spec: JobSpec,
  model: Pick<SimModel, "name" | "tier" | "capabilities" | "contextTokens">,
): boolean {
  const { target } = spec;
  const isAsked = target.kind === "tier" ? tierAtLeast(model.tier, target.tier) : target.model === model.name;
  const needed = spec.endpoint === "embeddings" ? "embedding" : "completion";
  return (
    isAsked &&
    spec.promptTokens + spec.maxOutputTokens <= model.contextTokens &&
    model.capabilities.includes(needed) &&
    spec.needs.every((need) => model.capabilities.includes(need))
  );
}

/** Least time of a job with a cool machine to itself, its model in memory and what it shares in the cache, seconds. */
export const unloadedS = (job: SimJob, { capacity }: SimModel): number =>
  prefillMs(capacity, job.promptTokens - job.sharedTokens) / 1000 +
  decodeAloneS(capacity, job.promptTokens, job.outputTokens);

/** The least over the fleet; Infinity when no node can serve the job. No schedule serves it faster. */
export function bestUnloadedS(job: SimJob, { nodes }: SimFleet): number {
  let bestS = Infinity;
  for (const node of nodes) {
    if (job.spec.privacy === "own" && node.owner !== job.spec.member) continue;
    for (const model of node.models) {
      if (suits(job.spec, model)) bestS = Math.min(bestS, unloadedS(job, model));
    }
  }
  return bestS;
}
