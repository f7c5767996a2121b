import type { MemberService } from "../fleet/node.ts";
import type { MemberId } from "../terms.ts";
import { createAskedLately } from "./asked.ts";
import type { Asked } from "./asked.ts";
import { PASSING_S_MAX, PASSING_SHARE } from "./window.ts";

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
  /** A member asked for something at the given time, which is counted against what others ask for. */
  readonly ask: (member: MemberId, weight: number, asked: Asked, atMs: number) => void;
  /** Whether the member asked for far more than all others together lately. */
  readonly floods: (member: MemberId) => boolean;
  /** The member's weight over that of all who had to do with a class in the last ten minutes, itself among them. */
  readonly fairShare: (member: MemberId, claimClass: number, nowMs: number) => number;
  /** Tells the least claim of those who wait for a class now. */
  readonly see: (claimClass: number, leastS: number) => void;
}

interface Account {
  servedS: number;
  overrunS: number;
  weight: number;
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

export function createFairCounters(): FairCounters {
  const accounts = new Map<MemberId, Account>();
  const levelsS: (number | undefined)[] = [];
  let passingS = PASSING_S_MAX;
  const askedLately = createAskedLately();

  const entryS = (claimClass: number): number => levelsS[claimClass] ?? 0;
  const accountOf = (member: MemberId): Account => {
    const known = accounts.get(member);
    if (known !== undefined) return known;
    const made: Account = { servedS: 0, overrunS: 0, weight: 1, claims: [] };
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
    ask(member, weight, asked, atMs) {
      accountOf(member).weight = weight;
      askedLately.ask(member, asked, atMs);
    },
    floods: askedLately.floods,
    fairShare(member, claimClass, nowMs) {
      const own = accountOf(member);
      let allWeight = own.weight;
      for (const account of accounts.values()) {
        const lastMs = account.claims[claimClass]?.lastMs ?? -Infinity;
        if (account !== own && nowMs - lastMs <= FORGOTTEN_MS) allWeight += account.weight;
      }
      return own.weight / allWeight;
    },
    see(claimClass, leastS) {
      levelsS[claimClass] = Math.max(levelsS[claimClass] ?? 0, leastS);
    },
  };
}
