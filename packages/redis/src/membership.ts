import {
  asMemberId,
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

const memberSchema: z.ZodType<Member> = z.object({
  id: z.string().transform(asMemberId),
  name: z.string(),
  role: z.enum(["member", "operator"]),
  quotaTokens: z.int().nonnegative().nullable(),
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
    revokedAt: timeMs.optional(),
  })
  .transform(({ createdAt, revokedAt, ...key }): KeyRecord => ({
    ...key,
    createdAtMs: createdAt,
    revokedAtMs: revokedAt ?? null,
  }));

const added = z.union([z.literal(0), z.literal(1)]);
const keyReply = z.tuple([z.array(z.string()), z.string()]).nullable();

const parseMember = (text: string): Member => memberSchema.parse(JSON.parse(text));

/** Members and their API keys in Redis. Of a key only its digest is there. */
export function createMemberStore(redis: Redis, keys: Keys, run: RunScript): MemberStore {
  return {
    async addMember(member) {
      const reply = await run("add-member", keys.members, [member.id, member.name, JSON.stringify(member)]);
      return added.parse(reply) === 1;
    },
    async member(id) {
      const text = await answered(redis.hget(keys.members, id));
      return text === null ? null : parseMember(text);
    },
    async members() {
      const all = await answered(redis.hvals(keys.members));
      return all.map(parseMember).sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
    },
    async addKey(key) {
      const reply = await run("add-key", keys.apiKey(key.id), [
        key.id,
        key.member,
        key.digest,
        key.defaultPrivacy,
        key.createdAtMs,
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
      const [fields, member] = reply;
      return { key: keySchema.parse(hashFromPairs(fields)), member: parseMember(member) };
    },
    async keys(member) {
      const ids = await answered(redis.smembers(keys.memberKeys(member)));
      const hashes = await Promise.all(ids.map((id) => answered(redis.hgetall(keys.apiKey(id)))));
      return hashes
        .map((hash) => keySchema.parse(hash))
        .sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1));
    },
    async revokeKey(id, nowMs) {
      return added.parse(await run("revoke-key", keys.apiKey(id), [nowMs])) === 1;
    },
  };
}
