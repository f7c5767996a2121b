import type { NodeTime } from "./node-time.ts";
import { partsOf } from "./node-time.ts";
import type { MemberId } from "../terms.ts";

/**
 * The part of a node's time that a member who floods may have: its fair share of it, and more the less the others use
 * the node.
 *
 * Let f be the fair share, and u the part of the time that the others' attempts take. Beside a member who keeps to its
 * fair share the others have a node that is slower by f. An attempt of a flood costs them something only while one of
 * theirs runs too, and takes as much of the node from them as it gets; so that a flood with the part x, which cannot know
 * when others come, meets them for 2 x u of the time. That is no more than f as long as x <= f / 2u.
 */
export function floodShare(fairShare: number, others: number): number {
  return Math.min(1, Math.max(fairShare, fairShare / (2 * others)));
}

/** Whether a member who floods has had its part of a node's time, or as much of its slots now. */
export function hasFloodShare(
  time: NodeTime,
  member: MemberId,
  fairShare: number,
  slots: { readonly own: number; readonly all: number },
): boolean {
  const { own, others } = partsOf(time, member);
  const share = floodShare(fairShare, others);
  if (share >= 1) return false;
  return own >= share || slots.own >= Math.ceil(share * slots.all);
}
