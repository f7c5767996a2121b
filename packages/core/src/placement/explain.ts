import type { FleetSnapshot, NodeView } from "../fleet/node.ts";
import type { JobSpec } from "../job/job.ts";
import type { NodeId } from "../terms.ts";
import { createListPass } from "./choose.ts";
import type { Choice } from "./choose.ts";
import type { PlacementOption } from "./candidate.ts";
import type { OptionCost } from "./cost.ts";
import { DEFAULT_MEAN_OUTPUT_TOKENS } from "./expected-output.ts";
import type { NodeVerdict, OptionVerdict, Placement, Refusal } from "./explanation.ts";
import { modelRefusals, nodeRefusals } from "./feasible.ts";
import type { NodeConditions } from "./feasible.ts";
import { modelAt } from "./plan.ts";
import { optionsOf, planNode, weightOf } from "./plan-node.ts";
import { aloneS } from "./virtual-node.ts";

/** Placement told to people: every node's cost terms, or the reasons why it was refused. */

export type ExplainedNode = NodeConditions & Pick<NodeView, "machine">;

/** What placement makes of one node for one job; `alsoAgainst` are refusals that only its caller knows. */
export function nodeVerdict(
  spec: JobSpec,
  node: ExplainedNode,
  excludedNodes: readonly NodeId[],
  alsoAgainst: readonly Refusal[],
  costOf: (modelIndex: number) => OptionCost,
): NodeVerdict {
  const onNode = [...nodeRefusals(spec, node, excludedNodes), ...alsoAgainst];
  const options = node.report.models.map((model, index): OptionVerdict => {
    const refusals = [...onNode, ...modelRefusals(spec, node, model)];
    if (refusals.length > 0) return { kind: "refused", model: model.name, refusals };
    const { startsNow, terms } = costOf(index);
    const tier = node.tiers[model.name] ?? "edge";
    return { kind: "costed", model: model.name, tier, startsNow, cost: terms };
  });
  const noModel: OptionVerdict = {
    kind: "refused",
    model: null,
    refusals: [
      ...onNode,
      { reason: "model-absent", passing: false, detail: `${node.identity.name} has no model` },
    ],
  };
  return {
    node: node.identity.id,
    nodeName: node.identity.name,
    simulated: node.machine.simulated,
    options: options.length > 0 ? options : [noModel],
  };
}

/** Assigned where the choice starts now, else held for it. */
export function decisionFor(choice: Choice, node: ExplainedNode, model: string): Placement["decision"] {
  const { id, name } = node.identity;
  if (!choice.cost.startsNow) {
    return { kind: "held", forNode: id, forNodeName: name, model, expectedWaitS: choice.cost.terms.waitS };
  }
  return { kind: "assigned", node: id, nodeName: name, model, tier: node.tiers[model] ?? "edge" };
}

/** Whether no waiting could make any of the nodes serve the job. A fleet of no nodes is only waited for. */
export const couldNeverServe = (nodes: readonly NodeVerdict[]): boolean =>
  nodes.length > 0 &&
  nodes.every(({ options }) =>
    options.every(
      (option) => option.kind === "refused" && option.refusals.some((refusal) => !refusal.passing),
    ),
  );

/**
 * Whether some node serves the job once it is its turn, however long that takes: what `explainPlacement` does not
 * call `impossible`, without weighing anything.
 */
export const couldBeServed = (spec: JobSpec, { nodes }: FleetSnapshot): boolean =>
  nodes.length === 0 ||
  nodes.some(
    (node) =>
      nodeRefusals(spec, node, []).every(isPassing) &&
      node.report.models.some((model) => modelRefusals(spec, node, model).every(isPassing)),
  );

const isPassing = ({ passing }: Refusal): boolean => passing;

/**
 * Where a job would go in the fleet of `snapshot` as if it were the only one that waits, with every node's
 * cost terms or refusals. `impossible`: no known node could ever serve it.
 */
export function explainPlacement(
  spec: JobSpec,
  snapshot: FleetSnapshot,
  nowMs: number,
  excludedNodes: readonly NodeId[] = [],
): Placement {
  const plans = snapshot.nodes.map((view) => planOfView(view, nowMs));
  const planOf = (node: number) => {
    const plan = plans[node];
    if (plan === undefined)
      throw new Error(`broken invariant: no node ${node} in a snapshot of ${plans.length}`);
    return plan;
  };
  const pass = createListPass({ planOf, sharesOf: () => noShares, waitingOf: () => 1 });
  const makeOption = optionsOf(spec, () => (spec.endpoint === "embeddings" ? 0 : DEFAULT_MEAN_OUTPUT_TOKENS));
  const optionOf = (node: number, model: number): PlacementOption =>
    makeOption(node, model, modelAt(planOf(node), model));
  const options = snapshot.nodes.flatMap((view, node) => {
    if (nodeRefusals(spec, view, excludedNodes).length > 0) return [];
    return view.report.models.flatMap((model, index) =>
      modelRefusals(spec, view, model).length > 0 ? [] : [optionOf(node, index)],
    );
  });
  const candidate = {
    spec,
    kind: "",
    weight: weightOf(spec),
    tokens: spec.promptTokens,
    bestS: Math.min(...options.map(aloneS)),
    options,
  };
  const choice = pass.choose(candidate, () => true);
  const nodes = snapshot.nodes.map((view, node) =>
    nodeVerdict(spec, view, excludedNodes, [], (model) => pass.costOf(candidate, optionOf(node, model))),
  );
  return { atMs: nowMs, decision: decide(choice, snapshot.nodes, nodes), nodes };
}

const noShares = { of: () => 0 };

function decide(
  choice: Choice | null,
  views: readonly NodeView[],
  nodes: readonly NodeVerdict[],
): Placement["decision"] {
  const view = choice === null ? undefined : views[choice.option.node];
  const model = choice === null ? undefined : view?.report.models[choice.option.model];
  if (choice !== null && view !== undefined && model !== undefined)
    return decisionFor(choice, view, model.name);
  if (couldNeverServe(nodes)) return { kind: "impossible", why: "no known node could ever serve it" };
  return {
    kind: "waiting",
    why: nodes.length === 0 ? "no node has joined yet" : "no node that could serve it can now",
  };
}

const planOfView = (view: NodeView, nowMs: number) =>
  planNode({
    report: view.report,
    tiers: view.tiers,
    attempts: view.active.map((attempt) => ({
      model: attempt.model,
      phase: attempt.phase,
      sinceHeardS: attempt.phase === "decode" ? 0 : Math.max(0, nowMs - attempt.startedAtMs) / 1000,
      promptTokens: attempt.promptTokens,
      cachedTokens: 0,
      maxOutputTokens: attempt.maxOutputTokens,
      outputTokens: attempt.outputTokens,
      meanOutputTokens: DEFAULT_MEAN_OUTPUT_TOKENS,
      weight: 1,
    })),
    useOf: () => ({ lastUseMs: 0, startsPerSecond: 0 }),
    tokenPriceS: 0,
    release: null,
  });
