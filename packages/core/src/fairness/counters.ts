import type { MemberService } from "../fleet/node.ts";
import type { MemberId } from "../terms.ts";
import { FLOOD_FACTOR, FLOOD_S_MIN, RECENT_FACTOR, PASSING_S_MAX, PASSING_SHARE } from "./window.ts";

/**
 * Service received per member, in reference-seconds over the member's weight, and what it counts for where.
 *
 * Nodes that serve the same models are one claim class. Everything that a member had, wherever, counts in every
 * class, plus a lift of the member's own in that class: its claim there is `served + lift`, and the least claim goes
 * first. The level of a class is the highest least claim that was seen among those who waited for it.
 *
 * F1. Absence saves nothing up: who comes to wait for a class is lifted to its level.
 * F2. Work elsewhere costs no claim: who had nothing to do with a class for ten minutes starts there as a newcomer
 *     does, at its level, also when it had more in other classes. Whoever can use a small node only keeps its place
 *     there whatever happens on large ones, and a single job for a large node costs no claim on the small one.
 * F3. Service is charged at dispatch as expected, raised while an output grows beyond that, and put right at the
 *     end; of an attempt that was cancelled, as far as it came.
 */
export interface FairCounters {
  /** A job of the member comes to wait for the given classes. */
  readonly arrive: (member: MemberId, classes: readonly number[], nowMs: number) => void;
  /** Adds service that a node of a class gives; negative takes it back. `weight` is the member's share. */
  readonly charge: (
    member: MemberId,
    weight: number,
    referenceS: number,
    at: { readonly claimClass: number; readonly nowMs: number },
  ) => void;
  /** Adds to what the member's attempts in flight may yet take beyond their charges; negative takes it back. */
  readonly mayOverrun: (member: MemberId, weight: number, referenceS: number) => void;
  /** What the member's attempts in flight may yet take beyond their charges, weighted reference-seconds. */
  readonly overrunS: (member: MemberId) => number;
  /** What the member had as it counts in a class, reference-seconds; less goes first. */
  readonly claimS: (member: MemberId, claimClass: number) => number;
  /** Reference-seconds that may start now for members outside the window: in the passing lane. */
  readonly passingS: () => number;
  /** Something started: in the passing lane, which it uses up, or in its turn, which earns a part of it. */
  readonly started: (referenceS: number, inPassing: boolean) => void;
  /** What each member had in all, wherever, weighted reference-seconds. */
  readonly served: () => readonly MemberService[];
  /** A job of the member comes to wait, or with a negative number leaves: what it may be worth, reference-seconds. */
  readonly wait: (member: MemberId, referenceS: number) => void;
  /** Whether far more work of the member waits than of all others, or it had more than all of them lately. */
  readonly floods: (member: MemberId) => boolean;
  /** Whether another member had to do with a class in the last ten minutes. */
  readonly areOthersHere: (member: MemberId, claimClass: number, nowMs: number) => boolean;
  /** Tells the least claim of those who wait for a class now. */
  readonly see: (claimClass: number, leastS: number) => void;
}

interface Account {
  servedS: number;
  overrunS: number;
  waitingS: number;
  /** Service of the last minutes: it fades. */
  recentS: number;
  recentAtMs: number;
  /** By claim class. */
  readonly claims: (Claim | undefined)[];
}

interface Claim {
  liftS: number;
  /** When the member last had to do with the class. */
  lastMs: number;
}

/** After this long a member is new to a class, ms. */
const FORGOTTEN_MS = 600_000;
/** Service of the last minutes fades with this time. */
const RECENT_MS = 300_000;

export function createFairCounters(): FairCounters {
  const accounts = new Map<MemberId, Account>();
  const levelsS: (number | undefined)[] = [];
  let passingS = PASSING_S_MAX;
  let allWaitingS = 0;
  let lastChargeMs = 0;

  const entryS = (claimClass: number): number => levelsS[claimClass] ?? 0;
  const recentS = ({ recentS: thenS, recentAtMs }: Account, nowMs: number): number =>
    thenS * Math.exp(-Math.max(0, nowMs - recentAtMs) / RECENT_MS);
  const accountOf = (member: MemberId): Account => {
    const known = accounts.get(member);
    if (known !== undefined) return known;
    const made: Account = { servedS: 0, overrunS: 0, waitingS: 0, recentS: 0, recentAtMs: 0, claims: [] };
    accounts.set(member, made);
    return made;
  };
  const claimOf = (account: Account, claimClass: number): Claim => {
    const known = account.claims[claimClass];
    if (known !== undefined) return known;
    const made: Claim = { liftS: entryS(claimClass) - account.servedS, lastMs: -Infinity };
    account.claims[claimClass] = made;
    return made;
  };

  return {
    arrive(member, classes, nowMs) {
      const account = accountOf(member);
      for (const claimClass of classes) {
        const claim = claimOf(account, claimClass);
        const enteringS = entryS(claimClass) - account.servedS;
        const isNew = nowMs - claim.lastMs > FORGOTTEN_MS;
        claim.liftS = isNew ? enteringS : Math.max(claim.liftS, enteringS);
        claim.lastMs = nowMs;
      }
    },
    charge(member, weight, referenceS, { claimClass, nowMs }) {
      const account = accountOf(member);
      claimOf(account, claimClass).lastMs = nowMs;
      account.servedS += referenceS / weight;
      account.recentS = Math.max(0, recentS(account, nowMs) + referenceS / weight);
      account.recentAtMs = nowMs;
      lastChargeMs = nowMs;
    },
    mayOverrun(member, weight, referenceS) {
      accountOf(member).overrunS += referenceS / weight;
    },
    overrunS: (member) => accounts.get(member)?.overrunS ?? 0,
    claimS(member, claimClass) {
      const account = accountOf(member);
      return account.servedS + claimOf(account, claimClass).liftS;
    },
    passingS: () => passingS,
    started(referenceS, inPassing) {
      passingS = Math.min(PASSING_S_MAX, passingS + (inPassing ? -referenceS : PASSING_SHARE * referenceS));
    },
    served: () => Array.from(accounts, ([member, { servedS }]) => ({ member, referenceS: servedS })),
    wait(member, referenceS) {
      accountOf(member).waitingS += referenceS;
      allWaitingS += referenceS;
    },
    floods(member) {
      const account = accounts.get(member);
      if (account === undefined) return false;
      if (account.waitingS > FLOOD_FACTOR * (allWaitingS - account.waitingS) + FLOOD_S_MIN) return true;
      const ownS = recentS(account, lastChargeMs);
      if (ownS < FLOOD_S_MIN) return false;
      let othersS = 0;
      for (const known of accounts.values()) if (known !== account) othersS += recentS(known, lastChargeMs);
      return othersS > 0 && ownS > RECENT_FACTOR * othersS;
    },
    areOthersHere(member, claimClass, nowMs) {
      for (const [other, { claims }] of accounts) {
        const lastMs = claims[claimClass]?.lastMs ?? -Infinity;
        if (other !== member && nowMs - lastMs <= FORGOTTEN_MS) return true;
      }
      return false;
    },
    see(claimClass, leastS) {
      levelsS[claimClass] = Math.max(levelsS[claimClass] ?? 0, leastS);
    },
  };
}
