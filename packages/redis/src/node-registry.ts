import {
  asMemberId,
  asNodeId,
  type NodeOffer,
  type NodeRegistration,
  type NodeRegistry,
  type RedeemOutcome,
} from "@coop/core";
import type { Redis } from "ioredis";
import { z } from "zod";
import type { Keys } from "./keys.ts";
import type { RunScript } from "./script.ts";
import { answered } from "./store-unavailable.ts";

const timeMs = z.coerce.number().int();

const offerSchema: z.ZodType<NodeOffer> = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(
    z.object({
      tokensPerMonth: z.number().nonnegative(),
      servingSecondsPerDay: z.number().nonnegative(),
      machineProfile: z.string().nullable(),
      simulated: z.boolean(),
      atMs: z.number(),
    }),
  );

const nodeSchema = z
  .object({
    id: z.string().transform(asNodeId),
    name: z.string(),
    owner: z.string().transform(asMemberId),
    publicKey: z.string(),
    joinedAt: timeMs,
    revokedAt: timeMs.optional(),
    drainedAt: timeMs.optional(),
    offer: offerSchema.optional(),
  })
  .transform(({ joinedAt, revokedAt, drainedAt, offer, ...node }): NodeRegistration => ({
    ...node,
    joinedAtMs: joinedAt,
    revokedAtMs: revokedAt ?? null,
    drainedAtMs: drainedAt ?? null,
    offer: offer ?? null,
  }));

const redeemReply = z.union([
  z.tuple([z.literal("joined"), z.string(), z.string().transform(asMemberId)]),
  z.tuple([z.enum(["unknown", "used", "expired"])]),
]);
const known = z.union([z.literal(0), z.literal(1)]);

/** How long a token is remembered past its end, so that its holder is told that it expired or was used, ms. */
const tokenMemoryMs = 24 * 3600 * 1000;

/** Nodes and the one-time tokens with which they join, in Redis. Of a token only its digest is there. */
export function createNodeRegistry(redis: Redis, keys: Keys, run: RunScript): NodeRegistry {
  return {
    async addJoinToken({ id, digest, member, expiresAtMs }) {
      const key = keys.joinToken(id);
      const replies = await answered(
        redis
          .multi()
          .hset(key, { digest, member, expiresAt: expiresAtMs })
          .pexpireat(key, expiresAtMs + tokenMemoryMs)
          .exec(),
      );
      for (const [error] of replies ?? []) if (error !== null) throw error;
    },
    async redeem(tokenId, digest, node, nowMs): Promise<RedeemOutcome> {
      const reply = redeemReply.parse(
        await run("redeem", keys.joinToken(tokenId), [digest, node.id, node.name, node.publicKey, nowMs]),
      );
      if (reply[0] !== "joined") return { kind: reply[0] };
      const [kind, name, owner] = reply;
      const fresh = { revokedAtMs: null, drainedAtMs: null, offer: null };
      return { kind, node: { ...node, name, owner, joinedAtMs: nowMs, ...fresh } };
    },
    async node(id) {
      const hash = await answered(redis.hgetall(keys.node(id)));
      return Object.keys(hash).length === 0 ? null : nodeSchema.parse(hash);
    },
    async nodes() {
      const ids = await answered(redis.smembers(keys.nodes));
      const hashes = await Promise.all(ids.map((id) => answered(redis.hgetall(keys.node(id)))));
      return hashes
        .map((hash) => nodeSchema.parse(hash))
        .sort((a, b) => a.joinedAtMs - b.joinedAtMs || (a.id < b.id ? -1 : 1));
    },
    async recordOffer(id, offer) {
      return known.parse(await run("record-offer", keys.node(id), [JSON.stringify(offer)])) === 1;
    },
    async drainNode(id, atMs) {
      return known.parse(await run("drain-node", keys.node(id), [atMs ?? ""])) === 1;
    },
    async revokeNode(id, nowMs) {
      return known.parse(await run("revoke-node", keys.node(id), [nowMs])) === 1;
    },
  };
}
