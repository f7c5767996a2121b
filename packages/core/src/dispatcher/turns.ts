import type { FairCounters } from "../fairness/counters.ts";
import { isInWindow, mayPass } from "../fairness/window.ts";
import type { MemberId } from "../terms.ts";
import type { FleetNode } from "./fleet.ts";
import type { JobKind } from "./job-kind.ts";
import type { UsableModels } from "./usable.ts";

/** Whose turn it is, node by node, while one set of jobs waits. */
export interface Turns {
  /** Least claim of a member who waits for a node; Infinity where nobody does. */
  readonly leastS: (node: FleetNode) => number;
  /** Whether a member is inside the fair order's window on a node. */
  readonly isInside: (member: MemberId, node: FleetNode) => boolean;
  /** Whether a job of a member outside the window is small enough to pass those inside. */
  readonly mayPass: (member: MemberId, node: FleetNode, referenceS: number) => boolean;
  /** Whether another member waits for a node and is inside the window there. */
  readonly isContended: (member: MemberId, node: FleetNode) => boolean;
}

type WaitingKind = { readonly kind: JobKind; readonly usable: UsableModels };

export function turnsOf(waiting: readonly WaitingKind[], counters: FairCounters): Turns {
  const leastS = leastClaims(waiting, counters);
  const isInside = (member: MemberId, node: FleetNode): boolean =>
    isInWindow(counters.claimS(member, node.claimClass), leastS(node), counters.floods(member));
  return {
    leastS,
    isInside,
    mayPass: (member, node, referenceS) =>
      referenceS <= counters.passingS() &&
      mayPass(counters.claimS(member, node.claimClass), leastS(node), counters.floods(member)),
    isContended(member, node) {
      for (const { kind } of waiting) {
        if (kind.modelsFor(node).length === 0) continue;
        for (const other of kind.byMember.keys()) if (other !== member && isInside(other, node)) return true;
      }
      return false;
    },
  };
}

function leastClaims(
  waiting: readonly WaitingKind[],
  counters: Pick<FairCounters, "claimS">,
): (node: FleetNode) => number {
  const byNode: (number | undefined)[] = [];
  for (const { kind, usable } of waiting) {
    const byClass: number[] = [];
    for (const claimClass of usable.claimClasses) {
      let leastS = Infinity;
      for (const member of kind.byMember.keys())
        leastS = Math.min(leastS, counters.claimS(member, claimClass));
      byClass[claimClass] = leastS;
    }
    if (waiting.length === 1) return ({ claimClass }) => byClass[claimClass] ?? Infinity;
    for (const { index, claimClass } of usable.nodes) {
      byNode[index] = Math.min(byNode[index] ?? Infinity, byClass[claimClass] ?? Infinity);
    }
  }
  return ({ index }) => byNode[index] ?? Infinity;
}
