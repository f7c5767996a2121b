import { monthOfDay } from "../calendar.ts";
import { isTerminal, type JobState } from "../job/job.ts";
import type { StorePolicy } from "../job/store-policy.ts";
import type {
  AppendOutcome,
  AppendRequest,
  AttemptEnd,
  AttemptStore,
  FinishOutcome,
  LeaseOutcome,
  LeaseRequest,
  RetryOutcome,
  RetryRequest,
  SweepReport,
} from "../ports/job-store.ts";
import type { Epoch, JobId, NodeId } from "../terms.ts";
import type { MemoryAccounts } from "./memory-accounts.ts";
import { liveState, toRecord, type LiveState, type MemoryAttempt, type MemoryJob } from "./memory-job.ts";
import type { MemoryNodeClock } from "./memory-node-clock.ts";
import type { MemoryOutputLog } from "./memory-output-log.ts";
import { chargeForFailure, nodeAccount, usedAt, type MemorySettlement } from "./memory-settlement.ts";
import type { MemoryUsage } from "./memory-usage.ts";

export interface MemoryAttemptStoreParts {
  readonly jobs: Map<JobId, MemoryJob>;
  readonly accounts: MemoryAccounts;
  readonly usage: MemoryUsage;
  readonly clock: MemoryNodeClock;
  readonly output: MemoryOutputLog;
  readonly settlement: MemorySettlement;
  readonly policy: StorePolicy;
  readonly fence: { readonly current: number };
}

/** The scheduler's part of the memory job store. */
export function createMemoryAttemptStore(parts: MemoryAttemptStoreParts): AttemptStore {
  const { jobs, accounts, settlement, fence } = parts;
  const read = (id: JobId) => {
    const job = jobs.get(id);
    return job === undefined ? null : toRecord(job);
  };
  return {
    lease: async (request) => lease(parts, request),
    async accept(number, id, epoch) {
      if (number !== fence.current) return "fenced";
      const found = liveAttempt(parts, id, epoch);
      if (found === null) return "stale";
      found.job.state = { ...found.live, state: "running" };
      return "running";
    },
    append: async (request) => append(parts, request),
    async renew(number, leases, leaseUntilMs) {
      if (number !== fence.current) return { kind: "fenced" };
      const lost = leases.filter(({ job: id, epoch }) => {
        const found = liveAttempt(parts, id, epoch);
        if (found !== null) found.job.state = { ...found.live, leaseUntilMs };
        return found === null;
      });
      return { kind: "renewed", lost };
    },
    finish: async (number, id, epoch, end, nowMs) =>
      number === fence.current ? finish(parts, id, epoch, end, nowMs) : { kind: "fenced" },
    expire: async (request) => expire(parts, request),
    async settleNode(node, id, epoch, usage, nowMs) {
      const job = jobs.get(id);
      if (job?.nodes.get(epoch) !== node) return "unknown";
      const used = usage.promptTokens + usage.outputTokens;
      return settlement.settleKept(job, epoch, used, "node-settled", nowMs) ? "settled" : "repeated";
    },
    async settleAbsent(node, named, nowMs) {
      const spokenFor = new Set(named.map(({ job, epoch }) => `${job}|${epoch}`));
      let settled = 0;
      for (const job of jobs.values()) {
        for (const [epoch, kept] of job.keptHolds) {
          if (kept.node !== node || spokenFor.has(`${job.spec.id}|${epoch}`)) continue;
          if (settlement.settleKept(job, epoch, job.hold, "node-absent", nowMs)) settled += 1;
        }
      }
      return settled;
    },
    async sweep(number, nowMs, amnesty) {
      if (number !== fence.current) return { kind: "fenced" };
      return { kind: "swept", report: amnesty ? nothingSwept : sweep(parts, nowMs) };
    },
    read: async (id) => read(id),
    async *pending() {
      yield [...jobs.values()]
        .filter((job) => job.state.state === "queued")
        .sort(byTimeThenId((job) => job.spec.submittedAtMs))
        .map(toRecord);
    },
    nodeAccount: async (node, day) => ({
      day: accounts.read(nodeAccount(node, day)),
      month: accounts.read(nodeAccount(node, monthOfDay(day))),
    }),
  };
}

/** The job with its live state, null when this epoch is not the one that runs. */
function liveAttempt(
  { jobs }: MemoryAttemptStoreParts,
  id: JobId,
  epoch: Epoch,
): { readonly job: MemoryJob; readonly live: LiveState; readonly attempt: MemoryAttempt } | null {
  const job = jobs.get(id);
  const live = job?.epoch === epoch ? liveState(job) : null;
  return !job?.attempt || live === null ? null : { job, live, attempt: job.attempt };
}

function lease(
  { jobs, accounts, clock, output, fence }: MemoryAttemptStoreParts,
  request: LeaseRequest,
): LeaseOutcome {
  if (request.fence !== fence.current) return { kind: "fenced" };
  const job = jobs.get(request.job);
  if (job === undefined) return { kind: "not-queued" };
  const { node, nodeName, model, tier, leaseUntilMs } = request;
  if (job.state.state === "leased" && job.state.node === node && job.leaseFence === request.fence) {
    return { kind: "leased", epoch: job.epoch, payload: job.payload };
  }
  if (job.state.state !== "queued") return { kind: "not-queued" };

  const { privacy, member } = job.spec;
  const forbidden =
    (privacy === "own" && member !== request.nodeOwner) || (privacy !== "any" && request.cloud);
  if (forbidden) return { kind: "refused", reason: "privacy" };
  const [ofDay, ofMonth] = [nodeAccount(node, request.day), nodeAccount(node, monthOfDay(request.day))];
  const hasRoom =
    accounts.hasRoom(ofDay, job.hold, request.tokensPerDay) &&
    accounts.hasRoom(ofMonth, job.hold, request.tokensPerMonth);
  if (!hasRoom) return { kind: "refused", reason: "budget" };

  accounts.hold(ofDay, job.hold);
  accounts.hold(ofMonth, job.hold);
  job.epoch += 1;
  job.state = { state: "leased", node, model, tier, leaseUntilMs };
  job.nodes.set(job.epoch, node);
  job.attempt = {
    node,
    owner: request.nodeOwner,
    model,
    tier,
    day: request.day,
    leasedAtMs: request.nowMs,
    startUs: clock.start(node, request.nowMs),
  };
  job.leaseFence = request.fence;
  job.placement = request.placement;
  forgetOutput(job);
  output.append({
    job: job.spec.id,
    position: { epoch: job.epoch, seq: 0 },
    event: { kind: "placed", node, nodeName, model, tier, restarted: job.restarted },
  });
  return { kind: "leased", epoch: job.epoch, payload: job.payload };
}

function forgetOutput(job: MemoryJob): void {
  job.delivered = 0;
  job.bytes = 0;
  job.lastSeq = 0;
}

function append(parts: MemoryAttemptStoreParts, request: AppendRequest): AppendOutcome {
  if (request.fence !== parts.fence.current) return { kind: "fenced" };
  const found = liveAttempt(parts, request.job, request.epoch);
  if (found === null) return { kind: "stale" };
  const { job, live } = found;
  const { epoch, seq, deltas } = request;
  if (seq <= job.lastSeq) return { kind: "duplicate" };
  if (seq > job.lastSeq + 1) return { kind: "gap", expectedSeq: job.lastSeq + 1 };
  const bytes = job.bytes + new TextEncoder().encode(JSON.stringify(deltas)).length;
  if (bytes > parts.policy.outputBytesMax) return { kind: "capped" };
  job.state = { ...live, state: "running" };
  job.lastSeq = seq;
  job.bytes = bytes;
  job.delivered += request.tokens;
  parts.output.append({ job: request.job, position: { epoch, seq }, event: { kind: "deltas", deltas } });
  return { kind: "appended" };
}

function finish(
  parts: MemoryAttemptStoreParts,
  id: JobId,
  epoch: Epoch,
  end: AttemptEnd,
  nowMs: number,
): FinishOutcome {
  const { jobs, settlement } = parts;
  const observed = end.usage.promptTokens + end.usage.outputTokens;
  const found = liveAttempt(parts, id, epoch);
  if (found === null) {
    const job = jobs.get(id);
    if (job === undefined) return { kind: "stale" };
    settlement.settleKept(job, epoch, observed, "node-settled", nowMs);
    const { state } = job;
    const byAttempt = state.state === "succeeded" || state.state === "failed";
    if (!byAttempt || job.epoch !== epoch) return { kind: "stale" };
    return { kind: "repeated", chargedTokens: state.chargedTokens };
  }

  const { job, live, attempt } = found;
  const succeeded = end.kind === "succeeded";
  const charge = succeeded ? Math.min(observed, job.hold) : chargeForFailure(job);
  const spent = Math.max(observed, charge);
  const credit = settlement.settleMember(job, charge);
  settlement.settleNode(attempt, job.hold, spent);
  settlement.enter(
    job,
    end.kind,
    epoch,
    attempt,
    {
      toMember: charge,
      toNode: 0 - spent,
      toWaste: succeeded ? 0 : spent - charge,
      toAbsorbed: succeeded ? spent - charge : 0,
    },
    credit,
    nowMs,
  );
  job.attempts += 1;
  const ended = { chargedTokens: charge, finishedAtMs: nowMs };
  if (end.kind === "succeeded") {
    const { node, model, tier } = live;
    const { finishReason, usage, timings } = end;
    const state: JobState = { state: "succeeded", node, model, tier, finishReason, usage, timings, ...ended };
    settlement.end(job, state, end.usage, job.lastSeq + 1, end);
  } else {
    const state: JobState = { state: "failed", code: end.code, message: end.message, ...ended };
    settlement.end(job, state, end.usage, job.lastSeq + 1, end);
  }
  return { kind: "finished", chargedTokens: charge };
}

function expire(parts: MemoryAttemptStoreParts, request: RetryRequest): RetryOutcome {
  if (request.fence !== parts.fence.current) return { kind: "fenced" };
  const found = liveAttempt(parts, request.job, request.epoch);
  if (found === null) return expireAgain(parts, request);
  const { job, live, attempt } = found;
  const { epoch, usage } = request;
  const attempts = job.attempts + (request.counts ? 1 : 0);
  const shown = job.spec.streamed && job.lastSeq > 0;
  const fails = shown || attempts >= request.maxAttempts;
  const charge = fails ? chargeForFailure(job) : 0;

  const { settlement, output } = parts;
  const spent = usage && Math.max(usage.promptTokens + usage.outputTokens, charge);
  if (spent === null) settlement.keepHold(job, attempt, request.nowMs);
  else settlement.settleNode(attempt, job.hold, spent);
  const credit = fails ? settlement.settleMember(job, charge) : null;
  if (spent !== null || fails) {
    settlement.enter(
      job,
      fails ? "failed" : "retried",
      epoch,
      attempt,
      {
        toMember: charge,
        toNode: 0 - (spent ?? 0),
        toWaste: (spent ?? 0) - charge,
        toAbsorbed: 0,
      },
      credit,
      request.nowMs,
    );
  }

  job.attempts = attempts;
  if (fails) {
    const why = { code: request.failure, message: request.message };
    const known = usage ?? { promptTokens: 0, outputTokens: job.delivered };
    const state: JobState = { state: "failed", ...why, chargedTokens: charge, finishedAtMs: request.nowMs };
    settlement.end(job, state, known, job.lastSeq + 1, { kind: "failed", ...why, usage: known });
    return { kind: "failed", chargedTokens: charge };
  }
  if (request.excludeNode && !job.excludedNodes.includes(live.node)) {
    job.excludedNodes = [...job.excludedNodes, live.node];
  }
  parts.usage.tried(usedAt(job), settlement.stopClock(job, request.nowMs));
  job.attempt = null;
  job.restarted ||= job.lastSeq > 0;
  job.state = { state: "queued", notBeforeMs: request.notBeforeMs };
  forgetOutput(job);
  output.clear(job.spec.id);
  return { kind: "requeued", record: toRecord(job) };
}

/** The answer to a retry of an attempt that does not run: the same as before, where it ended by a retry. */
function expireAgain({ jobs, settlement }: MemoryAttemptStoreParts, request: RetryRequest): RetryOutcome {
  const job = jobs.get(request.job);
  if (job === undefined) return { kind: "stale" };
  const { epoch, usage } = request;
  if (usage)
    settlement.settleKept(job, epoch, usage.promptTokens + usage.outputTokens, "node-settled", request.nowMs);
  if (job.epoch !== epoch) return { kind: "stale" };
  if (job.state.state === "queued") return { kind: "requeued", record: toRecord(job) };
  if (job.state.state === "failed") return { kind: "failed", chargedTokens: job.state.chargedTokens };
  return { kind: "stale" };
}

const nothingSwept: SweepReport = { unfollowed: [], expired: [], lapsed: [], fenced: [], overdueHolds: 0 };

function sweep({ jobs, settlement, policy }: MemoryAttemptStoreParts, nowMs: number): SweepReport {
  const fenced: { job: JobId; epoch: Epoch; node: NodeId }[] = [];
  const due = (dueAtMs: (job: MemoryJob) => number | null): readonly MemoryJob[] =>
    [...jobs.values()]
      .filter((job) => !isTerminal(job.state) && (dueAtMs(job) ?? Infinity) <= nowMs)
      .sort(byTimeThenId((job) => dueAtMs(job) ?? Infinity))
      .slice(0, policy.sweepMax);
  const stopped = (job: MemoryJob, how: Parameters<MemorySettlement["stop"]>[1]): JobId => {
    const attempt = settlement.stop(job, how, nowMs);
    if (attempt !== null) fenced.push({ job: job.spec.id, ...attempt });
    return job.spec.id;
  };

  const expired = due((job) => job.spec.deadlineMs).map((job) =>
    stopped(job, { state: "expired", reason: "deadline" }),
  );
  const unfollowed = due((job) => job.followedUntilMs).map((job) =>
    stopped(job, { state: "cancelled", reason: "unfollowed" }),
  );
  const lapsed = due((job) => liveState(job)?.leaseUntilMs ?? null).map((job) => ({
    job: job.spec.id,
    epoch: job.epoch,
    node: liveState(job)?.node,
  }));
  const overdue = overdueHolds(jobs, nowMs).slice(0, policy.sweepMax);
  for (const { job, epoch } of overdue) settlement.settleKept(job, epoch, job.hold, "node-overdue", nowMs);
  return {
    unfollowed,
    expired,
    lapsed: lapsed.flatMap(({ job, epoch, node }) => (node === undefined ? [] : [{ job, epoch, node }])),
    fenced,
    overdueHolds: overdue.length,
  };
}

/** Kept holds that the node has not settled in time, in the order of their sorted set. */
function overdueHolds(jobs: MemoryAttemptStoreParts["jobs"], nowMs: number) {
  return [...jobs.values()]
    .flatMap((job) => [...job.keptHolds].map(([epoch, { overdueAtMs }]) => ({ job, epoch, overdueAtMs })))
    .filter(({ overdueAtMs }) => overdueAtMs <= nowMs)
    .map((hold) => ({ ...hold, name: `${hold.job.spec.id}|${hold.epoch}` }))
    .sort((a, b) => a.overdueAtMs - b.overdueAtMs || (a.name < b.name ? -1 : 1));
}

/** Order of a sorted set: by score, then by id. */
const byTimeThenId =
  (timeMs: (job: MemoryJob) => number) =>
  (a: MemoryJob, b: MemoryJob): number =>
    timeMs(a) - timeMs(b) || (a.spec.id < b.spec.id ? -1 : 1);
