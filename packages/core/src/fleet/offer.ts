import { throughputOf } from "../capacity/throughput.ts";
import type { Machine, NodeReport } from "./node.ts";

/** What a node brings to the co-op, as it last said: it counts for quotas also while the node sleeps. */
export interface NodeOffer {
  /** Tokens that it can make in a month within its owner's budget and hours. */
  readonly tokensPerMonth: number;
  readonly servingSecondsPerDay: number;
  /** Key of the machine in the catalogue, null when it is none of those. */
  readonly machineProfile: string | null;
  readonly simulated: boolean;
  readonly atMs: number;
}

/** A twelfth of a year of 365.25 days. */
export const DAYS_PER_MONTH = 30.4375;
/** An offer that differs by less is the same: rates are learned all the time. */
const NOTABLE_SHARE = 0.02;

/**
 * What a node offers by its report: its throughput in its serving hours, at most its token budget. Null when it
 * reports no model that makes text, as while its engine is away: what it offered before still stands.
 */
export function offerOf(report: NodeReport, machine: Machine, nowMs: number): NodeOffer | null {
  const { models, slots, servingSecondsPerDay, tokensPerDay, tokensPerMonth } = report;
  const perSecond = throughputOf(models, slots).value;
  if (perSecond === 0) return null;
  const perDay = Math.min(perSecond * servingSecondsPerDay, tokensPerDay ?? Infinity);
  return {
    tokensPerMonth: Math.floor(Math.min(perDay * DAYS_PER_MONTH, tokensPerMonth ?? Infinity)),
    servingSecondsPerDay,
    machineProfile: machine.profile,
    simulated: machine.simulated,
    atMs: nowMs,
  };
}

/** Whether an offer is worth writing down in place of another. */
export function isNotableChange(before: NodeOffer | null, after: NodeOffer): boolean {
  if (before === null) return true;
  const change = Math.abs(after.tokensPerMonth - before.tokensPerMonth);
  return (
    change > NOTABLE_SHARE * before.tokensPerMonth ||
    after.servingSecondsPerDay !== before.servingSecondsPerDay ||
    after.machineProfile !== before.machineProfile ||
    after.simulated !== before.simulated
  );
}
