/**
 * A month of a large co-op, written into its Redis as the settling scripts would have left it: ledger, accounts of
 * members and nodes, credit and usage, which `ledger verify` accepts. Quicker than settling a million jobs.
 */
import { createSeededRandom } from "@coop/core/testing";
import { DEFAULT_SETTINGS, WAIT_EDGES_MS } from "@coop/core";
import type { Redis } from "ioredis";

export interface SeedOptions {
  /** Ids of the members who used it. */
  readonly members: readonly string[];
  readonly entries: number;
  /** `YYYY-MM`. */
  readonly month: string;
  readonly days: readonly string[];
}

/** Tokens that were charged in all. */
export interface Seeded {
  readonly chargedTokens: number;
}

const NODES = 20;
const MACHINES = ["mac-studio-m4-max-128", "macbook-air-m4-32", "raspberry-pi-5-8"] as const;
const PLACES = [
  { tier: "edge", model: "llama3.2:3b" },
  { tier: "local-small", model: "qwen3:8b" },
  { tier: "local-large", model: "llama3.3:70b" },
] as const;
/** Entries that one call of Redis writes. */
const BATCH = 2_000;
const WRITE_ENTRIES = "for i = 1, #ARGV do redis.call('XADD', KEYS[1], '*', 'entry', ARGV[i]) end";

const key = (...parts: readonly string[]): string => ["{coop}", ...parts].join(":");

/** Sums by a first and a second name. */
function createSums() {
  const sums = new Map<string, Map<string, number[]>>();
  return {
    add(of: string, name: string, amounts: readonly number[]): void {
      const fields = sums.get(of) ?? new Map<string, number[]>();
      sums.set(of, fields);
      const before = fields.get(name) ?? [];
      fields.set(
        name,
        amounts.map((amount, index) => (before[index] ?? 0) + amount),
      );
    },
    sums,
  };
}

export async function seedBooks(redis: Redis, options: SeedOptions): Promise<Seeded> {
  const { members, entries, month, days } = options;
  const random = createSeededRandom(1);
  const pick = <T>(list: readonly T[]): T => {
    const item = list[Math.floor(random.next() * list.length)];
    if (item === undefined) throw new Error("there is nothing to pick from");
    return item;
  };
  const nodes = Array.from({ length: NODES }, (_, index) => ({
    id: `node_seed${index}`,
    owner: members[index * Math.floor(members.length / NODES)] ?? "",
    place: PLACES[index % PLACES.length] ?? PLACES[0],
    machine: MACHINES[index % MACHINES.length] ?? MACHINES[0],
  }));
  const accounts = createSums();
  const nodeAccounts = createSums();
  const usage = createSums();
  let chargedTokens = 0;

  const settle = (index: number): string => {
    const day = days[Math.floor((index / entries) * days.length)] ?? "";
    const member = members[Math.floor(random.next() ** 2 * members.length)] ?? "";
    const luck = random.next();
    const job = `job_${String(index).padStart(26, "0")}`;
    const atMs = Date.parse(`${day}T12:00:00Z`);
    if (luck < 0.01) {
      usage.add(member, `row|${day}`, [0, 0, 0, 1, 0, 0, 0, 0]);
      return ["expired", job, 0, member, month, "", "", atMs, "", 0, 0, 0, 0, 0, 0].join("|");
    }
    const { id: node, owner, place } = pick(nodes);
    const [prompt, output] = [20 + Math.floor(random.next() * 900), 1 + Math.floor(random.next() * 300)];
    const used = prompt + output;
    const [kind, ends] =
      luck < 0.03 ? (["failed", [0, 1, 0, 0]] as const) : (["succeeded", [1, 0, 0, 0]] as const);
    const charge = kind === "failed" ? 0 : used;
    const rate = DEFAULT_SETTINGS.contribution.creditPerMille[place.tier];
    const credit = owner === member ? 0 : Math.floor((charge * rate) / 1_000);
    chargedTokens += charge;
    accounts.add(member, "used", [charge]);
    accounts.add(member, `used:${place.tier}`, [charge]);
    if (credit > 0) accounts.add(owner, "credit", [credit]);
    nodeAccounts.add(node, "used", [used]);
    nodeAccounts.add(node, `used:${day}`, [used]);
    const nodeUs = output * 8_000 + Math.floor(random.next() * 1_000);
    usage.add(member, `row|${day}|${node}|${place.tier}|${place.model}`, [
      ...ends,
      prompt,
      output,
      charge,
      nodeUs,
    ]);
    usage.add(member, `wait|${day}|${Math.floor(random.next() ** 2 * WAIT_EDGES_MS.length)}`, [1]);
    const amounts = [charge, -used, used - charge, 0, credit, -credit];
    const creditor = credit > 0 ? owner : "";
    return [kind, job, 1, member, month, node, day, atMs, creditor, ...amounts].join("|");
  };

  for (let from = 0; from < entries; from += BATCH) {
    const lines = Array.from({ length: Math.min(BATCH, entries - from) }, (_, index) => settle(from + index));
    await redis.eval(WRITE_ENTRIES, 1, key("ledger"), ...lines);
  }
  await writeNodes(redis, nodes, Date.parse(`${month}-01T00:00:00Z`));
  await writeAll(redis, accounts.sums, (member) => key("account", member, month));
  await writeAll(redis, nodeAccounts.sums, (node) => key("node-account", node, month));
  await writeAll(redis, usage.sums, (member) => key("usage", member, month));
  await writeAll(redis, sumsOfMonths(usage.sums), (member) => key("usage-sums", member, month));
  return { chargedTokens };
}

type Sums = ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>;

/** By day and by place, with the node's time of each row rounded to ms; and waits by bucket. */
function sumsOfMonths(usage: Sums): Sums {
  const all = createSums();
  for (const [member, fields] of usage) {
    for (const [name, amounts] of fields) {
      const [kind = "", day = "", ...rest] = name.split("|");
      if (kind === "wait") {
        all.add(member, ["wait", ...rest].join("|"), amounts);
        continue;
      }
      const counts = amounts.map((amount, index) => (index === 7 ? Math.round(amount / 1_000) : amount));
      all.add(member, `day|${day}`, counts);
      all.add(member, ["place", ...rest].join("|"), counts);
    }
  }
  return all.sums;
}

/** Each `used` has its `held`, of which nothing is left. */
async function writeAll(redis: Redis, sums: Sums, keyOf: (of: string) => string): Promise<void> {
  for (const [of, fields] of sums) {
    const pairs = [...fields].flatMap(([name, amounts]) => [
      name,
      amounts.join(","),
      ...(name.startsWith("used") ? [name.replace("used", "held"), "0"] : []),
    ]);
    await redis.hset(keyOf(of), ...pairs);
  }
}

async function writeNodes(
  redis: Redis,
  nodes: readonly { readonly id: string; readonly owner: string; readonly machine: string }[],
  joinedAtMs: number,
): Promise<void> {
  for (const { id, owner, machine } of nodes) {
    const offer = {
      tokensPerMonth: 50_000_000,
      servingSecondsPerDay: 43_200,
      machineProfile: machine,
      simulated: true,
      atMs: joinedAtMs,
    };
    await redis.sadd(key("nodes"), id);
    await redis.hset(key("node", id), {
      id,
      name: id.replace("node_", ""),
      owner,
      publicKey: "",
      joinedAt: joinedAtMs,
      offer: JSON.stringify(offer),
    });
  }
}
