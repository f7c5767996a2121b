import { defaultStorePolicy, type StorePolicy } from "../job/store-policy.ts";
import { holdTokens, isTerminal, type CancelReason, type JobRecord } from "../job/job.ts";
import type { Accounting } from "../ports/accounting.ts";
import type { AdmitOutcome, AdmitRequest, AttemptStore, JobDesk, Wake } from "../ports/job-store.ts";
import type { LedgerEntry, LedgerReader } from "../ports/ledger.ts";
import type { UsageReader } from "../ports/usage.ts";
import type { JobId, MemberId } from "../terms.ts";
import { createMemoryAccounting } from "./memory-accounting.ts";
import { createMemoryAccounts } from "./memory-accounts.ts";
import { createMemoryAdmission } from "./memory-admission.ts";
import { createMemoryAttemptStore } from "./memory-attempt-store.ts";
import { toRecord, type MemoryJob } from "./memory-job.ts";
import { createMemoryLedgerReader } from "./memory-ledger.ts";
import { createMemoryNodeClock } from "./memory-node-clock.ts";
import type { MemoryOutputLog } from "./memory-output-log.ts";
import { createMemorySettlement } from "./memory-settlement.ts";
import { createMemoryUsage } from "./memory-usage.ts";

/** The job store in memory: the same rules as the Redis one, step by step, and what only tests ask. */
export interface MemoryJobStore extends JobDesk, AttemptStore {
  /** Makes this the leader's fencing number. It starts at 0. */
  setFence(fence: number): void;
  /** Every settlement so far. */
  ledger(): readonly LedgerEntry[];
  /** The same, as operators read it. */
  readonly books: LedgerReader;
  /** Removes prompt and output of a job that has ended; false when it has not. `everything`: labels too, and from lists. */
  forget(job: JobId, what: "content" | "everything"): boolean;
  readonly accounting: Accounting;
  readonly usage: UsageReader;
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
  const unlisted = new Set<JobId>();
  const accounts = createMemoryAccounts();
  const ledger: LedgerEntry[] = [];
  const fence = { current: 0 };
  const usage = createMemoryUsage();
  const clock = createMemoryNodeClock();
  const settlement = createMemorySettlement({ accounts, usage, clock, output, ledger, policy });
  const admission = createMemoryAdmission({ jobs, accounts, policy, serves });

  const read = async (id: JobId): Promise<JobRecord | null> => {
    const job = jobs.get(id);
    return job === undefined ? null : toRecord(job);
  };

  const admit = (request: AdmitRequest): AdmitOutcome => {
    const refused = admission.refusal(request);
    if (refused !== null) return refused;
    const { spec } = request;
    admission.take(request);
    jobs.set(spec.id, newJob(request));
    output.begin(spec.id);
    onWake({ kind: "admitted", spec });
    return { kind: "admitted", standing: admission.standing(request) };
  };

  const cancelJob = (job: MemoryJob, reason: CancelReason, nowMs: number) => {
    const fenced = settlement.stop(job, { state: "cancelled", reason }, nowMs);
    onWake({ kind: "cancelled", job: job.spec.id, fenced });
    return fenced;
  };

  return {
    ...createMemoryAttemptStore({ jobs, accounts, usage, clock, output, settlement, policy, fence }),
    setFence: (number) => {
      fence.current = number;
    },
    ledger: () => ledger,
    books: createMemoryLedgerReader(ledger, accounts, usage, policy.nodeAccountKeptMs),
    accounting: createMemoryAccounting({ jobs, accounts, usage, settlement, ledger }),
    usage: usage.reader,

    forget(id, what) {
      const job = jobs.get(id);
      if (job === undefined || !isTerminal(job.state)) return false;
      output.clear(id);
      const bare = { ...job, payload: "" };
      const { spec } = job;
      jobs.set(id, what === "content" ? bare : { ...bare, spec: { ...spec, session: null }, metadata: {} });
      if (what === "everything") unlisted.add(id);
      return true;
    },

    admit: async (request) => admit(request),
    read,
    async list(member, { limit, cursor }) {
      const own = [...jobs.values()]
        .filter(({ spec }) => spec.member === member && !unlisted.has(spec.id))
        .map(({ spec }) => spec.id);
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
  };
}

function newJob({ spec, metadata, day, payload, key, followedUntilMs }: AdmitRequest): MemoryJob {
  return {
    spec,
    metadata,
    admittedOn: day,
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
    attempt: null,
    refundedAtMs: null,
    leaseFence: 0,
    placement: null,
    followedUntilMs: spec.attachment === "attached" ? followedUntilMs : null,
    nodes: new Map(),
    keptHolds: new Map(),
  };
}
