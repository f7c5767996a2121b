import type { MemberId } from "../terms.ts";
import { NODE_TIME_MS } from "./window.ts";

/**
 * How a node's time was divided lately: each member's part of the last minutes, 0 to 1. Those who run at the same time
 * divide it evenly. Changed in place.
 */
export interface NodeTime {
  readonly parts: Map<MemberId, number>;
  atMs: number;
}

/** Smaller parts are forgotten. */
const PART_MIN = 1e-3;

export const createNodeTime = (nowMs: number): NodeTime => ({ parts: new Map(), atMs: nowMs });

/** Brings the parts to this moment, when the attempts of the given members have run since the last. */
export function passTime(time: NodeTime, running: readonly MemberId[], nowMs: number): void {
  if (nowMs <= time.atMs) return;
  const kept = Math.exp((time.atMs - nowMs) / NODE_TIME_MS);
  time.atMs = nowMs;
  for (const [member, part] of time.parts) {
    if (part * kept < PART_MIN && !running.includes(member)) time.parts.delete(member);
    else time.parts.set(member, part * kept);
  }
  for (const member of running) {
    time.parts.set(member, (time.parts.get(member) ?? 0) + (1 - kept) / running.length);
  }
}

/** A member's part, and that of all others together. */
export function partsOf(time: NodeTime, member: MemberId): { readonly own: number; readonly others: number } {
  let others = 0;
  for (const [other, part] of time.parts) if (other !== member) others += part;
  return { own: time.parts.get(member) ?? 0, others };
}
