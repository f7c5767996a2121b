import type { ModelReport, NodeView } from "../fleet/node.ts";
import { holdTokens } from "../job/job.ts";
import type { JobSpec } from "../job/job.ts";
import type { Capability, NodeId } from "../terms.ts";
import { tierAtLeast } from "../terms.ts";
import type { Refusal, RefusalReason } from "./explanation.ts";

/**
 * The filter of placement: what a node or a model may not do for a job, each with its reason. Quality and
 * privacy are never traded against speed. Pure; the cost of what passes is another matter.
 */

/** What feasibility looks at, of a node. */
export type NodeConditions = Pick<
  NodeView,
  "identity" | "report" | "connected" | "tokensLeftToday" | "tiers"
> & {
  readonly activeCount: number;
};

const count = (value: number): string => value.toLocaleString("en-US");
const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

const never = (reason: RefusalReason, detail: string): Refusal => ({ reason, passing: false, detail });
const notNow = (reason: RefusalReason, detail: string): Refusal => ({ reason, passing: true, detail });

/** The capability without which a model cannot serve the endpoint at all. */
const endpointCapability = (spec: Pick<JobSpec, "endpoint">): Capability =>
  spec.endpoint === "embeddings" ? "embedding" : "completion";

/** Whether a model's name answers to the name that a job asks for; `llama3.2` means `llama3.2:latest`. */
export const modelAnswersTo = (model: string, asked: string): boolean =>
  model === asked || model === `${asked}:latest` || `${model}:latest` === asked;

/** Tokens of context that a job may come to fill. */
export const contextTokensOf = (spec: Pick<JobSpec, "promptTokens" | "maxOutputTokens">): number =>
  spec.promptTokens + spec.maxOutputTokens;

/** What speaks against every model of a node for this job. Empty: nothing. `no-free-slot` is among them. */
export function nodeRefusals(
  spec: JobSpec,
  node: NodeConditions,
  excludedNodes: readonly NodeId[],
): Refusal[] {
  const { report, identity } = node;
  const found: Refusal[] = [];
  if (spec.privacy === "own" && identity.owner !== spec.member) {
    found.push(
      never(
        "privacy-not-owner",
        `the job may run on its member's own nodes only, ${identity.name} is another member's`,
      ),
    );
  }
  if (excludedNodes.includes(identity.id)) {
    found.push(never("excluded-after-failure", `an earlier attempt failed on ${identity.name}`));
  }
  if (!node.connected) found.push(notNow("disconnected", `${identity.name} is not connected`));
  if (report.draining) found.push(notNow("draining", `${identity.name} takes nothing new`));
  if (report.pressure === "critical") {
    found.push(notNow("memory-pressure", `memory pressure on ${identity.name} is critical`));
  }
  if (report.thermal === "critical") {
    found.push(notNow("thermal-critical", `${identity.name} is too hot`));
  }
  found.push(...budgetRefusals(spec, node), ...slotRefusals(node));
  return found;
}

function budgetRefusals(spec: JobSpec, node: NodeConditions): Refusal[] {
  const hold = holdTokens(spec);
  const { tokensPerDay } = node.report;
  if (tokensPerDay !== null && hold > tokensPerDay) {
    return [
      never(
        "budget-too-small",
        `may take ${count(hold)} tokens, ${node.identity.name} serves ${count(tokensPerDay)} a day`,
      ),
    ];
  }
  if (node.tokensLeftToday !== null && hold > node.tokensLeftToday) {
    const left = Math.max(0, node.tokensLeftToday);
    return [
      notNow(
        "budget-spent",
        `may take ${count(hold)} tokens, ${node.identity.name} has ${count(left)} left today`,
      ),
    ];
  }
  return [];
}

function slotRefusals(node: NodeConditions): Refusal[] {
  const { slots } = node.report;
  if (node.activeCount < slots) return [];
  const why = slots === 0 ? "has no slot" : `has ${count(node.activeCount)} of ${count(slots)} slots taken`;
  return [notNow("no-free-slot", `${node.identity.name} ${why}`)];
}

/** What speaks against one model of a node for this job. Empty: nothing. */
export function modelRefusals(spec: JobSpec, node: NodeConditions, model: ModelReport): Refusal[] {
  return [...kindRefusals(spec, node, model), ...conditionRefusals(spec, node, model)];
}

/** Refusals that every job of the same target, endpoint, privacy and needs meets. */
export function kindRefusals(
  spec: JobSpec,
  node: Pick<NodeConditions, "tiers">,
  model: ModelReport,
): Refusal[] {
  const found: Refusal[] = [];
  const { target } = spec;
  if (target.kind === "model" && !modelAnswersTo(model.name, target.model)) {
    found.push(never("model-absent", `asks for ${target.model}`));
  }
  if (target.kind === "tier") {
    const tier = node.tiers[model.name] ?? "edge";
    if (!tierAtLeast(tier, target.tier)) {
      found.push(never("tier-below", `asks for ${target.tier} or better, ${model.name} is ${tier}`));
    }
  }
  const missing = [endpointCapability(spec), ...spec.needs].filter(
    (need) => !model.capabilities.includes(need),
  );
  if (missing.length > 0) {
    found.push(never("capability-missing", `${model.name} has no ${[...new Set(missing)].join(", ")}`));
  }
  if (model.cloud && spec.privacy !== "any") {
    found.push(never("privacy-cloud", `${model.name} is served by a cloud, the job may not leave the co-op`));
  }
  return found;
}

function conditionRefusals(spec: JobSpec, node: NodeConditions, model: ModelReport): Refusal[] {
  const found: Refusal[] = [];
  const needed = contextTokensOf(spec);
  if (needed > model.contextTokens) {
    found.push(
      never(
        "context-too-small",
        `needs ${count(needed)} tokens of context, ${model.name} has ${count(model.contextTokens)} here`,
      ),
    );
  }
  const { modelMemoryBytes, pressure, unhealthy } = node.report;
  if (!model.cloud && !model.loaded && model.residentBytes > modelMemoryBytes) {
    found.push(
      never(
        "memory-too-small",
        `${model.name} takes ${gigabytes(model.residentBytes)}, models may use ${gigabytes(modelMemoryBytes)} here`,
      ),
    );
  }
  const fault = unhealthy[model.name];
  if (fault !== undefined) found.push(notNow("model-unhealthy", `${model.name}: ${fault}`));
  if (pressure === "warning" && !model.loaded && !model.cloud) {
    found.push(notNow("memory-pressure", `no memory to load ${model.name} now`));
  }
  return found;
}
