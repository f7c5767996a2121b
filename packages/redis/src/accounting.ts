import { assert, TIERS, type Accounting, type MemberAccount, type Tier } from "@coop/core";
import type { Redis } from "ioredis";
import { z } from "zod";
import type { Keys } from "./keys.ts";
import type { RunScript } from "./script.ts";
import { answered } from "./store-unavailable.ts";

const refundReply = z.union([
  z.tuple([z.literal("refunded"), z.number()]),
  z.tuple([z.enum(["repeated", "not-ended", "not-found"])]),
]);
const grantReply = z.enum(["granted", "repeated"]);

/** Members' accounts and compensating entries, on Redis. */
export function createAccounting(redis: Redis, keys: Keys, run: RunScript): Accounting {
  return {
    async account(member, month) {
      const [account, unfinished] = await Promise.all([
        answered(redis.hgetall(keys.memberAccount(member, month))),
        answered(redis.hget(keys.standing(member), "unfinished")),
      ]);
      const tokens = (field: string): number => Number(account[field] ?? 0);
      const ofTier = (tier: Tier): MemberAccount["tiers"] =>
        `held:${tier}` in account
          ? { [tier]: { usedTokens: tokens(`used:${tier}`), heldTokens: tokens(`held:${tier}`) } }
          : {};
      return {
        usedTokens: tokens("used"),
        heldTokens: tokens("held"),
        creditTokens: tokens("credit"),
        tiers: Object.assign({}, ...TIERS.map(ofTier)),
        unfinishedJobs: Number(unfinished ?? 0),
      };
    },
    async refund(job, nowMs) {
      const reply = refundReply.parse(await run("refund", keys.job(job), [job, nowMs]));
      return reply.length === 2 ? { kind: reply[0], tokens: reply[1] } : { kind: reply[0] };
    },
    async grant({ id, member, month, tokens }, nowMs) {
      assert(!id.includes("|"), "the id of a grant has no |, which parts the ledger's entries");
      const args = [id, member, month, tokens, nowMs];
      return grantReply.parse(await run("grant", keys.memberAccount(member, month), args));
    },
  };
}
