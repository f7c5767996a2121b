import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import { z } from "zod";

const socketSchema = z.object({ socketPath: z.string() });

/** What the accounts of a co-op say when nothing runs any more. */
export interface Books {
  /** Job hashes by id. */
  readonly jobs: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** Ledger entries, oldest first. */
  readonly ledger: readonly Readonly<Record<string, string>>[];
  /** Tokens used and held, over all members and over all nodes. */
  readonly members: { readonly used: number; readonly held: number };
  readonly nodes: { readonly used: number; readonly held: number };
  /** Jobs that count as queued and as not ended, over all members. */
  readonly standing: { readonly pending: number; readonly unfinished: number };
  /** Keys of clocks of nodes that count an attempt. */
  readonly clocks: readonly string[];
}

/** The parts of a ledger entry, in their order. */
const ENTRY = ["kind", "job", "epoch", "member", "month", "node", "day", "at", "owner"].concat([
  "toMember",
  "toNode",
  "toWaste",
  "toAbsorbed",
  "toCredit",
  "toGrant",
]);

/** Reads the books straight from a co-op's embedded Redis: no code of ours in between. */
export async function readBooks(redis: Redis): Promise<Books> {
  const keys = await redis.keys("{coop}:*");
  const jobs = new Map<string, Record<string, string>>();
  for (const key of keys.filter((name) => name.startsWith("{coop}:job:"))) {
    jobs.set(key.slice("{coop}:job:".length), await redis.hgetall(key));
  }
  const sum = async (prefix: string, field: string): Promise<number> => {
    const of = keys.filter((name) => name.startsWith(prefix));
    const values = await Promise.all(of.map((name) => redis.hget(name, field)));
    return values.reduce((total, value) => total + Number(value ?? 0), 0);
  };
  const tokensOf = async (prefix: string): Promise<{ used: number; held: number }> => ({
    used: await sum(prefix, "used"),
    held: await sum(prefix, "held"),
  });
  const ledger = (await redis.xrange("{coop}:ledger", "-", "+")).map(([, [, text = ""]]) => {
    const parts = text.split("|");
    return Object.fromEntries(ENTRY.map((name, index) => [name, parts[index] ?? ""]));
  });
  return {
    jobs,
    ledger,
    members: await tokensOf("{coop}:account:"),
    nodes: await tokensOf("{coop}:node-account:"),
    standing: {
      pending: await sum("{coop}:standing:", "pending"),
      unfinished: await sum("{coop}:standing:", "unfinished"),
    },
    clocks: keys.filter((name) => name.startsWith("{coop}:node-clock:")),
  };
}

const TERMINAL = new Set(["succeeded", "failed", "cancelled", "expired"]);

/** A connection to a co-op's embedded Redis; the caller quits it. */
export async function openBooks(home: string): Promise<Redis> {
  const { socketPath } = socketSchema.parse(
    JSON.parse(await readFile(join(home, "redis", "socket.json"), "utf8")),
  );
  const redis = new Redis({ path: socketPath });
  // A test kills this Redis; ioredis reconnects by itself, and commands wait meanwhile.
  redis.on("error", () => undefined);
  await redis.ping();
  return redis;
}

/**
 * Everything that is wrong with books at rest, in words; empty when they are right: each job in one terminal
 * state, no hold left and no job or attempt counted any more, every ledger entry sums to zero, each job charged at
 * most once, and the sums of the ledger equal to the accounts.
 */
export function auditBooks(books: Books): readonly string[] {
  const wrong: string[] = [];
  for (const [id, job] of books.jobs) {
    if (!TERMINAL.has(job["state"] ?? "")) wrong.push(`${id} rests as ${job["state"]}`);
  }
  for (const [id, job] of books.jobs) {
    for (const [field, kept] of Object.entries(job)) {
      if (field.startsWith("zombie:"))
        wrong.push(
          `${id} keeps a hold for epoch ${field.slice("zombie:".length)}: ${kept} ${JSON.stringify(job)}`,
        );
    }
  }
  if (books.members.held !== 0) wrong.push(`members still hold ${books.members.held} tokens`);
  if (books.nodes.held !== 0) wrong.push(`nodes still hold ${books.nodes.held} tokens`);
  for (const [what, jobs] of Object.entries(books.standing))
    if (jobs !== 0) wrong.push(`members stand with ${jobs} jobs ${what}`);
  for (const clock of books.clocks) wrong.push(`${clock} counts an attempt`);
  const totals = { toMember: 0, toNode: 0 };
  const seen = new Set<string>();
  const ended = new Set<string>();
  for (const entry of books.ledger) {
    const amount = (name: string): number => Number(entry[name]);
    const deltas = ENTRY.filter((name) => name.startsWith("to")).map(amount);
    if (deltas.reduce((sum, tokens) => sum + tokens, 0) !== 0)
      wrong.push(`does not sum to zero: ${JSON.stringify(entry)}`);
    totals.toMember += amount("toMember");
    totals.toNode += amount("toNode");
    const key = `${entry["job"]}|${entry["epoch"]}|${entry["kind"]}`;
    if (seen.has(key)) wrong.push(`entered twice: ${key}`);
    seen.add(key);
    if (!TERMINAL.has(entry["kind"] ?? "")) continue;
    if (ended.has(entry["job"] ?? "")) wrong.push(`ended twice: ${entry["job"]}`);
    ended.add(entry["job"] ?? "");
  }
  if (totals.toMember !== books.members.used)
    wrong.push(`ledger charges members ${totals.toMember}, accounts say ${books.members.used}`);
  if (-totals.toNode !== books.nodes.used)
    wrong.push(`ledger debits nodes ${-totals.toNode}, accounts say ${books.nodes.used}`);
  return wrong;
}

/**
 * Where BullMQ may have a job at rest, by the state of its hash. One that ended before the mirror came to it
 * is never added, and of those that ended the oldest make way.
 */
const MIRRORED: Readonly<Record<string, readonly string[]>> = {
  queued: ["prioritized", "delayed"],
  leased: ["active"],
  running: ["active"],
  succeeded: ["completed", "absent"],
  failed: ["failed", "absent"],
  cancelled: ["failed", "absent"],
  expired: ["failed", "absent"],
};

/**
 * Everything that an operator would see wrong in the BullMQ queue of a co-op at rest, in words: a job that is not
 * where its hash says, one that has no hash, and a change that was not carried over.
 */
export async function auditQueue(redis: Redis): Promise<readonly string[]> {
  const at = (name: string): string => `{coop}:jobs:${name}`;
  const places = new Map<string, string>();
  for (const name of ["prioritized", "delayed", "completed", "failed"])
    for (const id of await redis.zrange(at(name), "0", "-1")) places.set(id, name);
  for (const name of ["wait", "active"])
    for (const id of await redis.lrange(at(name), 0, -1)) places.set(id, name);
  const wrong: string[] = [];
  const { jobs } = await readBooks(redis);
  for (const [id, { state = "" }] of jobs) {
    const place = places.get(id) ?? "absent";
    if (!MIRRORED[state]?.includes(place)) wrong.push(`${id} is ${state}, the queue has it as ${place}`);
    const kept = await redis.exists(at(id));
    if ((place !== "absent") !== (kept === 1))
      wrong.push(`${id} is ${place}, with ${kept} record in the queue`);
  }
  for (const [id, place] of places) if (!jobs.has(id)) wrong.push(`${id} is ${place}, and no job`);
  for (const id of await redis.zrange("{coop}:dirty", "0", "-1")) wrong.push(`${id} was not carried over`);
  return wrong;
}
