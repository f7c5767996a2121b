import type { CancelReason, TerminalState } from "../job/job.ts";
import type { OutputEvent } from "../job/output.ts";
import type { StorePolicy } from "../job/store-policy.ts";
import type { LedgerEntry } from "../ports/ledger.ts";
import type { Epoch, NodeId } from "../terms.ts";
import type { MemoryAccounts } from "./memory-accounts.ts";
import { liveState, type MemoryJob } from "./memory-job.ts";
import type { MemoryOutputLog } from "./memory-output-log.ts";

type Deltas = Pick<LedgerEntry, "toMember" | "toNode" | "toWaste" | "toAbsorbed">;

export const memberAccount = (member: string, month: string): string => `member ${member} ${month}`;
export const nodeAccount = (node: string, day: string): string => `node ${node} ${day}`;

/** What the member pays for an attempt that ended badly: the output that someone could see. */
export const chargeForFailure = (job: MemoryJob): number =>
  job.spec.streamed ? Math.min(job.delivered, job.hold) : 0;

/** The rules by which the memory job store settles holds and ends jobs. */
export function createMemorySettlement(deps: {
  readonly accounts: MemoryAccounts;
  readonly output: MemoryOutputLog;
  readonly ledger: LedgerEntry[];
  readonly policy: StorePolicy;
}) {
  const { accounts, output, ledger, policy } = deps;

  const enter = (
    job: MemoryJob,
    kind: string,
    epoch: Epoch,
    on: { node: NodeId; day: string } | null,
    deltas: Deltas,
    atMs: number,
  ): void => {
    const { id, member } = job.spec;
    ledger.push({
      kind,
      job: id,
      epoch,
      member,
      month: job.month,
      node: on?.node ?? null,
      day: on?.day ?? null,
      atMs,
      ...deltas,
    });
  };

  const settleMember = (job: MemoryJob, charge: number): void =>
    accounts.settle(memberAccount(job.spec.member, job.month), job.hold, charge);

  const keepHold = (job: MemoryJob, node: NodeId, nowMs: number): void => {
    const overdueAtMs = Math.max(job.spec.deadlineMs, nowMs) + policy.zombieGraceMs;
    job.keptHolds.set(job.epoch, { node, day: job.day, overdueAtMs });
  };

  /** Settles a kept hold, never beyond it; false when there is none. */
  const settleKept = (job: MemoryJob, epoch: Epoch, tokens: number, kind: string, nowMs: number): boolean => {
    const kept = job.keptHolds.get(epoch);
    if (kept === undefined) return false;
    job.keptHolds.delete(epoch);
    const used = Math.min(tokens, job.hold);
    accounts.settle(nodeAccount(kept.node, kept.day), job.hold, used);
    enter(job, kind, epoch, kept, { toMember: 0, toNode: 0 - used, toWaste: used, toAbsorbed: 0 }, nowMs);
    return true;
  };

  const end = (job: MemoryJob, state: TerminalState, seq: number, event: OutputEvent): void => {
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
    if (fenced !== null) keepHold(job, fenced.node, nowMs);
    settleMember(job, charge);
    enter(
      job,
      how.state,
      job.epoch,
      fenced && { node: fenced.node, day: job.day },
      {
        toMember: charge,
        toNode: 0,
        toWaste: 0 - charge,
        toAbsorbed: 0,
      },
      nowMs,
    );
    job.epoch += 1;
    const usage = { promptTokens, outputTokens: job.delivered };
    const ended = { chargedTokens: charge, finishedAtMs: nowMs };
    if (how.state === "cancelled") {
      end(job, { ...how, ...ended }, 0, { kind: how.state, reason: how.reason, usage });
    } else {
      end(job, { ...how, ...ended }, 0, { kind: how.state, reason: how.reason, usage });
    }
    return fenced;
  };

  return { enter, settleMember, keepHold, settleKept, end, stop };
}

export type MemorySettlement = ReturnType<typeof createMemorySettlement>;
