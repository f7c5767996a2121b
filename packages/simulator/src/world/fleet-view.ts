import { createOutputLengths, decodeStepMs, expectedMoreTokens, leftTokens, prefillMs } from "@coop/core";
import { holdTokens } from "@coop/core";
import type { JobSpec, ModelCapacity, NodeBudget, OutputLengths } from "@coop/core";
import type { SimFleet, SimModel, SimNode } from "./fleet.ts";
import type { FleetView, ModelState, NodeState, Place } from "./policy.ts";
import { suits } from "./unloaded.ts";

/** The view that policies look at, and the world's side of it. */
export interface LiveView {
  readonly view: FleetView;
  readonly nodes: readonly LiveNode[];
  readonly outputs: OutputLengths;
}

export interface LiveNode extends NodeState {
  present: boolean;
  running: number;
  readonly models: readonly LiveModel[];
}

export interface LiveModel extends ModelState {
  running: number;
  capacity: ModelCapacity;
}

/** What the view asks the world. */
export interface ViewSources {
  readonly nowMs: () => number;
  readonly budgetOf: (node: number) => NodeBudget;
  readonly isLoaded: (node: number, model: number) => boolean;
}

export function createLiveView(fleet: SimFleet, sources: ViewSources): LiveView {
  const nodes = fleet.nodes.map((node) => liveNode(node, sources));
  const outputs = createOutputLengths();
  /** Places by what the job asks for; those of one kind of job are alike but for its length. */
  const known = new Map<string, readonly { readonly place: Place; readonly sim: SimModel }[]>();

  const placesOfKind = (spec: JobSpec): readonly { readonly place: Place; readonly sim: SimModel }[] => {
    const target = spec.target.kind === "tier" ? spec.target.tier : `=${spec.target.model}`;
    const owner = spec.privacy === "own" ? spec.member : "";
    const key = `${spec.endpoint} ${target} ${owner} ${spec.needs.join()}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const short = { ...spec, promptTokens: 0, maxOutputTokens: 0 };
    const made = fleet.nodes.flatMap((node, index) => {
      const state = nodes[index];
      if (state === undefined || (owner !== "" && node.owner !== owner)) return [];
      return node.models.flatMap((sim) => {
        const model = state.models[sim.index];
        return model !== undefined && suits(short, sim) ? [{ place: { node: state, model }, sim }] : [];
      });
    });
    known.set(key, made);
    return made;
  };

  const view: FleetView = {
    nowMs: sources.nowMs,
    nodes,
    placesFor(job) {
      const needed = job.promptTokens + job.maxOutputTokens;
      const places: Place[] = [];
      for (const { place, sim } of placesOfKind(job)) if (needed <= sim.contextTokens) places.push(place);
      return places;
    },
    canStart: (job, { node }) =>
      node.present && node.running < node.slots && (node.tokensLeft ?? Infinity) >= holdTokens(job),
    expectedOutputTokens: (job, model) =>
      expectedMoreTokens(outputs.meansFor(job)(model), 0, job.maxOutputTokens),
    aloneS(job, { model }) {
      const outputTokens = view.expectedOutputTokens(job, model.name);
      const stepMs = decodeStepMs(model.capacity, job.promptTokens + outputTokens / 2, 1);
      return (prefillMs(model.capacity, job.promptTokens) + outputTokens * stepMs) / 1000;
    },
    loadS: ({ model }) => (model.loaded ? 0 : model.capacity.loadMs.value / 1000),
  };
  return { view, nodes, outputs };
}

function liveNode(node: SimNode, { budgetOf, isLoaded }: ViewSources): LiveNode {
  const hasBudget = node.tokensPerDay !== null || node.tokensPerMonth !== null;
  return {
    index: node.index,
    id: node.id,
    name: node.name,
    present: false,
    slots: node.slots,
    running: 0,
    get tokensLeft() {
      return hasBudget ? leftTokens(budgetOf(node.index)) : null;
    },
    models: node.models.map(({ index, name, tier, prior }) => ({
      index,
      name,
      tier,
      get loaded() {
        return isLoaded(node.index, index);
      },
      running: 0,
      capacity: prior,
    })),
  };
}
