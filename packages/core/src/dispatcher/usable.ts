import type { ModelReport } from "../fleet/node.ts";
import type { FleetNode } from "./fleet.ts";
import { hasFreeSlot } from "./fleet.ts";
import { createHeap } from "./heap.ts";
import type { JobKind } from "./job-kind.ts";

/** A model on an open node that the jobs of a kind may use. */
export interface UsableModel {
  readonly node: FleetNode;
  readonly index: number;
  readonly report: ModelReport;
}

/** What a kind may use at present. */
export interface UsableModels {
  readonly nodes: readonly FleetNode[];
  readonly models: readonly UsableModel[];
  /** The longest context, and the most tokens that a budget has left: what no job of the kind can exceed. */
  readonly mostContextTokens: number;
  readonly mostTokensLeft: number;
}

export function usableBy(kind: JobKind, fleet: Iterable<FleetNode>): UsableModels {
  const nodes: FleetNode[] = [];
  const models: UsableModel[] = [];
  let mostContextTokens = 0;
  let mostTokensLeft = 0;
  for (const node of fleet) {
    if (!node.open) continue;
    let isUsable = false;
    for (const index of kind.modelsFor(node)) {
      const report = node.report.models[index];
      if (report === undefined || node.ready[index] !== true) continue;
      isUsable = true;
      models.push({ node, index, report });
      mostContextTokens = Math.max(mostContextTokens, report.contextTokens);
    }
    if (!isUsable) continue;
    nodes.push(node);
    mostTokensLeft = Math.max(mostTokensLeft, node.tokensLeftToday ?? Infinity);
  }
  return { nodes, models, mostContextTokens, mostTokensLeft };
}

/** Fleets up to this many options are weighed in full. */
const WEIGHED_IN_FULL_MAX = 96;
/** Beyond, the best on nodes with a free slot (more than one pass can fill) and the best on full ones. */
const BEST_FREE = 80;
const BEST_FULL = 12;

interface Rated {
  readonly model: UsableModel;
  readonly aloneS: number;
}

/** The models worth weighing for jobs like one whose time alone on each is `aloneSOn`. */
export function worthWeighing(
  usable: UsableModels,
  aloneSOn: (model: UsableModel) => number,
): readonly UsableModel[] {
  if (usable.models.length <= WEIGHED_IN_FULL_MAX) return usable.models;
  const free = keepFastest(BEST_FREE);
  const full = keepFastest(BEST_FULL);
  for (const model of usable.models) {
    (hasFreeSlot(model.node) ? free : full).offer(model, aloneSOn(model));
  }
  return [...free.kept(), ...full.kept()];
}

function keepFastest(limit: number) {
  const slowestFirst = createHeap<Rated>((one, other) => one.aloneS > other.aloneS);
  return {
    offer(model: UsableModel, aloneS: number): void {
      const slowest = slowestFirst.size() < limit ? undefined : slowestFirst.first();
      if (slowest !== undefined && slowest.aloneS <= aloneS) return;
      const root = slowest === undefined ? undefined : slowestFirst.entries[0];
      if (root !== undefined) slowestFirst.remove(root);
      slowestFirst.push({ model, aloneS });
    },
    kept: (): UsableModel[] =>
      slowestFirst.entries
        .filter((entry) => entry.alive)
        .sort((one, other) => one.value.aloneS - other.value.aloneS)
        .map((entry) => entry.value.model),
  };
}
