import { monthOfDay } from "../calendar.ts";
import { isTerminal } from "../job/job.ts";
import type { Accounting } from "../ports/accounting.ts";
import type { LedgerEntry } from "../ports/ledger.ts";
import { TIERS, type JobId } from "../terms.ts";
import type { MemoryAccounts } from "./memory-accounts.ts";
import { unfinishedJobs } from "./memory-admission.ts";
import type { MemoryJob } from "./memory-job.ts";
import { memberAccount, tierAccount, usedAt, type MemorySettlement } from "./memory-settlement.ts";
import type { MemoryUsage } from "./memory-usage.ts";

/** Accounts and compensating entries of the memory job store. */
export function createMemoryAccounting(deps: {
  readonly jobs: ReadonlyMap<JobId, MemoryJob>;
  readonly accounts: MemoryAccounts;
  readonly usage: MemoryUsage;
  readonly settlement: MemorySettlement;
  readonly ledger: LedgerEntry[];
}): Accounting {
  const { jobs, accounts, usage, settlement, ledger } = deps;
  const granted = new Set<string>();
  return {
    async account(member, month) {
      const name = memberAccount(member, month);
      const touched = accounts.all();
      return {
        ...accounts.read(name),
        creditTokens: accounts.credit(name),
        tiers: Object.fromEntries(
          TIERS.flatMap((tier) => {
            const account = touched.get(tierAccount(member, month, tier));
            return account === undefined ? [] : [[tier, account] as const];
          }),
        ),
        unfinishedJobs: unfinishedJobs(jobs.values(), member),
      };
    },
    async refund(id, nowMs) {
      const job = jobs.get(id);
      if (job === undefined) return { kind: "not-found" };
      if (!isTerminal(job.state)) return { kind: "not-ended" };
      if (job.refundedAtMs !== null) return { kind: "repeated" };
      const { member, askedTier } = job.spec;
      const month = monthOfDay(job.admittedOn);
      const tokens = job.state.chargedTokens;
      job.refundedAtMs = nowMs;
      accounts.settle(memberAccount(member, month), 0, 0 - tokens);
      accounts.settle(tierAccount(member, month, askedTier), 0, 0 - tokens);
      usage.refunded(usedAt(job), tokens);
      const deltas = { toMember: 0 - tokens, toNode: 0, toWaste: tokens, toAbsorbed: 0 };
      settlement.enter(job, "refunded", job.epoch, null, deltas, null, nowMs);
      return { kind: "refunded", tokens };
    },
    async grant({ id, member, month, tokens }, nowMs) {
      if (granted.has(id)) return "repeated";
      granted.add(id);
      accounts.addCredit(memberAccount(member, month), tokens);
      ledger.push({
        kind: "granted",
        job: null,
        grant: id,
        epoch: 0,
        member,
        month,
        node: null,
        day: null,
        owner: member,
        atMs: nowMs,
        toMember: 0,
        toNode: 0,
        toWaste: 0,
        toAbsorbed: 0,
        toCredit: tokens,
        toGrant: 0 - tokens,
      });
      return "granted";
    },
  };
}
