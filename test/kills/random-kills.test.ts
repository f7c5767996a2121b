/**
 * Sixty times `kill -9` at random, under load. `COOP_KILLS` asks for more, `COOP_SEED` for another order.
 */
import { setTimeout as pause } from "node:timers/promises";
import { createSeededRandom } from "@coop/core/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import { auditBooks, auditQueue, openBooks, readBooks } from "../harness/books.ts";
import { killAndRestart, submitDetached, untilEnded } from "../harness/chaos.ts";
import type { Role, Victim } from "../harness/chaos.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";

const KILLS = Number(process.env["COOP_KILLS"] ?? 60);
const SEED = Number(process.env["COOP_SEED"] ?? 1);
const PROFILES = ["mac-studio-m4-max-128", "macbook-air-m4-32", "raspberry-pi-5-8"] as const;
const CLIENTS = 4;
const MOST_BETWEEN_KILLS_MS = 400;

let cluster: Cluster;
let member: TestMember;
let victims: readonly Victim[];

beforeAll(async () => {
  cluster = await startCluster("quick");
  member = await cluster.addMember("maja");
  const machines = await cluster.startMachines(PROFILES, 200);
  victims = await Promise.all(
    [...machines].map(async ([name, engineUrl]) => ({
      name,
      engineUrl,
      owner: member,
      child: await cluster.startAgent(name, engineUrl, member),
    })),
  );
});
afterAll(() => cluster.stop());

it(`loses nothing over ${KILLS} kills`, { timeout: KILLS * 6_000 + 120_000 }, async () => {
  const random = createSeededRandom(SEED);
  const pick = <T>(items: readonly T[]): T => {
    const item = items[Math.floor(random.next() * items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  };
  const load = startLoad();
  const killed: Record<Role, number> = { agent: 0, server: 0, redis: 0 };
  for (let count = 0; count < KILLS; count += 1) {
    await pause(random.next() * MOST_BETWEEN_KILLS_MS);
    const role = pick<Role>(["agent", "agent", "server", "redis"]);
    await killAndRestart(cluster, role, pick(victims));
    killed[role] += 1;
  }
  const { accepted, streams } = await load.stop();
  process.stdout.write(
    `kills: ${JSON.stringify(killed)}; detached jobs accepted: ${accepted.length}; streams begun: ${streams}\n`,
  );

  const ends = new Map<string, number>();
  for (const id of accepted) {
    const { state } = await untilEnded(cluster, member, id, 90_000);
    ends.set(state, (ends.get(state) ?? 0) + 1);
  }
  process.stdout.write(`ends: ${JSON.stringify(Object.fromEntries(ends))}\n`);
  expect([...ends.keys()].filter((state) => state !== "succeeded" && state !== "failed")).toEqual([]);
  expect(ends.get("succeeded") ?? 0).toBeGreaterThan(accepted.length * 0.9);

  const redis = await openBooks(cluster.home);
  try {
    await expect
      .poll(async () => auditBooks(await readBooks(redis)), { timeout: 60_000, interval: 1_000 })
      .toEqual([]);
    await expect.poll(() => auditQueue(redis), { timeout: 60_000, interval: 1_000 }).toEqual([]);
    const books = await readBooks(redis);
    expect(accepted.filter((id) => !books.jobs.has(id))).toEqual([]);
  } finally {
    redis.disconnect();
  }
});

/** Clients that submit detached jobs and read streams until told to stop. */
function startLoad(): {
  stop(): Promise<{ readonly accepted: readonly string[]; readonly streams: number }>;
} {
  const stopping = new AbortController();
  const accepted: string[] = [];
  let streams = 0;
  const body = (tier: string): object => ({
    model: `coop/${tier}`,
    messages: [{ role: "user", content: "Say something of some length." }],
    max_tokens: 120,
  });
  const client = async (name: number): Promise<void> => {
    for (let turn = 0; !stopping.signal.aborted; turn += 1) {
      const tier = turn % 3 === 0 ? "local-small" : "edge";
      accepted.push(await submitDetached(cluster, member, `client-${name}-${turn}`, body(tier)));
      if (turn % 4 === 0) streams += await readStream(body(tier));
      await pause(30);
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, name) => client(name));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(clients);
      return { accepted, streams };
    },
  };
}

/** Reads one stream as far as it goes; whatever dies, it ends. Returns 1 when it began. */
async function readStream(request: object): Promise<number> {
  try {
    const response = await cluster.request("/v1/chat/completions", {
      method: "POST",
      key: member.key,
      body: JSON.stringify({ ...request, stream: true }),
      signal: AbortSignal.timeout(30_000),
    });
    await response.text();
    return response.ok ? 1 : 0;
  } catch {
    // The server was killed in the middle: the client sees its connection break, and the job is swept.
    return 0;
  }
}
