/**
 * Which waiting jobs their deadlines make urgent. Pure.
 *
 * U1. A job is urgent from a margin before the last moment at which it could start and still be expected to end in
 *     time, until that moment: what could wait, waits, and what cannot be saved gains nothing.
 * U2. An urgent job goes before others of the same standing in the fair order. It changes no member's turn, no tier
 *     and no owner's place, so that short deadlines buy nobody more than their share.
 * U3. Only a part of the service goes to urgent jobs. Without it, a fleet with too much to do would start every job
 *     at its last moment, and all would wait as long as their deadlines let them.
 */
export interface Urgency {
  /** Last moment to start, ms since the Unix epoch, by the expected time alone on the fastest node that may serve it. */
  readonly latestStartMs: number;
  /** From when the job is urgent. */
  readonly fromMs: number;
}

/** A slot may take as long to come free as a job takes, and no less than this, ms. */
const MARGIN_MS_MIN = 10_000;
/** Part of the service that urgent jobs may have. */
const URGENT_SHARE = 0.5;
/** The most that urgent jobs may start at once, reference-seconds. */
const URGENT_S_MAX = 60;

/** `expectedMs` is the job's expected time alone on its best node. */
export function urgencyOf(deadlineMs: number, expectedMs: number): Urgency {
  const latestStartMs = deadlineMs - expectedMs;
  return { latestStartMs, fromMs: latestStartMs - Math.max(MARGIN_MS_MIN, expectedMs) };
}

export const isUrgent = ({ fromMs, latestStartMs }: Urgency, nowMs: number): boolean =>
  fromMs <= nowMs && nowMs <= latestStartMs;

/** How much urgent jobs may still start: earned by what starts without being urgent. */
export interface UrgentLane {
  readonly isOpen: () => boolean;
  /** A job of so much work started; `ahead`: as an urgent one. */
  readonly started: (referenceS: number, ahead: boolean) => void;
}

export function createUrgentLane(): UrgentLane {
  let leftS = URGENT_S_MAX;
  return {
    isOpen: () => leftS > 0,
    started(referenceS, ahead) {
      const earnedS = (referenceS * URGENT_SHARE) / (1 - URGENT_SHARE);
      leftS = Math.min(URGENT_S_MAX, leftS + (ahead ? -referenceS : earnedS));
    },
  };
}
