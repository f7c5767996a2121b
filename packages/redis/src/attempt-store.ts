import {
  asJobId,
  asNodeId,
  assert,
  monthOfDay,
  OperationalError,
  type AppendOutcome,
  type AppendRequest,
  type AttemptEnd,
  type AttemptStore,
  type Epoch,
  type FinishOutcome,
  type JobId,
  type LeaseOutcome,
  type LeaseRequest,
  type RenewOutcome,
  type RetryOutcome,
  type RetryRequest,
  type SweepOutcome,
} from "@coop/core";
import { z } from "zod";
import { readRecord } from "./job-desk.ts";
import { hashFromPairs, recordFromHash } from "./job-record.ts";
import type { JobStoreParts } from "./job-store.ts";
import { answered } from "./store-unavailable.ts";

const leaseReply = z.union([
  z.tuple([z.literal("leased"), z.number(), z.string().nullable()]),
  z.tuple([z.enum(["not-queued", "fenced"])]),
  z.tuple([z.literal("refused"), z.enum(["budget", "privacy"])]),
]);
const acceptReply = z.enum(["running", "stale", "fenced"]);
const appendReply = z.union([
  z.tuple([z.enum(["appended", "duplicate", "stale", "capped", "fenced"])]),
  z.tuple([z.literal("gap"), z.number()]),
]);
const renewReply = z.union([z.literal("fenced"), z.array(z.number())]);
const finishReply = z.union([
  z.tuple([z.enum(["finished", "repeated"]), z.number()]),
  z.tuple([z.enum(["stale", "fenced"])]),
]);
const expireReply = z.union([
  z.tuple([z.literal("requeued"), z.array(z.string())]),
  z.tuple([z.literal("failed"), z.number()]),
  z.tuple([z.enum(["stale", "fenced"])]),
]);
const tokens = z.coerce.number().int();
const nodeAccountReply = z.tuple([tokens, tokens, tokens, tokens]);
const settleReply = z.enum(["settled", "repeated", "unknown"]);
const ids = z.array(z.string());
const attempts = z.array(z.union([z.string(), z.number()]));
const sweepReply = z.union([z.literal("fenced"), z.tuple([ids, ids, attempts, attempts, z.number()])]);

/** Most leases that one `renew` script extends, and jobs that one page of `pending` reads. */
const BATCH = 500;

/** The scheduler's part of the job store, on Redis. */
export function createAttemptStore(parts: JobStoreParts): AttemptStore {
  const { redis, keys, run } = parts;
  return {
    lease: (request) => lease(parts, request),
    accept: async (fence, job, epoch) =>
      acceptReply.parse(await run("accept", keys.job(job), [fence, epoch])),
    append: (request) => append(parts, request),
    renew: (fence, leases, leaseUntilMs) => renew(parts, fence, leases, leaseUntilMs),
    finish: (fence, job, epoch, end, nowMs) => finish(parts, fence, job, epoch, end, nowMs),
    expire: (request) => expire(parts, request),

    async settleNode(node, job, epoch, usage, nowMs) {
      const used = usage.promptTokens + usage.outputTokens;
      return settleReply.parse(await run("settle-node", keys.job(job), [job, node, epoch, used, nowMs]));
    },

    async settleAbsent(node, named, nowMs) {
      const entries = named.map(({ job, epoch }) => `${job}|${epoch}`);
      return z.number().parse(await run("settle-absent", keys.zombies, [node, nowMs, ...entries]));
    },

    async sweep(fence, nowMs, amnesty): Promise<SweepOutcome> {
      const reply = sweepReply.parse(await run("sweep", keys.leases, [fence, nowMs, amnesty ? "1" : "0"]));
      if (reply === "fenced") return { kind: "fenced" };
      const [unfollowed, expired, lapsed, fenced, overdueHolds] = reply;
      return {
        kind: "swept",
        report: {
          unfollowed: unfollowed.map(asJobId),
          expired: expired.map(asJobId),
          lapsed: attemptsFrom(lapsed),
          fenced: attemptsFrom(fenced),
          overdueHolds,
        },
      };
    },

    read: (job) => readRecord(parts, job),

    async *pending() {
      // One reading of the ids: jobs that come later are announced by their wake-up, and the caps bound them.
      const queued = await answered(redis.zrange(keys.pending, "0", "-1"));
      let unreadable: PromiseRejectedResult | undefined;
      for (let from = 0; from < queued.length; from += BATCH) {
        const readings = await Promise.allSettled(
          queued.slice(from, from + BATCH).map((id) => readRecord(parts, id)),
        );
        yield readings.flatMap((reading) =>
          reading.status === "fulfilled" && reading.value?.state.state === "queued" ? [reading.value] : [],
        );
        const failed = readings.filter((reading) => reading.status === "rejected");
        const away = failed.find(({ reason }) => reason instanceof OperationalError);
        if (away !== undefined) throw away.reason;
        unreadable ??= failed[0];
      }
      // Not before the end: one job that cannot be read must not keep the others waiting.
      if (unreadable !== undefined) throw unreadable.reason;
    },

    async nodeAccount(node, day) {
      const fields = ["used", "held", `used:${day}`, `held:${day}`];
      const reply = await answered(redis.hmget(keys.nodeAccount(node, monthOfDay(day)), ...fields));
      const [usedOfMonth, heldOfMonth, usedOfDay, heldOfDay] = nodeAccountReply.parse(reply);
      return {
        day: { usedTokens: usedOfDay, heldTokens: heldOfDay },
        month: { usedTokens: usedOfMonth, heldTokens: heldOfMonth },
      };
    },
  };
}

async function lease({ keys, run, vault }: JobStoreParts, request: LeaseRequest): Promise<LeaseOutcome> {
  const reply = leaseReply.parse(
    await run("lease", keys.job(request.job), [
      request.job,
      request.fence,
      request.node,
      request.nodeOwner,
      request.model,
      request.tier,
      request.cloud ? "1" : "0",
      request.tokensPerDay ?? "",
      request.day,
      request.leaseUntilMs,
      request.nowMs,
      JSON.stringify(request.placement),
      request.nodeName,
      request.tokensPerMonth ?? "",
    ]),
  );
  switch (reply[0]) {
    case "leased": {
      const payload = reply[2] === null ? null : vault.open(reply[2]);
      if (payload !== null) return { kind: "leased", epoch: reply[1], payload };
      throw new OperationalError(
        "payload-unreadable",
        `The payload of ${request.job} is gone or its key was deleted, so it cannot run; its lease will lapse.`,
      );
    }
    case "refused":
      return { kind: reply[0], reason: reply[1] };
    case "not-queued":
    case "fenced":
      return { kind: reply[0] };
  }
}

async function append({ keys, run, vault }: JobStoreParts, request: AppendRequest): Promise<AppendOutcome> {
  const text = JSON.stringify(request.deltas);
  const reply = appendReply.parse(
    await run("append", keys.job(request.job), [
      request.job,
      request.fence,
      request.epoch,
      request.seq,
      request.tokens,
      Buffer.byteLength(text),
      vault.seal(text),
    ]),
  );
  return reply[0] === "gap" ? { kind: reply[0], expectedSeq: reply[1] } : { kind: reply[0] };
}

interface Lease {
  readonly job: JobId;
  readonly epoch: Epoch;
}

async function renew(
  { keys, run }: JobStoreParts,
  fence: number,
  leases: readonly Lease[],
  leaseUntilMs: number,
): Promise<RenewOutcome> {
  const lost: Lease[] = [];
  for (let from = 0; from < leases.length; from += BATCH) {
    const batch = leases.slice(from, from + BATCH);
    const pairs = batch.flatMap(({ job, epoch }) => [job, epoch]);
    // One batch after the other: a long list must not keep Redis from the streams between.
    // oxlint-disable-next-line no-await-in-loop
    const reply = renewReply.parse(await run("renew", keys.leases, [fence, leaseUntilMs, ...pairs]));
    if (reply === "fenced") return { kind: "fenced" };
    lost.push(...batch.filter((_, index) => reply.includes(index + 1)));
  }
  return { kind: "renewed", lost };
}

async function finish(
  { keys, run }: JobStoreParts,
  fence: number,
  job: JobId,
  epoch: Epoch,
  end: AttemptEnd,
  nowMs: number,
): Promise<FinishOutcome> {
  const { promptTokens, outputTokens } = end.usage;
  const told =
    end.kind === "succeeded" ? [end.finishReason, JSON.stringify(end.timings)] : [end.code, end.message];
  const reply = finishReply.parse(
    await run("finish", keys.job(job), [
      job,
      fence,
      epoch,
      end.kind,
      promptTokens,
      outputTokens,
      nowMs,
      ...told,
      JSON.stringify(end),
    ]),
  );
  return reply.length === 2 ? { kind: reply[0], chargedTokens: reply[1] } : { kind: reply[0] };
}

async function expire({ keys, run }: JobStoreParts, request: RetryRequest): Promise<RetryOutcome> {
  const reply = expireReply.parse(
    await run("expire", keys.job(request.job), [
      request.job,
      request.fence,
      request.epoch,
      request.failure,
      request.message,
      request.usage?.promptTokens ?? "",
      request.usage?.outputTokens ?? "",
      request.excludeNode ? "1" : "0",
      request.counts ? "1" : "0",
      request.notBeforeMs,
      request.maxAttempts,
      request.nowMs,
    ]),
  );
  switch (reply[0]) {
    case "requeued": {
      const record = recordFromHash(hashFromPairs(reply[1]));
      assert(record !== null, `the script that queued ${request.job} again answers its hash`);
      return { kind: reply[0], record };
    }
    case "failed":
      return { kind: reply[0], chargedTokens: reply[1] };
    case "stale":
    case "fenced":
      return { kind: reply[0] };
  }
}

/** Reads the flat `job, epoch, node, …` of a sweep. */
function attemptsFrom(flat: readonly (string | number)[]) {
  return Array.from({ length: flat.length / 3 }, (_, i) => ({
    job: asJobId(String(flat[i * 3])),
    epoch: Number(flat[i * 3 + 1]),
    node: asNodeId(String(flat[i * 3 + 2])),
  }));
}
