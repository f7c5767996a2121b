import { serviceGapBoundS } from "@coop/core";
import type { MemberId } from "@coop/core";
import type { FairnessRun } from "./run.ts";

/**
 * Measures fairness as it was had: for every two members who both wait for jobs of one tier, how far their weighted
 * service drifts apart while both wait. Members who want different tiers have no claim on each other.
 */
export interface FairnessWatch {
  readonly waits: (member: MemberId, jobClass: string, nowS: number) => void;
  readonly waitsNoMore: (member: MemberId, jobClass: string) => void;
  /** An attempt starts that comes to so much service. */
  readonly begun: (member: MemberId, weightedS: number) => void;
  /** It ended; `served`: its member had it, else it was lost. */
  readonly ended: (member: MemberId, weightedS: number, served: boolean, nowS: number) => void;
  readonly result: () => FairnessRun;
}

/** Lowest and highest difference of two members' service since both wait. */
interface Drift {
  lowS: number;
  highS: number;
}

/** A waiting class: who waits in it, with how many jobs. */
interface Queue {
  readonly jobs: number[];
  /** Drifts by member and, below it, a member of lower number. */
  readonly drifts: (Drift | undefined)[][];
}

export function createFairnessWatch(): FairnessWatch {
  const members: MemberId[] = [];
  const numbers = new Map<MemberId, number>();
  const servedS: number[] = [];
  const inFlightS: number[] = [];
  const queues = new Map<string, Queue>();
  const gapOverTime: [number, number][] = [];
  let gapS = 0;
  let mostInFlightS = 0;

  const numberOf = (member: MemberId): number => {
    const known = numbers.get(member);
    if (known !== undefined) return known;
    numbers.set(member, members.length);
    members.push(member);
    servedS.push(0);
    inFlightS.push(0);
    return members.length - 1;
  };
  const queueOf = (jobClass: string): Queue => {
    const known = queues.get(jobClass);
    if (known !== undefined) return known;
    const made: Queue = { jobs: [], drifts: [] };
    queues.set(jobClass, made);
    return made;
  };
  const differenceS = (one: number, other: number): number => (servedS[one] ?? 0) - (servedS[other] ?? 0);
  const pair = (one: number, other: number): readonly [number, number] =>
    one > other ? [one, other] : [other, one];

  const begin = ({ jobs, drifts }: Queue, member: number): void => {
    for (let other = 0; other < jobs.length; other += 1) {
      if (other === member || (jobs[other] ?? 0) === 0) continue;
      const [high, low] = pair(member, other);
      const nowS = differenceS(high, low);
      const row = drifts[high] ?? [];
      drifts[high] = row;
      row[low] = { lowS: nowS, highS: nowS };
    }
  };
  const drift = ({ jobs, drifts }: Queue, member: number): void => {
    if ((jobs[member] ?? 0) === 0) return;
    for (let other = 0; other < jobs.length; other += 1) {
      if (other === member || (jobs[other] ?? 0) === 0) continue;
      const [high, low] = pair(member, other);
      const known = drifts[high]?.[low];
      if (known === undefined) continue;
      const nowS = differenceS(high, low);
      known.lowS = Math.min(known.lowS, nowS);
      known.highS = Math.max(known.highS, nowS);
      gapS = Math.max(gapS, known.highS - known.lowS);
    }
  };

  return {
    waits(member, jobClass) {
      const queue = queueOf(jobClass);
      const number = numberOf(member);
      const jobs = queue.jobs[number] ?? 0;
      queue.jobs[number] = jobs + 1;
      if (jobs === 0) begin(queue, number);
    },
    waitsNoMore(member, jobClass) {
      const queue = queueOf(jobClass);
      const number = numberOf(member);
      queue.jobs[number] = (queue.jobs[number] ?? 0) - 1;
    },
    begun(member, weightedS) {
      const number = numberOf(member);
      const ofMemberS = (inFlightS[number] ?? 0) + weightedS;
      inFlightS[number] = ofMemberS;
      mostInFlightS = Math.max(mostInFlightS, ofMemberS);
    },
    ended(member, weightedS, served, nowS) {
      const number = numberOf(member);
      inFlightS[number] = (inFlightS[number] ?? 0) - weightedS;
      if (!served) return;
      servedS[number] = (servedS[number] ?? 0) + weightedS;
      const beforeS = gapS;
      for (const queue of queues.values()) drift(queue, number);
      if (gapS > beforeS) gapOverTime.push([nowS, gapS]);
    },
    result: () => ({
      members,
      servedS,
      backloggedGapS: gapS,
      boundS: serviceGapBoundS(mostInFlightS),
      gapOverTime,
    }),
  };
}
