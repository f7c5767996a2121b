import {
  asJobId,
  asMemberId,
  asNodeId,
  assert,
  type AccountBalance,
  type LedgerLine,
  type LedgerReader,
} from "@coop/core";
import type { Redis } from "ioredis";
import { z } from "zod";
import { hashFromPairs } from "./job-record.ts";
import type { Keys } from "./keys.ts";
import { answered } from "./store-unavailable.ts";

const tokens = z.coerce.number().int();

const lineSchema = z
  .object({
    kind: z.string(),
    job: z.string().transform(asJobId),
    epoch: tokens,
    member: z.string().transform(asMemberId),
    month: z.string(),
    node: z.string(),
    day: z.string(),
    at: z.coerce.number(),
    toMember: tokens,
    toNode: tokens,
    toWaste: tokens,
    toAbsorbed: tokens,
  })
  .transform(({ node, day, at, ...line }) => ({
    ...line,
    node: node === "" ? null : asNodeId(node),
    day: day === "" ? null : day,
    atMs: at,
  }));

const streamReply = z.array(z.tuple([z.string(), z.array(z.string())]));
const usedReply = z.string().nullable();

/** Most keys that one step of the search for accounts looks at. */
const SCAN_KEYS = 1_000;

/** Reads the ledger and the accounts in Redis. */
export function createLedgerReader(redis: Redis, keys: Keys, nodeAccountKeptMs: number): LedgerReader {
  return {
    page: async (after, limit) =>
      linesOf(await answered(redis.xrange(keys.ledger, startAfter(after), "+", "COUNT", limit))),

    async balances(after) {
      const names = new Set<string>();
      for (const pattern of [keys.memberAccount("*", "*"), keys.nodeAccount("*", "*")])
        for await (const name of namesLike(redis, pattern)) names.add(name);
      for (;;) {
        const { lines, used } = await readTogether(redis, keys, after, [...names]);
        const unread = lines.flatMap((line) => accountsOf(keys, line)).filter((name) => !names.has(name));
        // An account that came to be during the search is read with all others again.
        for (const name of unread) names.add(name);
        if (unread.length > 0) continue;
        const accounts = [...used].map(([name, tokensUsed]) => balanceOf(keys, name, tokensUsed));
        return { lines, accounts, nodeAccountKeptMs };
      }
    },
  };
}

const startAfter = (after: string | null): string => (after === null ? "-" : `(${after}`);

const linesOf = (reply: unknown): readonly LedgerLine[] =>
  streamReply
    .parse(reply)
    .map(([position, fields]) => ({ ...lineSchema.parse(hashFromPairs(fields)), position }));

/** Keys of a pattern, whose only special sign is the star. */
async function* namesLike(redis: Redis, pattern: string): AsyncGenerator<string> {
  let cursor = "0";
  do {
    const [next, found] = await answered(redis.scan(cursor, "MATCH", pattern, "COUNT", SCAN_KEYS));
    yield* found;
    cursor = next;
  } while (cursor !== "0");
}

/** The lines after a position and what these accounts have used, in one transaction. Accounts that are gone are left out. */
async function readTogether(redis: Redis, keys: Keys, after: string | null, names: readonly string[]) {
  const transaction = redis.multi().xrange(keys.ledger, startAfter(after), "+");
  for (const name of names) transaction.exists(name).hget(name, "used");
  const replies = ((await answered(transaction.exec())) ?? []).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
  const used = new Map<string, number>();
  names.forEach((name, index) => {
    if (replies[2 * index + 1] === 1) used.set(name, Number(usedReply.parse(replies[2 * index + 2]) ?? 0));
  });
  assert(replies.length === 2 * names.length + 1, "a transaction answers each command");
  return { lines: linesOf(replies[0]), used };
}

const accountsOf = (keys: Keys, { member, month, node, day }: LedgerLine): string[] => [
  keys.memberAccount(member, month),
  ...(node !== null && day !== null ? [keys.nodeAccount(node, day)] : []),
];

function balanceOf(keys: Keys, name: string, usedTokens: number): AccountBalance {
  const [owner = "", period = ""] = name.split(":").slice(-2);
  return name === keys.memberAccount(owner, period)
    ? { kind: "member", member: asMemberId(owner), month: period, usedTokens }
    : { kind: "node", node: asNodeId(owner), day: period, usedTokens };
}
