import { leftTokens } from "../budget/node-budget.ts";
import { decodeStepMs, prefillMs } from "../capacity/decode.ts";
import type { ModelReport } from "../fleet/node.ts";
import type { FleetNode } from "./fleet.ts";
import { hasFreeSlot } from "./fleet.ts";
import type { JobKind } from "./job-kind.ts";

/** A model on an open node that the jobs of a kind may use. */
export interface UsableModel {
  readonly node: FleetNode;
  /** Index into the node's models; valid until the fleet changes. */
  readonly index: number;
}

/** What a kind may use until the fleet changes. */
export interface UsableModels {
  readonly nodes: readonly FleetNode[];
  /** Whether a node among them has no token budget. */
  readonly hasUnbudgeted: boolean;
  /** Claim classes of the nodes, each once. */
  readonly claimClasses: readonly number[];
  /** The fastest for an ordinary job first, as of `rankedAtMs`; in the fleet's order while that is small. */
  readonly models: readonly UsableModel[];
  /** The one that takes least for an ordinary job, loading counted; null when there is none. */
  readonly fastest: UsableModel | null;
  /** The longest context: no job of the kind can exceed it. */
  readonly mostContextTokens: number;
  readonly rankedAtMs: number;
}

/** Fleets up to this many options are weighed in full. */
const WEIGHED_IN_FULL_MAX = 96;
/** Beyond, the fastest on nodes with a free slot and the fastest on full ones. */
const BEST_FREE = 40;
const BEST_FULL = 8;
/** An ordinary job, to rank models by. */
const RANKING_PROMPT_TOKENS = 1_000;
const RANKING_OUTPUT_TOKENS = 200;

interface Ranked {
  readonly model: UsableModel;
  readonly aloneMs: number;
}

export function usableBy(kind: JobKind, fleet: Iterable<FleetNode>, nowMs: number): UsableModels {
  const nodes: FleetNode[] = [];
  const ranked: Ranked[] = [];
  const claimClasses = new Set<number>();
  let mostContextTokens = 0;
  let hasUnbudgeted = false;
  for (const node of fleet) {
    if (!node.open) continue;
    let isUsable = false;
    for (const index of kind.modelsFor(node)) {
      const report = node.report.models[index];
      if (report === undefined || node.ready[index] !== true) continue;
      isUsable = true;
      ranked.push({ model: { node, index }, aloneMs: ordinaryMs(report) });
      mostContextTokens = Math.max(mostContextTokens, report.contextTokens);
    }
    if (!isUsable) continue;
    nodes.push(node);
    claimClasses.add(node.claimClass);
    hasUnbudgeted ||= leftTokens(node.budget) === Infinity;
  }
  if (ranked.length > WEIGHED_IN_FULL_MAX) ranked.sort((one, other) => one.aloneMs - other.aloneMs);
  return {
    nodes,
    hasUnbudgeted,
    claimClasses: [...claimClasses],
    models: ranked.map(({ model }) => model),
    fastest: fastestOf(ranked),
    mostContextTokens,
    rankedAtMs: nowMs,
  };
}

function fastestOf(ranked: readonly Ranked[]): UsableModel | null {
  let fastest = ranked[0];
  for (const one of ranked) if (fastest === undefined || one.aloneMs < fastest.aloneMs) fastest = one;
  return fastest?.model ?? null;
}

const ordinaryMs = ({ capacity, loaded, cloud }: ModelReport): number =>
  (loaded || cloud ? 0 : capacity.loadMs.value) +
  prefillMs(capacity, RANKING_PROMPT_TOKENS) +
  RANKING_OUTPUT_TOKENS * decodeStepMs(capacity, RANKING_PROMPT_TOKENS, 1);

/** The models worth weighing in one pass. A pass that fills them is followed by another. */
export function worthWeighing({ models }: UsableModels): readonly UsableModel[] {
  if (models.length <= WEIGHED_IN_FULL_MAX) return models;
  const found: UsableModel[] = [];
  let free = 0;
  let full = 0;
  for (const model of models) {
    if (hasFreeSlot(model.node)) {
      if (free < BEST_FREE) found.push(model);
      free += 1;
    } else {
      if (full < BEST_FULL) found.push(model);
      full += 1;
    }
    if (free >= BEST_FREE && full >= BEST_FULL) break;
  }
  return found;
}

/** Ordinary jobs per second, one at a time, that each node could serve. */
export function speedsOf({ models }: UsableModels): ReadonlyMap<number, number> {
  const speeds = new Map<number, number>();
  for (const { node, index } of models) {
    const report = node.report.models[index];
    if (report === undefined) continue;
    const { capacity } = report;
    const aloneMs =
      prefillMs(capacity, RANKING_PROMPT_TOKENS) +
      RANKING_OUTPUT_TOKENS * decodeStepMs(capacity, RANKING_PROMPT_TOKENS, 1);
    speeds.set(node.index, Math.max(1000 / aloneMs, speeds.get(node.index) ?? 0));
  }
  return speeds;
}
