import type { NodeId } from "../terms.ts";
import { createVirtualNode, evictionsFor } from "../placement/virtual-node.ts";
import { modelAt } from "../placement/plan.ts";
import type { PlanNode } from "../placement/plan.ts";

/**
 * Which models to bring into memory ahead of the jobs that wait for them. A job that starts on a model that is
 * not in memory waits for its load; begun while others still run, the load costs the jobs behind nothing.
 *
 * W1. A load must pay: the seconds that it saves those who wait exceed the seconds that it takes, and those that
 *     loading what it throws out again would take, as likely as that is wanted.
 * W2. No thrashing: one wish a node at a time, with a rest behind it; what was warmed is not thrown out soon, and
 *     what was thrown out is not warmed soon.
 * W3. Nothing that runs, or that a job waits for on the node, is thrown out.
 */

/** What a dispatcher wishes of a node's memory. Wishes are hints: a node may drop them. */
export interface MemoryWish {
  readonly kind: "warm" | "unload";
  readonly node: NodeId;
  readonly model: string;
}

/** A place that a waiting job reserved in thought, seconds from now. */
export interface Reservation {
  /** Index into the node's models. */
  readonly model: number;
  readonly waitS: number;
}

/** A load that pays, and what must leave for it. */
export interface WarmUp {
  readonly model: number;
  readonly unload: readonly number[];
  /** Seconds saved beyond what it costs. */
  readonly gainS: number;
}

/** Wishes of the past, for W2. */
export interface WarmHistory {
  /** No wish before this. */
  readonly restUntilMs: number;
  /** By model name. */
  readonly warmedAtMs: Readonly<Record<string, number>>;
  readonly unloadedAtMs: Readonly<Record<string, number>>;
}

export const NEVER_WARMED: WarmHistory = { restUntilMs: -Infinity, warmedAtMs: {}, unloadedAtMs: {} };

/** Shortest rest between two wishes of one node, ms. */
const REST_MS = 30_000;
/** How long a wish is not turned round, ms: what Ollama keeps an idle model, and placement remembers use. */
const LASTING_MS = 300_000;

/** The load that gains most on a node, among those that pay; null when none does. */
export function warmUpOf(
  plan: PlanNode,
  reservations: readonly Reservation[],
  history: WarmHistory,
  nowMs: number,
): WarmUp | null {
  if (nowMs < history.restUntilMs) return null;
  const reserved = new Set(reservations.map(({ model }) => model));
  const node = createVirtualNode(plan);
  let best: WarmUp | null = null;
  for (const index of reserved) {
    const model = modelAt(plan, index);
    if (model.loaded || isRecent(history.unloadedAtMs[model.name], nowMs)) continue;
    const unload = evictionsFor(node, index);
    if (unload === null) continue;
    const mayLeave = unload.every(
      (other) => !reserved.has(other) && !isRecent(history.warmedAtMs[modelAt(plan, other).name], nowMs),
    );
    if (!mayLeave) continue;
    const gainS = savedS(reservations, index, model.loadS) - model.loadS - reloadS(plan, unload, model.loadS);
    if (gainS > 0 && (best === null || gainS > best.gainS)) best = { model: index, unload, gainS };
  }
  return best;
}

/** What a load begun now spares those who wait for it: each its load, as far as it is over by their turn. */
function savedS(reservations: readonly Reservation[], model: number, loadS: number): number {
  let sumS = 0;
  for (const reservation of reservations) {
    if (reservation.model === model) sumS += Math.min(loadS, reservation.waitS);
  }
  return sumS;
}

function reloadS(plan: PlanNode, unload: readonly number[], withinS: number): number {
  let sumS = 0;
  for (const index of unload) {
    const { loadS, startsPerSecond } = modelAt(plan, index);
    sumS += loadS * (1 - Math.exp(-startsPerSecond * (loadS + withinS)));
  }
  return sumS;
}

const isRecent = (atMs: number | undefined, nowMs: number): boolean =>
  atMs !== undefined && nowMs - atMs < LASTING_MS;

/** The history with a warm-up that was just wished for. */
export function noteWarmUp(history: WarmHistory, plan: PlanNode, warmUp: WarmUp, nowMs: number): WarmHistory {
  const { name, loadS } = modelAt(plan, warmUp.model);
  const unloaded = warmUp.unload.map((index) => [modelAt(plan, index).name, nowMs] as const);
  return {
    restUntilMs: nowMs + Math.max(REST_MS, 2_000 * loadS),
    warmedAtMs: { ...history.warmedAtMs, [name]: nowMs },
    unloadedAtMs: { ...history.unloadedAtMs, ...Object.fromEntries(unloaded) },
  };
}
