import { setTimeout as delay } from "node:timers/promises";
import {
  asJobId,
  asMemberId,
  asNodeId,
  assert,
  monthOfDay,
  sumLines,
  type AccountBalance,
  type LedgerLine,
  type LedgerReader,
  type LedgerSums,
  type MemberMonth,
  type RolledUp,
} from "@coop/core";
import type { Redis } from "ioredis";
import { z } from "zod";
import type { Keys } from "./keys.ts";
import type { RunScript } from "./script.ts";
import { answered } from "./store-unavailable.ts";

const tokens = z.coerce.number().int();
const streamReply = z.array(z.tuple([z.string(), z.array(z.string())]));
const hashReply = z.record(z.string(), z.string());
const rolledUpReply = z.array(z.number());

/** Most keys that one step of the search for accounts looks at. */
const SCAN_KEYS = 250;
/** Most lines that one step sums up while others wait. */
const TAIL_LINES = 250;
/** Most accounts whose usage one step sums up: a busy month takes Redis some milliseconds. */
const STEP_ACCOUNTS = 2;
/** How long the server is left to others after a step, in times of what it took: on a busy machine both are longer. */
const REST = 1;

/** Reads the ledger and the accounts in Redis. */
export function createLedgerReader(
  redis: Redis,
  keys: Keys,
  run: RunScript,
  nodeAccountKeptMs: number,
): LedgerReader {
  const page = async (after: string | null, limit: number): Promise<readonly LedgerLine[]> =>
    linesOf(await answered(redis.xrange(keys.ledger, startAfter(after), "+", "COUNT", limit)));

  const sums = async (after: string | null, limit: number): Promise<LedgerSums> =>
    politely(async () => sumLines(await page(after, limit)));

  return {
    page,
    sums,

    async balances(after) {
      const names = new Set<string>();
      for await (const name of accountNames(redis, keys)) names.add(name);
      const parts: LedgerSums[] = [];
      const add = (part: LedgerSums): boolean => {
        const known = names.size;
        for (const name of accountsOf(keys, part)) names.add(name);
        return names.size > known;
      };
      let tailAfter = after;
      for (;;) {
        const part = await sums(tailAfter, TAIL_LINES);
        if (part.lines < TAIL_LINES) break;
        parts.push(part);
        add(part);
        tailAfter = part.last;
      }
      for (;;) {
        const asked = [...names];
        const { lines, hashes } = await readTogether(redis, keys, tailAfter, asked);
        const tail = sumLines(lines);
        // An account that came to be during the search is read with all others again.
        if (add(tail)) continue;
        const accounts = asked.flatMap((name, index) => balancesOf(keys, name, hashes[index] ?? {}));
        return { sums: concat([...parts, tail]), accounts, nodeAccountKeptMs };
      }
    },

    async rolledUp(accounts) {
      const all: RolledUp[] = [];
      for (let from = 0; from < accounts.length; from += STEP_ACCOUNTS) {
        const step = accounts.slice(from, from + STEP_ACCOUNTS);
        all.push(...(await politely(() => rolledUpOf(keys, run, step))));
      }
      return all;
    },
  };
}

async function rolledUpOf(
  keys: Keys,
  run: RunScript,
  accounts: readonly MemberMonth[],
): Promise<readonly RolledUp[]> {
  const triples = accounts.flatMap(({ member, month }) => [
    keys.memberAccount(member, month),
    keys.usage(member, month),
    keys.usageSums(member, month),
  ]);
  const results = rowsOf(rolledUpReply.parse(await run("sum-usage", triples[0] ?? "", triples)), 3);
  return accounts.map(({ member, month }, index) => {
    const [usedTokens = 0, chargedTokens = 0, wrongSums = 0] = results[index] ?? [];
    return { member, month, usedTokens, chargedTokens, wrongSums };
  });
}

/** Does a step of long work and rests after it, so that whoever waits for Redis or this process comes in between. */
async function politely<Result>(step: () => Promise<Result>): Promise<Result> {
  const startedMs = performance.now();
  const result = await step();
  await delay((performance.now() - startedMs) * REST);
  return result;
}

const startAfter = (after: string | null): string => (after === null ? "-" : `(${after}`);

/** Reads entries by hand: an audit reads millions of them, between requests. */
const linesOf = (reply: readonly (readonly [string, readonly string[]])[]): readonly LedgerLine[] =>
  reply.map(([position, fields]) => lineOf(position, (fields[1] ?? "").split("|")));

/** How many parts an entry has, as the scripts join them. */
const PARTS = 15;

function lineOf(position: string, parts: readonly string[]): LedgerLine {
  assert(parts.length === PARTS, `the ledger's entry ${position} has ${PARTS} parts`);
  const [kind = "", of = "", epoch, member = "", month = "", ...rest] = parts;
  const [node = "", day = "", atMs, owner = "", ...amounts] = rest;
  const [toMember, toNode, toWaste, toAbsorbed, toCredit, toGrant] = amounts;
  return {
    position,
    kind,
    job: kind === "granted" ? null : asJobId(of),
    grant: kind === "granted" ? of : null,
    epoch: whole(epoch, position),
    member: asMemberId(member),
    month,
    node: node === "" ? null : asNodeId(node),
    day: day === "" ? null : day,
    owner: owner === "" ? null : asMemberId(owner),
    atMs: whole(atMs, position),
    toMember: whole(toMember, position),
    toNode: whole(toNode, position),
    toWaste: whole(toWaste, position),
    toAbsorbed: whole(toAbsorbed, position),
    toCredit: whole(toCredit, position),
    toGrant: whole(toGrant, position),
  };
}

function whole(text: string | undefined, position: string): number {
  const number = Number(text);
  assert(
    Number.isSafeInteger(number),
    `amounts and times of the ledger's entry ${position} are whole numbers`,
  );
  return number;
}

/** The lines after a position and all these accounts, in one transaction. */
async function readTogether(redis: Redis, keys: Keys, after: string | null, names: readonly string[]) {
  const transaction = redis.multi().xrange(keys.ledger, startAfter(after), "+");
  for (const name of names) transaction.hgetall(name);
  const [lines, ...hashes] = ((await answered(transaction.exec())) ?? []).map(([error, reply]) => {
    if (error !== null) throw error;
    return reply;
  });
  assert(hashes.length === names.length, "a transaction answers each command");
  return { lines: linesOf(streamReply.parse(lines)), hashes: hashes.map((hash) => hashReply.parse(hash)) };
}

const rowsOf = <Value>(list: readonly Value[], width: number): readonly (readonly Value[])[] =>
  Array.from({ length: list.length / width }, (_, i) => list.slice(i * width, (i + 1) * width));

const concat = (parts: readonly LedgerSums[]): LedgerSums => ({
  lines: parts.reduce((lines, part) => lines + part.lines, 0),
  last: parts.findLast((part) => part.last !== null)?.last ?? null,
  members: parts.flatMap((part) => part.members),
  nodes: parts.flatMap((part) => part.nodes),
  unbalanced: parts.flatMap((part) => part.unbalanced),
});

/** The keys of all accounts. */
async function* accountNames(redis: Redis, keys: Keys): AsyncGenerator<string> {
  let cursor = "0";
  do {
    const [next, found] = await politely(() =>
      answered(redis.scan(cursor, "MATCH", keys.anyAccount, "COUNT", SCAN_KEYS)),
    );
    for (const name of found) if (accountOf(keys, name) !== null) yield name;
    cursor = next;
  } while (cursor !== "0");
}

const accountsOf = (keys: Keys, sums: LedgerSums): string[] => [
  ...sums.members.map(({ member, month }) => keys.memberAccount(member, month)),
  ...sums.nodes.map(({ node, day }) => keys.nodeAccount(node, monthOfDay(day))),
];

/** Whose account a key is, null when it is none. */
function accountOf(keys: Keys, name: string) {
  const [owner = "", month = ""] = name.split(":").slice(-2);
  if (name === keys.memberAccount(owner, month)) return { kind: "member", owner, month } as const;
  return name === keys.nodeAccount(owner, month) ? ({ kind: "node", owner, month } as const) : null;
}

/** The balances in an account; none in one that is gone. */
function balancesOf(
  keys: Keys,
  name: string,
  hash: Readonly<Record<string, string>>,
): readonly AccountBalance[] {
  const account = accountOf(keys, name);
  assert(account !== null, `${name} is an account`);
  if (Object.keys(hash).length === 0) return [];
  const read = (field: string): number => tokens.parse(hash[field] ?? 0);
  const { kind, owner, month } = account;
  if (kind === "member") {
    const member = asMemberId(owner);
    return [{ kind, member, month, usedTokens: read("used"), creditTokens: read("credit") }];
  }
  const node = asNodeId(owner);
  const days = Object.keys(hash).flatMap((field) =>
    field.startsWith("held:") ? [field.slice("held:".length)] : [],
  );
  return [
    { kind, node, period: month, usedTokens: read("used") },
    ...days.map((day) => ({ kind, node, period: day, usedTokens: read(`used:${day}`) })),
  ];
}
