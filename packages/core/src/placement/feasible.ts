import { assertNever } from "../assert.ts";
import { leftTokens } from "../budget/node-budget.ts";
import type { ModelReport, NodeAvailability, NodeView } from "../fleet/node.ts";
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
export type NodeConditions = Pick<NodeView, "identity" | "report" | "connected" | "budget" | "tiers">;

/** Made once, when a refusal first needs it: each takes 46 us, and its tables 5 MB that an agent never uses. */
let grouped: Intl.NumberFormat | null = null;
const count = (value: number): string => (grouped ??= new Intl.NumberFormat("en-US")).format(value);
/** Members read it wherever they are: in one time zone, which it names. */
const instant = (atMs: number): string =>
  `${new Date(atMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;
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

/**
 * What speaks against every model of a node for this job; empty: nothing. A node whose slots are all taken is
 * not refused: it is worth waiting for, and the wait is part of its cost.
 */
export const nodeRefusals = (
  spec: JobSpec,
  node: NodeConditions,
  excludedNodes: readonly NodeId[],
): Refusal[] => [
  ...ownerRefusals(spec, node),
  ...exclusionRefusals(node, excludedNodes),
  ...openRefusals(node),
  ...budgetRefusals(spec, node),
];

/** What speaks against one model of a node for this job; empty: nothing. */
export const modelRefusals = (spec: JobSpec, node: NodeConditions, model: ModelReport): Refusal[] => [
  ...kindRefusals(spec, node, model),
  ...contextRefusals(spec, model),
  ...readinessRefusals(node, model),
];

/** The submitter's word on whose nodes may see the job. */
export function ownerRefusals(spec: JobSpec, { identity }: Pick<NodeConditions, "identity">): Refusal[] {
  if (spec.privacy !== "own" || identity.owner === spec.member) return [];
  return [
    never(
      "privacy-not-owner",
      `the job may run on its member's own nodes only, ${identity.name} is another's`,
    ),
  ];
}

function exclusionRefusals({ identity }: NodeConditions, excludedNodes: readonly NodeId[]): Refusal[] {
  if (!excludedNodes.includes(identity.id)) return [];
  return [never("excluded-after-failure", `an earlier attempt failed on ${identity.name}`)];
}

/** What keeps a node from starting any job at present. */
export function openRefusals({ report, identity, connected }: NodeConditions): Refusal[] {
  const found: Refusal[] = [];
  if (!connected) found.push(notNow("disconnected", `${identity.name} is not connected`));
  if (report.draining) found.push(notNow("draining", `${identity.name} takes nothing new`));
  found.push(...closedRefusals(identity.name, report.availability));
  if (report.slots < 1) found.push(notNow("no-free-slot", `${identity.name} has no slot`));
  if (report.pressure === "critical") {
    found.push(notNow("memory-pressure", `memory pressure on ${identity.name} is critical`));
  }
  if (report.thermal === "critical") found.push(notNow("thermal-critical", `${identity.name} is too hot`));
  return found;
}

/** What the node's owner has to do with it, so that a member knows what to wait for. */
function closedRefusals(name: string, availability: NodeAvailability): Refusal[] {
  if (availability.kind === "open") return [];
  const { reason, untilMs } = availability;
  const when = (word: string): string => (untilMs === null ? "" : ` ${word} ${instant(untilMs)}`);
  switch (reason) {
    case "paused":
      return [notNow(reason, `${name} is paused by its owner${when("until")}`)];
    case "outside-hours":
      return [notNow(reason, `${name} has no serving hours now${when("before")}`)];
    case "owner-active":
      return [notNow(reason, `${name} is in use by its owner, who comes first on it`)];
    case "drained":
      return [notNow(reason, `${name} was drained by an operator: it finishes what it runs`)];
  }
  return assertNever(reason);
}

/** The owner's token budget: what it can never take, or what it cannot take before the day or the month is over. */
function budgetRefusals(spec: JobSpec, { identity, report, budget }: NodeConditions): Refusal[] {
  const isLimited = report.tokensPerDay !== null || report.tokensPerMonth !== null;
  if (!isLimited && leftTokens(budget) === Infinity) return [];
  const hold = holdTokens(spec);
  // Most nodes refuse nothing: no words are made for them.
  const takes = (): string => `may take ${count(hold)} tokens, ${identity.name}`;
  const spans = [
    { name: "day", limit: report.tokensPerDay, left: budget.dayLeftTokens, endsMs: budget.dayEndsMs },
    { name: "month", limit: report.tokensPerMonth, left: budget.monthLeftTokens, endsMs: budget.monthEndsMs },
  ];
  const tooSmall = spans.filter(({ limit }) => limit !== null && hold > limit);
  if (tooSmall.length > 0) {
    return tooSmall.map(({ name, limit }) =>
      never("budget-too-small", `${takes()} serves ${count(limit ?? 0)} a ${name}`),
    );
  }
  return spans.flatMap(({ name, left, endsMs }) => {
    if (left === null || hold <= left) return [];
    const has = `has ${count(Math.max(0, left))} of this ${name} left, until ${instant(endsMs)}`;
    return [notNow("budget-spent", `${takes()} ${has}`)];
  });
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

function contextRefusals(spec: JobSpec, model: ModelReport): Refusal[] {
  const needed = contextTokensOf(spec);
  if (needed <= model.contextTokens) return [];
  const has = `${model.name} has ${count(model.contextTokens)} here`;
  return [never("context-too-small", `needs ${count(needed)} tokens of context, ${has}`)];
}

/** What keeps a node from running a model for any job at present. */
export function readinessRefusals(node: Pick<NodeConditions, "report">, model: ModelReport): Refusal[] {
  const found: Refusal[] = [];
  const { modelMemoryBytes, pressure, unhealthy } = node.report;
  const mustLoad = !model.cloud && !model.loaded;
  if (mustLoad && model.residentBytes > modelMemoryBytes) {
    const takes = `${model.name} takes ${gigabytes(model.residentBytes)}`;
    found.push(never("memory-too-small", `${takes}, models may use ${gigabytes(modelMemoryBytes)} here`));
  }
  if (mustLoad && pressure === "warning")
    found.push(notNow("memory-pressure", `no memory to load ${model.name} now`));
  const fault = unhealthy[model.name];
  if (fault !== undefined) found.push(notNow("model-unhealthy", `${model.name}: ${fault}`));
  return found;
}
