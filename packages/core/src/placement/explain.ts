import { decodeStepMs, prefillMs } from "../capacity/decode.ts";
import type { FleetSnapshot, ModelReport, NodeView } from "../fleet/node.ts";
import type { JobSpec } from "../job/job.ts";
import type { NodeId } from "../terms.ts";
import type { CostTerms, NodeVerdict, OptionVerdict, Placement } from "./explanation.ts";
import { modelRefusals, nodeRefusals } from "./feasible.ts";

/** Output that a job is expected to produce when nothing was learned, tokens. */
const EXPECTED_OUTPUT_TOKENS = 210;

/**
 * Where a job would go in the fleet of `snapshot`, as if it were the only one pending, with every node's
 * cost terms or refusals. `impossible`: no known node could ever serve it.
 */
export function explainPlacement(
  spec: JobSpec,
  snapshot: FleetSnapshot,
  nowMs: number,
  excludedNodes: readonly NodeId[] = [],
): Placement {
  const nodes = snapshot.nodes.map((node) => verdictOf(spec, node, excludedNodes));
  return { atMs: nowMs, decision: decide(nodes), nodes };
}

function verdictOf(spec: JobSpec, node: NodeView, excludedNodes: readonly NodeId[]): NodeVerdict {
  const conditions = { ...node, activeCount: node.active.length };
  const onNode = nodeRefusals(spec, conditions, excludedNodes);
  const options = node.report.models.map((model): OptionVerdict => {
    const refusals = [...onNode, ...modelRefusals(spec, conditions, model)];
    if (refusals.length > 0) return { kind: "refused", model: model.name, refusals };
    return {
      kind: "costed",
      model: model.name,
      tier: node.tiers[model.name] ?? "edge",
      startsNow: true,
      cost: aloneCost(spec, node, model),
    };
  });
  return {
    node: node.identity.id,
    nodeName: node.identity.name,
    simulated: node.machine.simulated,
    options: options.length > 0 ? options : [{ kind: "refused", model: null, refusals: onNode }],
  };
}

function aloneCost(spec: JobSpec, node: NodeView, model: ModelReport): CostTerms {
  const output = Math.min(EXPECTED_OUTPUT_TOKENS, spec.maxOutputTokens);
  const loadS = model.loaded ? 0 : model.capacity.loadMs.value / 1000;
  const prefillS = prefillMs(model.capacity, spec.promptTokens) / 1000;
  const occupancy = node.active.length + 1;
  const decodeS = (output * decodeStepMs(model.capacity, spec.promptTokens, occupancy)) / 1000;
  const totalS = loadS + prefillS + decodeS;
  return {
    waitS: 0,
    loadS,
    prefillS,
    decodeS,
    sharingS: 0,
    coRunnersS: 0,
    queueS: 0,
    evictionS: 0,
    budgetS: 0,
    totalS,
  };
}

function decide(nodes: readonly NodeVerdict[]): Placement["decision"] {
  let best: Extract<Placement["decision"], { kind: "assigned" }> | null = null;
  let bestS = Infinity;
  let couldEver = nodes.length === 0;
  for (const { node, nodeName, options } of nodes) {
    for (const option of options) {
      if (option.kind === "refused") {
        couldEver ||= option.model !== null && option.refusals.every((refusal) => refusal.passing);
      } else {
        couldEver = true;
        if (option.cost.totalS < bestS) {
          bestS = option.cost.totalS;
          best = { kind: "assigned", node, nodeName, model: option.model, tier: option.tier };
        }
      }
    }
  }
  if (best !== null) return best;
  if (!couldEver) return { kind: "impossible", why: "no known node could ever serve it" };
  return { kind: "waiting", why: nodes.length === 0 ? "no node is known" : "no feasible node is free" };
}
