import type { FairCounters } from "../fairness/counters.ts";
import { isInWindow, mayPass } from "../fairness/window.ts";
import type { MemberId } from "../terms.ts";
import type { FleetNode } from "./fleet.ts";
import type { JobKind } from "./job-kind.ts";
import type { UsableModels } from "./usable.ts";

/** Whose turn it is, node by node, while one set of jobs waits. */
export interface Turns {
  /** Whether a member floods, as of the beginning. */
  readonly floods: (member: MemberId) => boolean;
  /** Least claim of a member who waits for a class of nodes, own work aside; Infinity where nobody does. */
  readonly leastOfClassS: (claimClass: number) => number;
  /** Least claim of a member who waits for a node; Infinity where nobody does. */
  readonly leastS: (node: FleetNode) => number;
  /** A member's fair share of a node among those who had to do with its class lately; 1 where nobody else had. */
  readonly fairShare: (member: MemberId, node: FleetNode) => number;
  /** Highest claim of a member who waits for a node's class, own work aside; -Infinity where nobody does. */
  readonly mostS: (node: FleetNode) => number;
  /** Whether a member is inside the fair order's window on a node. */
  readonly isInside: (member: MemberId, node: FleetNode) => boolean;
  /** Whether a job of a member outside the window is small enough to pass those inside. */
  readonly mayPass: (member: MemberId, node: FleetNode, referenceS: number) => boolean;
  /** Whether another member waits for a node and is inside the window there. */
  readonly isContended: (member: MemberId, node: FleetNode) => boolean;
}

type WaitingKind = { readonly kind: JobKind; readonly usable: UsableModels };

export function turnsOf(waiting: readonly WaitingKind[], counters: FairCounters, nowMs: number): Turns {
  const { byClass, mostByClass, byOwnNode } = leastClaims(waiting, counters);
  const leastOfClassS = (claimClass: number): number => byClass[claimClass] ?? Infinity;
  const leastS = ({ index, claimClass }: FleetNode): number =>
    Math.min(leastOfClassS(claimClass), byOwnNode.get(index) ?? Infinity);
  const flooding = new Map<MemberId, boolean>();
  const floods = (member: MemberId): boolean => {
    const known = flooding.get(member) ?? counters.floods(member);
    flooding.set(member, known);
    return known;
  };
  const shares = new Map<MemberId, (number | undefined)[]>();
  const fairShare = (member: MemberId, { claimClass }: FleetNode): number => {
    const ofMember = shares.get(member) ?? [];
    shares.set(member, ofMember);
    const share = ofMember[claimClass] ?? counters.fairShare(member, claimClass, nowMs);
    ofMember[claimClass] = share;
    return share;
  };
  const isInside = (member: MemberId, node: FleetNode): boolean =>
    isInWindow(counters.claimS(member, node.claimClass), leastS(node), floods(member));
  return {
    floods,
    fairShare,
    leastOfClassS,
    leastS,
    mostS: ({ claimClass }) => mostByClass[claimClass] ?? -Infinity,
    isInside,
    mayPass: (member, node, referenceS) =>
      referenceS <= counters.passingS() &&
      mayPass(counters.claimS(member, node.claimClass), leastS(node), floods(member)),
    isContended(member, node) {
      for (const { kind } of waiting) {
        if (kind.modelsFor(node).length === 0) continue;
        for (const other of kind.byMember.keys()) if (other !== member && isInside(other, node)) return true;
      }
      return false;
    },
  };
}

/** What may run on its member's own nodes only is claimed node by node, all else class by class. */
function leastClaims(
  waiting: readonly WaitingKind[],
  counters: Pick<FairCounters, "claimS">,
): {
  readonly byClass: readonly (number | undefined)[];
  readonly mostByClass: readonly (number | undefined)[];
  readonly byOwnNode: ReadonlyMap<number, number>;
} {
  const byClass: (number | undefined)[] = [];
  const mostByClass: (number | undefined)[] = [];
  const byOwnNode = new Map<number, number>();
  for (const { kind, usable } of waiting) {
    for (const member of kind.byMember.keys()) {
      if (kind.isOwn) {
        for (const { index, claimClass } of usable.nodes) {
          const claimS = counters.claimS(member, claimClass);
          byOwnNode.set(index, Math.min(byOwnNode.get(index) ?? Infinity, claimS));
        }
        continue;
      }
      for (const claimClass of usable.claimClasses) {
        const claimS = counters.claimS(member, claimClass);
        byClass[claimClass] = Math.min(byClass[claimClass] ?? Infinity, claimS);
        mostByClass[claimClass] = Math.max(mostByClass[claimClass] ?? -Infinity, claimS);
      }
    }
  }
  return { byClass, mostByClass, byOwnNode };
}
