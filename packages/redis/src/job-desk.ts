import {
  holdTokens,
  type AdmitOutcome,
  type AdmitRequest,
  type CancelOutcome,
  type JobDesk,
  type JobRecord,
  type Placement,
  type QuotaStanding,
} from "@coop/core";
import { asJobId, asNodeId } from "@coop/core";
import { z } from "zod";
import type { JobStoreParts } from "./job-store.ts";
import { recordFromHash } from "./job-record.ts";
import { answered } from "./store-unavailable.ts";

const counted = z.enum([
  "admitted",
  "quota-exceeded",
  "tier-quota-exceeded",
  "too-many-at-once",
  "too-many-requests",
]);
const amount = z.number();
const admitReply = z.union([
  z.tuple([counted, amount, amount, amount, amount, amount, amount, amount]),
  z.tuple([z.literal("revoked")]),
  z.tuple([z.enum(["duplicate", "idempotency-conflict"]), z.string()]),
  z.tuple([z.literal("too-many-pending"), z.enum(["member", "co-op"])]),
]);

const cancelReply = z.union([
  z.tuple([z.enum(["cancelled", "already-ended", "not-found"])]),
  z.tuple([z.literal("cancelled"), z.number(), z.string()]),
]);

const cancelledCount = z.int().nonnegative();

/** The api's part of the job store, on Redis. */
export function createJobDesk(parts: JobStoreParts): JobDesk {
  const { redis, keys, run } = parts;
  return {
    admit: (request) => admit(parts, request),
    read: (job) => readRecord(parts, job),

    async list(member, { limit, cursor }) {
      const from = cursor === null ? "+" : `(${cursor}`;
      const ids = await answered(
        redis.zrevrangebylex(keys.memberJobs(member), from, "-", "LIMIT", 0, limit + 1),
      );
      const page = ids.slice(0, limit);
      const records = await Promise.all(page.map((id) => readRecord(parts, id)));
      return {
        jobs: records.filter((record) => record !== null),
        nextCursor: ids.length > limit ? (page.at(-1) ?? null) : null,
      };
    },

    async placement(job) {
      const text = await answered(redis.hget(keys.kept(job), "placement"));
      // Written by `lease` from the same type; its many rows are not walked again on each reading.
      return text === null ? null : (JSON.parse(text) as Placement);
    },

    async cancel(job, member, reason, nowMs): Promise<CancelOutcome> {
      const reply = cancelReply.parse(await run("cancel", keys.job(job), [job, member ?? "", reason, nowMs]));
      if (reply.length === 3)
        return { kind: "cancelled", fenced: { epoch: reply[1], node: asNodeId(reply[2]) } };
      return reply[0] === "cancelled" ? { kind: "cancelled", fenced: null } : { kind: reply[0] };
    },

    async cancelAttached(member, key, nowMs) {
      return cancelledCount.parse(await run("cancel-attached", keys.followed, [member, key ?? "", nowMs]));
    },

    async follow(jobs, untilMs) {
      if (jobs.length === 0) return;
      await answered(redis.zadd(keys.followed, "XX", ...jobs.flatMap((job) => [untilMs, job])));
    },
  };
}

async function admit({ keys, run, vault }: JobStoreParts, request: AdmitRequest): Promise<AdmitOutcome> {
  const { spec, caps, limits, idempotency } = request;
  const reply = admitReply.parse(
    await run("admit", keys.job(spec.id), [
      spec.id,
      spec.member,
      request.day,
      holdTokens(spec),
      spec.promptTokens,
      spec.attachment,
      spec.privacy,
      spec.submittedAtMs,
      spec.deadlineMs,
      request.nowMs,
      JSON.stringify(spec),
      JSON.stringify(request.metadata),
      vault.seal(request.payload),
      caps.perMember,
      caps.total,
      spec.attachment === "attached" ? (request.followedUntilMs ?? "") : "",
      idempotency?.key ?? "",
      idempotency?.bodyHash ?? "",
      spec.streamed ? "1" : "0",
      request.key ?? "",
      spec.askedTier,
      limits.tokens ?? "",
      limits.tierTokens ?? "",
      limits.jobsAtOnce ?? "",
      limits.requestsPerMinute ?? "",
    ]),
  );
  switch (reply[0]) {
    case "revoked":
      return { kind: reply[0] };
    case "duplicate":
    case "idempotency-conflict":
      return { kind: reply[0], job: asJobId(reply[1]) };
    case "too-many-pending":
      return { kind: reply[0], scope: reply[1] };
    default:
      return admitOutcome(request, reply);
  }
}

type CountedReply = Extract<z.infer<typeof admitReply>, { readonly length: 8 }>;

/** The answer to a request that was counted, with how the member stands. */
function admitOutcome({ spec, limits }: AdmitRequest, reply: CountedReply): AdmitOutcome {
  const [kind, usedTokens, heldTokens, creditTokens, requests, tierUsed, tierHeld, unfinished] = reply;
  const standing: QuotaStanding = {
    limitTokens: limits.tokens === null ? null : Math.max(0, limits.tokens + creditTokens),
    creditTokens,
    usedTokens,
    heldTokens,
    requestsLeft: limits.requestsPerMinute === null ? null : Math.max(0, limits.requestsPerMinute - requests),
  };
  switch (kind) {
    case "admitted":
    case "quota-exceeded":
      return { kind, standing };
    case "tier-quota-exceeded": {
      const tier = { tier: spec.askedTier, usedTokens: tierUsed, heldTokens: tierHeld };
      return { kind, ...tier, limitTokens: limits.tierTokens ?? 0, standing };
    }
    case "too-many-at-once":
      return { kind, limit: limits.jobsAtOnce ?? 0, unfinished, standing };
    case "too-many-requests":
      return { kind, limit: limits.requestsPerMinute ?? 0, standing };
  }
}

/** A job as its hash has it; null when unknown. */
export async function readRecord({ redis, keys }: JobStoreParts, job: string): Promise<JobRecord | null> {
  return recordFromHash(await answered(redis.hgetall(keys.job(job))));
}
