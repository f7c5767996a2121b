/** What leads may die: a scheduler with a standby behind it, and the primary of a Redis that sentinels watch. */
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Redis } from "ioredis";
import { auditBooks, readBooks } from "../harness/books.ts";
import { readJob, submitDetached, untilEnded } from "../harness/chaos.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";
import { startFront } from "../harness/front.ts";
import { startTestRedis } from "../harness/redis.ts";
import { startSentinels } from "../harness/sentinels.ts";

const PROFILE = "mac-studio-m4-max-128";
/** Of the quick pace: how long a lead lasts without being renewed, and how often the others ask for it. */
const LEAD_MS = 2_000;
const CAMPAIGN_MS = 500;
/** A busy machine takes its time, never as long as the usual lead of 10 s. */
const SLACK_MS = 5_000;

let parts: AsyncDisposableStack;
beforeEach(() => {
  parts = new AsyncDisposableStack();
});
afterEach(() => parts.disposeAsync());

const request = {
  model: "coop/edge",
  messages: [{ role: "user", content: "Count to forty." }],
  max_tokens: 100,
};

async function submitMany(
  cluster: Cluster,
  member: TestMember,
  name: string,
  count: number,
): Promise<string[]> {
  const keys = Array.from({ length: count }, (_, at) => `${name}-${at}`);
  return Promise.all(keys.map((key) => submitDetached(cluster, member, key, request)));
}

/** A machine of many slots whose jobs take a second or so, and a job in each. */
async function startServing(cluster: Cluster, member: TestMember) {
  const machines = await cluster.startMachines([PROFILE], 2);
  const agent = await cluster.startAgent("studio", machines.get(PROFILE) ?? "", member);
  const accepted = await submitMany(cluster, member, "before", 12);
  const running = async () =>
    (await Promise.all(accepted.map((id) => readJob(cluster, member, id)))).some(
      ({ state }) => state === "running",
    );
  await expect.poll(running, { timeout: 30_000 }).toBe(true);
  return { agent, accepted };
}

async function expectNothingLost(
  cluster: Cluster,
  member: TestMember,
  accepted: readonly string[],
  redis: Redis,
): Promise<void> {
  for (const id of accepted)
    expect(await untilEnded(cluster, member, id, 60_000)).toMatchObject({ state: "succeeded" });
  await expect.poll(async () => auditBooks(await readBooks(redis)), { timeout: 30_000 }).toEqual([]);
  const { jobs } = await readBooks(redis);
  expect(accepted.filter((id) => !jobs.has(id))).toEqual([]);
}

it("a standby scheduler takes over from one that was killed, and loses nothing that two apis accepted", async () => {
  const redis = parts.use(await startTestRedis());
  const front = parts.use(await startFront());
  const cluster = await startCluster("quick", "warn", {
    REDIS_URL: `unix://${redis.socketPath}`,
    COOP_PUBLIC_URL: front.url,
    COOP_ROLES: "api",
  });
  parts.defer(() => cluster.stop());
  const scheduler = { COOP_ROLES: "scheduler", COOP_LOG_LEVEL: "info" };
  const leader = await cluster.addServer(scheduler);
  await leader.child.line(/taking the lead/);
  const [standby, secondApi] = await Promise.all([cluster.addServer(scheduler), cluster.addServer({})]);
  front.apis = [cluster.url, secondApi.url];
  front.schedulers = [leader.url, standby.url];
  const members = { ...cluster, request: throughFront(cluster, front.url) };
  const maja = await cluster.addMember("maja");
  const { agent, accepted } = await startServing(members, maja);
  expect(standby.child.output()).not.toContain("taking the lead");

  const killedMs = performance.now();
  const [during] = await Promise.all([submitMany(members, maja, "during", 4), leader.child.kill9()]);
  await standby.child.line(/taking the lead/);
  expect(performance.now() - killedMs).toBeLessThan(LEAD_MS + CAMPAIGN_MS + SLACK_MS);
  await agent.line(/connected to[^]*connected to/);

  const comeback = await cluster.addServer(scheduler);
  front.schedulers = [comeback.url, standby.url];
  const after = await submitMany(members, maja, "after", 4);
  await expectNothingLost(members, maja, [...accepted, ...during, ...after], redis.connect());

  // One that stops gives the lead away at once.
  expect(await standby.child.stop()).toBe(0);
  await comeback.child.line(/taking the lead/);
  const last = await submitMany(members, maja, "last", 2);
  await expectNothingLost(members, maja, last, redis.connect());
});

it("a Redis behind sentinels loses its primary, and the co-op nothing that it accepted", async () => {
  const sentinels = parts.use(await startSentinels());
  const cluster = await startCluster("quick", "warn", { REDIS_URL: sentinels.url });
  parts.defer(() => cluster.stop());
  const redis = sentinels.connect();
  parts.defer(() => redis.disconnect());
  const maja = await cluster.addMember("maja");
  const { accepted } = await startServing(cluster, maja);

  const thaw = await sentinels.freezeReplicas();
  const unconfirmed = await cluster.request("/v1/jobs", {
    method: "POST",
    key: maja.key,
    headers: { "idempotency-key": "unconfirmed" },
    body: JSON.stringify({ request }),
  });
  expect([unconfirmed.status, await unconfirmed.text()]).toEqual([
    503,
    expect.stringContaining("store_unavailable"),
  ]);
  thaw();
  accepted.push(await submitDetached(cluster, maja, "unconfirmed", request));

  const [during, killed] = await Promise.all([
    submitMany(cluster, maja, "during", 4),
    sentinels.killPrimary(),
  ]);
  const after = await submitMany(cluster, maja, "after", 4);

  await expectNothingLost(cluster, maja, [...accepted, ...during, ...after], redis);
  expect(await redis.info("server")).not.toContain(`tcp_port:${killed}`);
});

const throughFront =
  (cluster: Cluster, frontUrl: string): Cluster["request"] =>
  (path, { key = cluster.operatorKey, ...init } = {}) => {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${key}`);
    return fetch(frontUrl + path, { ...init, headers });
  };
