import {
  asMemberId,
  foldedName,
  KEY_USE_EVERY_MS,
  OperationalError,
  PRIVACIES,
  TIERS,
  type KeyRecord,
  type Member,
  type MemberStore,
} from "@coop/core";
import type { Redis } from "ioredis";
import { z } from "zod";
import { hashFromPairs } from "./job-record.ts";
import type { Keys } from "./keys.ts";
import type { RunScript } from "./script.ts";
import { answered } from "./store-unavailable.ts";

const count = z.int().nonnegative();
const limitsSchema = z.object({
  tokensPerMonth: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("default") }),
    z.object({ kind: z.literal("tokens"), tokens: count }),
    z.object({ kind: z.literal("unlimited") }),
  ]),
  tierTokensPerMonth: z.partialRecord(z.enum(TIERS), count.nullable()),
  jobsAtOnce: count.nullable(),
  requestsPerMinute: count.nullable(),
});

const memberSchema = z.object({
  id: z.string().transform(asMemberId),
  name: z.string(),
  role: z.enum(["member", "operator"]),
  limits: limitsSchema,
  weight: z.number().positive(),
  defaultTier: z.enum(TIERS),
  createdAtMs: z.int(),
});

const timeMs = z.coerce.number().int();

const keySchema = z
  .object({
    id: z.string(),
    member: z.string().transform(asMemberId),
    digest: z.string(),
    defaultPrivacy: z.enum(PRIVACIES),
    createdAt: timeMs,
    expiresAt: timeMs.optional(),
    lastUsedAt: timeMs.optional(),
    revokedAt: timeMs.optional(),
  })
  .transform(({ createdAt, expiresAt, lastUsedAt, revokedAt, ...key }): KeyRecord => ({
    ...key,
    createdAtMs: createdAt,
    expiresAtMs: expiresAt ?? null,
    lastUsedAtMs: lastUsedAt ?? null,
    revokedAtMs: revokedAt ?? null,
  }));

const added = z.union([z.literal(0), z.literal(1)]);
const keyReply = z.tuple([z.array(z.string()), z.string(), z.string().nullable()]).nullable();
const setReply = z.enum(["set", "unknown", "name-taken"]);
const disableReply = z.enum(["disabled", "unknown", "last-operator"]);

/** @param disabledAt when it was disabled, as stored beside the member; null when it was not */
const parseMember = (text: string, disabledAt: string | null): Member => ({
  ...memberSchema.parse(JSON.parse(text)),
  disabledAtMs: disabledAt === null ? null : timeMs.parse(disabledAt),
});

/** Members and their API keys in Redis. Of a key only its digest is there. */
export function createMemberStore(redis: Redis, keys: Keys, run: RunScript): MemberStore {
  return {
    async addMember(member) {
      const { disabledAtMs: _, ...stored } = member;
      const args = [member.id, foldedName(member.name), JSON.stringify(stored)];
      const reply = await run("add-member", keys.members, args);
      return added.parse(reply) === 1;
    },
    async member(id) {
      const [text, disabledAt] = await Promise.all([
        answered(redis.hget(keys.members, id)),
        answered(redis.hget(keys.disabledMembers, id)),
      ]);
      return text === null ? null : parseMember(text, disabledAt);
    },
    async members() {
      const [all, disabled] = await Promise.all([
        answered(redis.hgetall(keys.members)),
        answered(redis.hgetall(keys.disabledMembers)),
      ]);
      const members = Object.entries(all).map(([id, text]) => parseMember(text, disabled[id] ?? null));
      return members.sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
    },
    async setMember(id, change) {
      const name = change.name === undefined ? "" : foldedName(change.name);
      return setReply.parse(await run("set-member", keys.members, [id, JSON.stringify(change), name]));
    },
    async disableMember(id, nowMs) {
      return disableReply.parse(await run("disable-member", keys.members, [id, nowMs]));
    },
    async enableMember(id) {
      const [known] = await Promise.all([
        answered(redis.hexists(keys.members, id)),
        answered(redis.hdel(keys.disabledMembers, id)),
      ]);
      return known === 1;
    },
    async addKey(key) {
      const reply = await run("add-key", keys.apiKey(key.id), [
        key.id,
        key.member,
        key.digest,
        key.defaultPrivacy,
        key.createdAtMs,
        key.expiresAtMs ?? "",
      ]);
      if (added.parse(reply) === 0) {
        throw new OperationalError("key-exists", `An API key ${key.id} exists already; make another`, {
          retriable: true,
        });
      }
    },
    async key(id) {
      const reply = keyReply.parse(await run("read-key", keys.apiKey(id), []));
      if (reply === null) return null;
      const [fields, member, disabledAt] = reply;
      return { key: keySchema.parse(hashFromPairs(fields)), member: parseMember(member, disabledAt) };
    },
    async keys(member) {
      const ids = await answered(redis.smembers(keys.memberKeys(member)));
      const hashes = await Promise.all(ids.map((id) => answered(redis.hgetall(keys.apiKey(id)))));
      return hashes
        .map((hash) => keySchema.parse(hash))
        .sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
    },
    async limitKey(id, expiresAtMs) {
      return added.parse(await run("limit-key", keys.apiKey(id), [expiresAtMs])) === 1;
    },
    async keyUsed(id, nowMs) {
      await run("use-key", keys.apiKey(id), [nowMs, KEY_USE_EVERY_MS]);
    },
    async revokeKey(id, nowMs) {
      return added.parse(await run("revoke-key", keys.apiKey(id), [nowMs])) === 1;
    },
  };
}
