import { monthOfDay } from "../calendar.ts";
import { holdTokens, isTerminal } from "../job/job.ts";
import type { StorePolicy } from "../job/store-policy.ts";
import type { AdmitOutcome, AdmitRequest, QuotaStanding } from "../ports/job-store.ts";
import type { JobId, MemberId } from "../terms.ts";
import type { MemoryAccounts } from "./memory-accounts.ts";
import type { MemoryJob } from "./memory-job.ts";
import { memberAccount, tierAccount } from "./memory-settlement.ts";

const MINUTE_MS = 60_000;

/** How many of a member's jobs have not ended. */
export const unfinishedJobs = (jobs: Iterable<MemoryJob>, member: MemberId): number =>
  [...jobs].filter((job) => job.spec.member === member && !isTerminal(job.state)).length;

/** What the memory job store asks before it admits a job, in the order of the port. */
export function createMemoryAdmission(deps: {
  readonly jobs: Map<JobId, MemoryJob>;
  readonly accounts: MemoryAccounts;
  readonly policy: StorePolicy;
  readonly serves: (member: MemberId, key: string) => boolean;
}) {
  const { jobs, accounts, policy, serves } = deps;
  const known = new Map<
    string,
    { readonly job: JobId; readonly bodyHash: string; readonly untilMs: number }
  >();
  const minutes = new Map<MemberId, { readonly minute: number; readonly requests: number }>();

  const requestsIn = ({ spec, nowMs }: AdmitRequest): number => {
    const last = minutes.get(spec.member);
    return last?.minute === Math.floor(nowMs / MINUTE_MS) ? last.requests : 0;
  };

  const standing = (request: AdmitRequest): QuotaStanding => {
    const { spec, day, limits } = request;
    const name = memberAccount(spec.member, monthOfDay(day));
    const creditTokens = accounts.credit(name);
    return {
      limitTokens: limits.tokens === null ? null : Math.max(0, limits.tokens + creditTokens),
      creditTokens,
      ...accounts.read(name),
      requestsLeft:
        limits.requestsPerMinute === null
          ? null
          : Math.max(0, limits.requestsPerMinute - requestsIn(request)),
    };
  };

  const duplicate = ({ spec, idempotency, nowMs }: AdmitRequest): AdmitOutcome | null => {
    const earlier = idempotency && known.get(`${spec.member} ${idempotency.key}`);
    if (!earlier || earlier.untilMs <= nowMs) return null;
    const kind = earlier.bodyHash === idempotency.bodyHash ? "duplicate" : "idempotency-conflict";
    return { kind, job: earlier.job };
  };

  /** Guards that a request meets after it was counted. */
  const overLimit = (request: AdmitRequest): AdmitOutcome | null => {
    const { spec, day, caps, limits } = request;
    const all = [...jobs.values()];
    const pending = all.filter((job) => job.state.state === "queued");
    const own = pending.filter((job) => job.spec.member === spec.member);
    if (own.length >= caps.perMember) return { kind: "too-many-pending", scope: "member" };
    if (pending.length >= caps.total) return { kind: "too-many-pending", scope: "co-op" };
    const now = standing(request);
    const unfinished = unfinishedJobs(all, spec.member);
    if (limits.jobsAtOnce !== null && unfinished >= limits.jobsAtOnce)
      return { kind: "too-many-at-once", limit: limits.jobsAtOnce, unfinished, standing: now };
    const month = monthOfDay(day);
    const tier = tierAccount(spec.member, month, spec.askedTier);
    if (limits.tierTokens !== null && !accounts.hasRoom(tier, holdTokens(spec), limits.tierTokens)) {
      const limit = { tier: spec.askedTier, limitTokens: limits.tierTokens };
      return { kind: "tier-quota-exceeded", ...limit, ...accounts.read(tier), standing: now };
    }
    return accounts.hasRoom(memberAccount(spec.member, month), holdTokens(spec), now.limitTokens)
      ? null
      : { kind: "quota-exceeded", standing: now };
  };

  /** The reason to refuse or answer otherwise, null when the job may be admitted. Counts the request. */
  const refusal = (request: AdmitRequest): AdmitOutcome | null => {
    const { spec, limits, nowMs } = request;
    if (jobs.has(spec.id)) return { kind: "admitted", standing: standing(request) };
    if (request.key !== undefined && !serves(spec.member, request.key)) return { kind: "revoked" };
    const earlier = duplicate(request);
    if (earlier !== null) return earlier;
    const requests = requestsIn(request);
    if (limits.requestsPerMinute !== null && requests >= limits.requestsPerMinute)
      return { kind: "too-many-requests", limit: limits.requestsPerMinute, standing: standing(request) };
    minutes.set(spec.member, { minute: Math.floor(nowMs / MINUTE_MS), requests: requests + 1 });
    return overLimit(request);
  };

  /** Takes the holds and remembers the idempotency key. */
  const take = ({ spec, day, idempotency, nowMs }: AdmitRequest): void => {
    const month = monthOfDay(day);
    accounts.hold(memberAccount(spec.member, month), holdTokens(spec));
    accounts.hold(tierAccount(spec.member, month, spec.askedTier), holdTokens(spec));
    if (!idempotency) return;
    const untilMs = Math.max(nowMs + policy.idempotencyMs, spec.deadlineMs);
    known.set(`${spec.member} ${idempotency.key}`, {
      job: spec.id,
      bodyHash: idempotency.bodyHash,
      untilMs,
    });
  };

  return { refusal, take, standing };
}
