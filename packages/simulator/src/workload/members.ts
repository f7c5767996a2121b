import type { Random } from "@coop/core";
import { normal } from "../world/random-stream.ts";
import type { Request } from "./request.ts";

/** Who sends what share of the requests. */
export interface MemberShares {
  readonly count: number;
  /** Part of the most active member; null: by Zipf's law alone. */
  readonly topShare: number | null;
}

export const USUAL_MEMBERS: MemberShares = { count: 12, topShare: null };
const ZIPF_EXPONENT = 0.8;
/** Spread of the logarithm of a member's own output lengths: what is left unknown when the member is known. */
const LENGTH_SIGMA = 0.7;

export function sharesOf({ count, topShare }: MemberShares): readonly number[] {
  const weights = Array.from({ length: count }, (_, rank) => (rank + 1) ** -ZIPF_EXPONENT);
  const [top, ...others] = weights;
  const rest = others.reduce((sum, weight) => sum + weight, 0);
  if (topShare === null || rest === 0) return weights.map((weight) => weight / (rest + (top ?? 0)));
  return [topShare, ...others.map((weight) => ((1 - topShare) * weight) / rest)];
}

/**
 * Gives every request that has no sender one, a whole conversation the same, so that members get their shares and
 * differ in how long their outputs are: a member tells the logarithm of an output's length with an error of about
 * `LENGTH_SIGMA`, as far as the workload varies by more than that.
 */
export function assignMembers(
  requests: readonly Request[],
  shares: readonly number[],
  random: Random,
): readonly string[] {
  const units = unitsOf(requests);
  const logs = units.map((unit) =>
    meanOf(unit.map((index) => Math.log(Math.max(1, requests[index]?.outputTokens ?? 1)))),
  );
  const mean = meanOf(logs);
  const variance = meanOf(logs.map((log) => (log - mean) ** 2));
  const knownPart = variance === 0 ? 0 : Math.max(0, 1 - LENGTH_SIGMA ** 2 / variance);
  const told = logs.map((log, index) => ({
    unit: units[index] ?? [],
    index,
    hint:
      Math.sqrt(knownPart) * ((log - mean) / Math.sqrt(variance || 1)) +
      Math.sqrt(1 - knownPart) * normal(random),
  }));
  told.sort((one, other) => one.hint - other.hint || one.index - other.index);
  const members = requests.map(({ client }) => client ?? memberName(0));
  let taken = 0;
  for (const member of shuffled(shares.length, random)) {
    const until = taken + (shares[member] ?? 0) * told.length;
    for (const { unit } of told.slice(Math.round(taken), Math.round(until))) {
      for (const index of unit) members[index] = memberName(member);
    }
    taken = until;
  }
  return members;
}

/** Requests without a sender, by index: those of one conversation together. */
function unitsOf(requests: readonly Request[]): readonly (readonly number[])[] {
  const units: number[][] = [];
  const bySession = new Map<string, number[]>();
  for (const [index, { client, session }] of requests.entries()) {
    if (client !== null) continue;
    const known = session === null ? undefined : bySession.get(session);
    if (known !== undefined) {
      known.push(index);
      continue;
    }
    const unit = [index];
    units.push(unit);
    if (session !== null) bySession.set(session, unit);
  }
  return units;
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

const memberName = (rank: number): string => `m${String(rank + 1).padStart(2, "0")}`;

/** The numbers below `count` in an order by chance. */
function shuffled(count: number, random: Random): number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = Math.floor(random.next() * (last + 1));
    const [a, b] = [order[last] ?? 0, order[other] ?? 0];
    order[last] = b;
    order[other] = a;
  }
  return order;
}
