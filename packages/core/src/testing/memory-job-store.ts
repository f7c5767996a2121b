import { defaultStorePolicy, type StorePolicy } from "../job/store-policy.ts";
import { holdTokens, isTerminal, type CancelReason, type JobRecord } from "../job/job.ts";
import type { AdmitOutcome, AdmitRequest, AttemptStore, JobDesk, Wake } from "../ports/job-store.ts";
import type { LedgerEntry, LedgerReader } from "../ports/ledger.ts";
import type { JobId, MemberId } from "../terms.ts";
import { createMemoryAccounts } from "./memory-accounts.ts";
import { createMemoryAttemptStore } from "./memory-attempt-store.ts";
import { toRecord, type MemoryJob } from "./memory-job.ts";
import { createMemoryLedgerReader } from "./memory-ledger.ts";
import type { MemoryOutputLog } from "./memory-output-log.ts";
import { createMemorySettlement, memberAccount } from "./memory-settlement.ts";

/** The job store in memory: the same rules as the Redis one, step by step, and what only tests ask. */
export interface MemoryJobStore extends JobDesk, AttemptStore {
  /** Makes this the leader's fencing number. It starts at 0. */
  setFence(fence: number): void;
  /** Every settlement so far. */
  ledger(): readonly LedgerEntry[];
  /** The same, as operators read it. */
  readonly books: LedgerReader;
}

export interface MemoryJobStoreOptions {
  readonly output: MemoryOutputLog;
  /** Where it differs from the default. */
  readonly policy?: Partial<StorePolicy>;
  /** Whether a member's key still serves; every one does when left out. */
  readonly serves?: (member: MemberId, key: string) => boolean;
  /** Told what wakes the scheduler. */
  readonly onWake?: (wake: Wake) => void;
}

export function createMemoryJobStore(options: MemoryJobStoreOptions): MemoryJobStore {
  const { output, onWake = () => undefined, serves = () => true } = options;
  const policy: StorePolicy = { ...defaultStorePolicy, ...options.policy };
  const jobs = new Map<JobId, MemoryJob>();
  const accounts = createMemoryAccounts();
  const ledger: LedgerEntry[] = [];
  const fence = { current: 0 };
  const settlement = createMemorySettlement({ accounts, output, ledger, policy });
  const known = new Map<
    string,
    { readonly job: JobId; readonly bodyHash: string; readonly untilMs: number }
  >();

  const read = async (id: JobId): Promise<JobRecord | null> => {
    const job = jobs.get(id);
    return job === undefined ? null : toRecord(job);
  };

  /** The reason to refuse or answer otherwise, null when the job may be admitted. */
  const refusal = (request: AdmitRequest): AdmitOutcome | null => {
    const { spec, idempotency, caps, month } = request;
    if (jobs.has(spec.id)) return { kind: "admitted" };
    if (request.key !== undefined && !serves(spec.member, request.key)) return { kind: "revoked" };
    const earlier = idempotency && known.get(`${spec.member} ${idempotency.key}`);
    if (earlier && earlier.untilMs > request.nowMs) {
      const kind = earlier.bodyHash === idempotency.bodyHash ? "duplicate" : "idempotency-conflict";
      return { kind, job: earlier.job };
    }
    const pending = [...jobs.values()].filter((job) => job.state.state === "queued");
    const own = pending.filter((job) => job.spec.member === spec.member);
    if (own.length >= caps.perMember) return { kind: "too-many-pending", scope: "member" };
    if (pending.length >= caps.total) return { kind: "too-many-pending", scope: "co-op" };
    const account = memberAccount(spec.member, month);
    if (request.quotaTokens === null || accounts.hasRoom(account, holdTokens(spec), request.quotaTokens))
      return null;
    return { kind: "quota-exceeded", limitTokens: request.quotaTokens, ...accounts.read(account) };
  };

  const admit = (request: AdmitRequest): AdmitOutcome => {
    const refused = refusal(request);
    if (refused !== null) return refused;
    const { spec, idempotency, nowMs } = request;
    accounts.hold(memberAccount(spec.member, request.month), holdTokens(spec));
    jobs.set(spec.id, newJob(request));
    if (idempotency) {
      const untilMs = Math.max(nowMs + policy.idempotencyMs, spec.deadlineMs);
      known.set(`${spec.member} ${idempotency.key}`, {
        job: spec.id,
        bodyHash: idempotency.bodyHash,
        untilMs,
      });
    }
    output.begin(spec.id);
    onWake({ kind: "admitted", spec });
    return { kind: "admitted" };
  };

  const cancelJob = (job: MemoryJob, reason: CancelReason, nowMs: number) => {
    const fenced = settlement.stop(job, { state: "cancelled", reason }, nowMs);
    onWake({ kind: "cancelled", job: job.spec.id, fenced });
    return fenced;
  };

  return {
    ...createMemoryAttemptStore({ jobs, accounts, output, settlement, policy, fence }),
    setFence: (number) => {
      fence.current = number;
    },
    ledger: () => ledger,
    books: createMemoryLedgerReader(ledger, accounts, policy.nodeAccountKeptMs),

    admit: async (request) => admit(request),
    read,
    async list(member, { limit, cursor }) {
      const own = [...jobs.values()].filter((job) => job.spec.member === member).map(({ spec }) => spec.id);
      const older = own.filter((id) => cursor === null || id < cursor).sort((a, b) => (a < b ? 1 : -1));
      const page = older.slice(0, limit);
      const records = await Promise.all(page.map(read));
      return {
        jobs: records.filter((record) => record !== null),
        nextCursor: older.length > limit ? (page.at(-1) ?? null) : null,
      };
    },
    placement: async (job) => jobs.get(job)?.placement ?? null,
    async cancel(id, member, reason, nowMs) {
      const job = jobs.get(id);
      if (job === undefined || (member !== null && job.spec.member !== member)) return { kind: "not-found" };
      if (isTerminal(job.state)) return { kind: "already-ended" };
      return { kind: "cancelled", fenced: cancelJob(job, reason, nowMs) };
    },
    async cancelAttached(member, key, nowMs) {
      const open = [...jobs.values()].filter(
        (job) =>
          job.spec.member === member &&
          job.spec.attachment === "attached" &&
          !isTerminal(job.state) &&
          (key === null || job.key === key),
      );
      for (const job of open) cancelJob(job, "revoked", nowMs);
      return open.length;
    },
    async follow(ids, untilMs) {
      for (const id of ids) {
        const job = jobs.get(id);
        if (job !== undefined && job.followedUntilMs !== null) job.followedUntilMs = untilMs;
      }
    },
    account: async (member, month) => accounts.read(memberAccount(member, month)),
  };
}

function newJob({ spec, metadata, month, payload, key, followedUntilMs }: AdmitRequest): MemoryJob {
  return {
    spec,
    metadata,
    month,
    hold: holdTokens(spec),
    payload,
    key: key ?? null,
    state: { state: "queued", notBeforeMs: spec.submittedAtMs },
    epoch: 0,
    attempts: 0,
    excludedNodes: [],
    delivered: 0,
    bytes: 0,
    lastSeq: 0,
    restarted: false,
    day: "",
    leaseFence: 0,
    placement: null,
    followedUntilMs: spec.attachment === "attached" ? followedUntilMs : null,
    nodes: new Map(),
    keptHolds: new Map(),
  };
}
