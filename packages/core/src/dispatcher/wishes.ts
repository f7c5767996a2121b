import { modelAt } from "../placement/plan.ts";
import type { FleetNode } from "./fleet.ts";
import { planOf } from "./fleet.ts";
import { runPass } from "./round.ts";
import type { RoundState } from "./round.ts";
import { NEVER_WARMED, noteWarmUp, warmUpOf } from "./warm-up.ts";
import type { MemoryWish, Reservation, WarmHistory } from "./warm-up.ts";

/** Waiting jobs that are looked at: those whose turn comes next. */
const DEPTH = 64;

/** What to wish of nodes' memories, by where the jobs that wait would start. Remembers its wishes. */
export interface Wishing {
  readonly wishes: (nowMs: number) => readonly MemoryWish[];
}

export function createWishing(state: RoundState): Wishing {
  const histories = new WeakMap<FleetNode, WarmHistory>();

  const reservations = (nowMs: number): ReadonlyMap<FleetNode, readonly Reservation[]> => {
    const byNode = new Map<FleetNode, Reservation[]>();
    runPass(state, nowMs, DEPTH, (_candidate, choice) => {
      if (choice === null) return "go-on";
      const node = state.nodeAt(choice.option.node);
      const ofNode = byNode.get(node) ?? [];
      byNode.set(node, ofNode);
      ofNode.push({ model: choice.option.model, waitS: choice.cost.terms.waitS });
      return "go-on";
    });
    return byNode;
  };

  const wishesOf = (
    node: FleetNode,
    reserved: readonly Reservation[],
    nowMs: number,
  ): readonly MemoryWish[] => {
    const plan = planOf(node, nowMs);
    const history = histories.get(node) ?? NEVER_WARMED;
    const warmUp = warmUpOf(plan, reserved, history, nowMs);
    if (warmUp === null) return [];
    histories.set(node, noteWarmUp(history, plan, warmUp, nowMs));
    const { id } = node.identity;
    return [
      ...warmUp.unload.map((index) => ({
        kind: "unload" as const,
        node: id,
        model: modelAt(plan, index).name,
      })),
      { kind: "warm", node: id, model: modelAt(plan, warmUp.model).name },
    ];
  };

  return {
    wishes: (nowMs) =>
      [...reservations(nowMs)].flatMap(([node, reserved]) => wishesOf(node, reserved, nowMs)),
  };
}
