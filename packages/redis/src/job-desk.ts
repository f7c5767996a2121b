import {
  holdTokens,
  type AdmitOutcome,
  type AdmitRequest,
  type CancelOutcome,
  type JobDesk,
  type JobRecord,
  type Placement,
} from "@coop/core";
import { asJobId, asNodeId } from "@coop/core";
import { z } from "zod";
import type { JobStoreParts } from "./job-store.ts";
import { recordFromHash } from "./job-record.ts";
import { answered } from "./store-unavailable.ts";

const admitReply = z.union([
  z.tuple([z.enum(["admitted", "revoked"])]),
  z.tuple([z.enum(["duplicate", "idempotency-conflict"]), z.string()]),
  z.tuple([z.literal("quota-exceeded"), z.number(), z.number()]),
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

    async account(member, month) {
      return readAccount(parts, keys.memberAccount(member, month));
    },
  };
}

async function admit({ keys, run, vault }: JobStoreParts, request: AdmitRequest): Promise<AdmitOutcome> {
  const { spec, caps, idempotency } = request;
  const reply = admitReply.parse(
    await run("admit", keys.job(spec.id), [
      spec.id,
      spec.member,
      request.month,
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
      request.quotaTokens ?? "",
      caps.perMember,
      caps.total,
      spec.attachment === "attached" ? (request.followedUntilMs ?? "") : "",
      idempotency?.key ?? "",
      idempotency?.bodyHash ?? "",
      spec.streamed ? "1" : "0",
      request.key ?? "",
    ]),
  );
  switch (reply[0]) {
    case "admitted":
    case "revoked":
      return { kind: reply[0] };
    case "duplicate":
    case "idempotency-conflict":
      return { kind: reply[0], job: asJobId(reply[1]) };
    case "quota-exceeded":
      return {
        kind: reply[0],
        limitTokens: request.quotaTokens ?? 0,
        usedTokens: reply[1],
        heldTokens: reply[2],
      };
    case "too-many-pending":
      return { kind: reply[0], scope: reply[1] };
  }
}

/** A job as its hash has it; null when unknown. */
export async function readRecord({ redis, keys }: JobStoreParts, job: string): Promise<JobRecord | null> {
  return recordFromHash(await answered(redis.hgetall(keys.job(job))));
}

const accountReply = z.tuple([z.coerce.number().int(), z.coerce.number().int()]);

/** What an account has used and holds, tokens; zeros for one that nothing has touched. */
export async function readAccount(
  { redis }: JobStoreParts,
  key: string,
): Promise<{ readonly usedTokens: number; readonly heldTokens: number }> {
  const [usedTokens, heldTokens] = accountReply.parse(await answered(redis.hmget(key, "used", "held")));
  return { usedTokens, heldTokens };
}
