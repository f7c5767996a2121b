import { monthOfDay } from "../calendar.ts";
import type { CancelReason, TerminalState, Usage } from "../job/job.ts";
import type { OutputEvent } from "../job/output.ts";
import type { StorePolicy } from "../job/store-policy.ts";
import type { LedgerEntry } from "../ports/ledger.ts";
import type { Epoch, MemberId, NodeId, Tier } from "../terms.ts";
import type { MemoryAccounts } from "./memory-accounts.ts";
import { liveState, type MemoryAttempt, type MemoryJob } from "./memory-job.ts";
import type { MemoryNodeClock } from "./memory-node-clock.ts";
import type { MemoryOutputLog } from "./memory-output-log.ts";
import type { MemoryUsage, UsedAt } from "./memory-usage.ts";

type Deltas = Pick<LedgerEntry, "toMember" | "toNode" | "toWaste" | "toAbsorbed">;

/** What a job earned the owner of its node. */
interface Credit {
  readonly owner: MemberId;
  readonly tokens: number;
}

export const memberAccount = (member: string, month: string): string => `member ${member} ${month}`;
export const tierAccount = (member: string, month: string, tier: Tier): string =>
  `tier ${member} ${month} ${tier}`;
/** @param period a day or a month */
export const nodeAccount = (node: string, period: string): string => `node ${node} ${period}`;

/** What the member pays for an attempt that ended badly: the output that someone could see. */
export const chargeForFailure = (job: MemoryJob): number =>
  job.spec.streamed ? Math.min(job.delivered, job.hold) : 0;

/** Where a job's use is rolled up. */
export const usedAt = ({ spec, admittedOn, attempt }: MemoryJob): UsedAt => ({
  member: spec.member,
  day: admittedOn,
  place: attempt && { node: attempt.node, model: attempt.model, tier: attempt.tier },
});

/** The rules by which the memory job store settles holds and ends jobs. */
export function createMemorySettlement(deps: {
  readonly accounts: MemoryAccounts;
  readonly usage: MemoryUsage;
  readonly clock: MemoryNodeClock;
  readonly output: MemoryOutputLog;
  readonly ledger: LedgerEntry[];
  readonly policy: StorePolicy;
}) {
  const { accounts, usage, clock, output, ledger, policy } = deps;

  const enter = (
    job: MemoryJob,
    kind: string,
    epoch: Epoch,
    on: { readonly node: NodeId; readonly day: string } | null,
    deltas: Deltas,
    credit: Credit | null,
    atMs: number,
  ): void => {
    const { id, member } = job.spec;
    ledger.push({
      kind,
      job: id,
      grant: null,
      epoch,
      member,
      month: monthOfDay(job.admittedOn),
      node: on?.node ?? null,
      day: on?.day ?? null,
      owner: credit?.owner ?? null,
      atMs,
      ...deltas,
      toCredit: credit?.tokens ?? 0,
      toGrant: 0 - (credit?.tokens ?? 0),
    });
  };

  const settleNode = (
    { node, day }: Pick<MemoryAttempt, "node" | "day">,
    hold: number,
    used: number,
  ): void => {
    for (const period of [day, monthOfDay(day)]) accounts.settle(nodeAccount(node, period), hold, used);
  };

  /** Turns the member's hold into a charge, and a part of it into credit for the owner of another's node. */
  const settleMember = (job: MemoryJob, charge: number): Credit | null => {
    const { member, askedTier } = job.spec;
    const month = monthOfDay(job.admittedOn);
    accounts.settle(memberAccount(member, month), job.hold, charge);
    accounts.settle(tierAccount(member, month, askedTier), job.hold, charge);
    if (job.attempt === null || job.attempt.owner === member) return null;
    const { owner, tier } = job.attempt;
    const tokens = Math.floor((charge * policy.creditPerMille[tier]) / 1_000);
    if (tokens === 0) return null;
    accounts.addCredit(memberAccount(owner, month), tokens);
    return { owner, tokens };
  };

  const keepHold = (job: MemoryJob, { node, day }: MemoryAttempt, nowMs: number): void => {
    const overdueAtMs = Math.max(job.spec.deadlineMs, nowMs) + policy.zombieGraceMs;
    job.keptHolds.set(job.epoch, { node, day, overdueAtMs });
  };

  /** Settles a kept hold, never beyond it; false when there is none. */
  const settleKept = (job: MemoryJob, epoch: Epoch, tokens: number, kind: string, nowMs: number): boolean => {
    const kept = job.keptHolds.get(epoch);
    if (kept === undefined) return false;
    job.keptHolds.delete(epoch);
    const used = Math.min(tokens, job.hold);
    settleNode(kept, job.hold, used);
    const deltas = { toMember: 0, toNode: 0 - used, toWaste: used, toAbsorbed: 0 };
    enter(job, kind, epoch, kept, deltas, null, nowMs);
    return true;
  };

  /** The live attempt's share of its node's time, which ends with this; microseconds. */
  const stopClock = ({ attempt }: MemoryJob, nowMs: number): number =>
    attempt === null ? 0 : clock.stop(attempt.node, attempt.startUs, nowMs);

  const end = (job: MemoryJob, state: TerminalState, used: Usage, seq: number, event: OutputEvent): void => {
    const { chargedTokens, finishedAtMs } = state;
    const nodeUs = stopClock(job, finishedAtMs);
    const waitMs = job.attempt && Math.max(0, job.attempt.leasedAtMs - job.spec.submittedAtMs);
    usage.ended(usedAt(job), state.state, { ...used, chargedTokens, nodeUs }, waitMs);
    job.state = state;
    job.followedUntilMs = null;
    output.append({ job: job.spec.id, position: { epoch: job.epoch, seq }, event });
  };

  /** Ends a job wherever it is, fencing its attempt off; answers with that attempt. */
  const stop = (
    job: MemoryJob,
    how:
      | { readonly state: "cancelled"; readonly reason: CancelReason }
      | { readonly state: "expired"; readonly reason: string },
    nowMs: number,
  ): { readonly epoch: Epoch; readonly node: NodeId } | null => {
    const live = liveState(job);
    const promptTokens = live?.state === "running" ? job.spec.promptTokens : 0;
    const charge =
      how.state === "cancelled" ? Math.min(promptTokens + job.delivered, job.hold) : chargeForFailure(job);
    const fenced = live === null ? null : { epoch: job.epoch, node: live.node };
    if (job.attempt !== null) keepHold(job, job.attempt, nowMs);
    const credit = settleMember(job, charge);
    const deltas = { toMember: charge, toNode: 0, toWaste: 0 - charge, toAbsorbed: 0 };
    enter(job, how.state, job.epoch, job.attempt, deltas, credit, nowMs);
    job.epoch += 1;
    const used = { promptTokens, outputTokens: job.delivered };
    const ended = { chargedTokens: charge, finishedAtMs: nowMs };
    if (how.state === "cancelled") {
      end(job, { ...how, ...ended }, used, 0, { kind: how.state, reason: how.reason, usage: used });
    } else {
      end(job, { ...how, ...ended }, used, 0, { kind: how.state, reason: how.reason, usage: used });
    }
    return fenced;
  };

  return { enter, settleMember, settleNode, keepHold, settleKept, stopClock, end, stop };
}

export type MemorySettlement = ReturnType<typeof createMemorySettlement>;
