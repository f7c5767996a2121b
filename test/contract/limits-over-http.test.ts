import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_LIMITS } from "@coop/core";
import type { MemberLimits } from "@coop/core";
import { createManualClock } from "@coop/core/testing";
import { problemSchema, quotaSchema } from "@coop/protocol";
import { createVault, openStores } from "@coop/redis";
import type { Stores } from "@coop/redis";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chatBody, createWorld, jobIdOf } from "../../packages/api/src/testing/world.ts";
import type { World } from "../../packages/api/src/testing/world.ts";
import { startTestRedis } from "../harness/redis.ts";

/** The HTTP surface over the stores on a real Redis. */

let redis: Awaited<ReturnType<typeof startTestRedis>>;
let keys: string;
let prefix: string;
let stores: Stores;
let world: World;

beforeAll(async () => {
  redis = await startTestRedis();
  keys = await mkdtemp(join(tmpdir(), "coop-limits-"));
});
afterAll(async () => {
  await redis.stop();
  await rm(keys, { recursive: true, force: true });
});
beforeEach(async () => {
  const clock = createManualClock();
  prefix = `{limits-${randomBytes(4).toString("hex")}}`;
  stores = await openStores({
    socketPath: redis.socketPath,
    prefix,
    vault: createVault({ directory: keys, clock }),
    clock,
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  });
  const { desk, accounting, members, nodes, ledger, output } = stores;
  world = await createWorld({ replace: () => ({ desk, accounting, members, nodes, ledger, output }) });
});
afterEach(async () => {
  await stores.close();
});

const key = () => world.bob.key;
const submit = async (): Promise<Response> =>
  world.post("/v1/jobs", { request: chatBody({ max_tokens: 6_000 }) }, { key: key() });
const quota = async () => quotaSchema.parse(await (await world.request("/v1/quota", { key: key() })).json());

describe("200 requests at once", () => {
  test.each<[string, Partial<MemberLimits>, string]>([
    ["a quota", { tokensPerMonth: { kind: "tokens", tokens: 10_000 } }, "quota_exceeded"],
    ["a tier's cap", { tierTokensPerMonth: { edge: 10_000 } }, "tier_quota_exceeded"],
    ["one job at once", { jobsAtOnce: 1 }, "too_many_at_once"],
    ["one request a minute", { requestsPerMinute: 1 }, "too_many_requests"],
  ])("get one job out of %s that has room for one", async (_, limits, code) => {
    await stores.members.setMember(world.bob.member.id, {
      limits: { ...DEFAULT_LIMITS, tokensPerMonth: { kind: "unlimited" }, ...limits },
    });
    const answers = await Promise.all(Array.from({ length: 200 }, submit));
    const admitted = answers.filter(({ status }) => status === 202);
    expect(admitted).toHaveLength(1);
    const refused = answers.filter(({ status }) => status === 429);
    const codes = await Promise.all(
      refused.map(async (answer) => problemSchema.parse(await answer.json()).error.code),
    );
    expect(codes).toEqual(Array.from({ length: 199 }, () => code));
    for (const answer of refused) expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);

    const during = await quota();
    expect(during).toMatchObject({ usedTokens: 0, jobsAtOnce: { unfinished: 1 } });
    expect(during.heldTokens).toBeGreaterThan(6_000);
    expect(during.tiers).toMatchObject([{ tier: "edge", heldTokens: during.heldTokens }]);
    if (during.limitTokens !== null) expect(during.heldTokens).toBeLessThanOrEqual(during.limitTokens);
    const [first] = admitted;
    const path = first === undefined ? "" : `/v1/jobs/${jobIdOf(first)}`;
    expect((await world.request(path, { method: "DELETE", key: key() })).status).toBe(200);
    expect(await quota()).toMatchObject({ usedTokens: 0, heldTokens: 0, jobsAtOnce: { unfinished: 0 } });
  });
});

test("what operators set and grant is there for the next request", async () => {
  const admin = async (method: string, path: string, body: unknown): Promise<Response> =>
    world.request(`/admin${path}`, { method, key: world.operator.key, body: JSON.stringify(body) });
  const limits = {
    tokensPerMonth: { kind: "tokens", tokens: 6_000 },
    tierTokensPerMonth: { edge: null, "local-large": 1_000_000_000_000 },
    jobsAtOnce: 9,
  };
  expect((await admin("PATCH", "/members/bob", { limits, weight: 1.5, name: "bobby" })).status).toBe(200);
  expect((await submit()).status).toBe(429);
  expect((await admin("POST", "/members/bobby/grants", { tokens: 1_000 })).status).toBe(201);
  const admitted = await submit();
  expect(admitted.status).toBe(202);
  expect(await quota()).toMatchObject({
    memberName: "bobby",
    limitTokens: 7_000,
    floorTokens: 6_000,
    creditTokens: 1_000,
    weight: 1.5,
    jobsAtOnce: { limit: 9, unfinished: 1 },
  });
  expect((await admin("PATCH", "/members/bobby", { name: "ada", weight: 7 })).status).toBe(409);
  expect(await quota()).toMatchObject({ memberName: "bobby", weight: 1.5 });
});

test("a key with a wrong checksum costs Redis nothing", async () => {
  await using watching = new AsyncDisposableStack();
  const client = watching.adopt(new Redis({ path: redis.socketPath }), (one) => one.disconnect());
  const monitor = watching.adopt(await client.monitor(), (one) => one.disconnect());
  let seen: string[] = [];
  monitor.on("monitor", (_time: string, words: readonly string[]) => seen.push(words.join(" ")));
  const ofTheCoop = async (mark: string): Promise<readonly string[]> => {
    await client.echo(mark);
    await expect.poll(() => seen).toContain(`echo ${mark}`);
    const commands = seen.filter((command) => command.includes(prefix));
    seen = [];
    return commands;
  };
  const mistyped = key().replace(/.$/, (last) => (last === "0" ? "1" : "0"));
  for (const path of ["/v1/quota", "/v1/jobs", "/admin/members"])
    expect((await world.request(path, { key: mistyped })).status).toBe(401);
  expect(await ofTheCoop("mistyped")).toEqual([]);
  expect((await world.request("/v1/quota", { key: key() })).status).toBe(200);
  expect((await ofTheCoop("right")).length).toBeGreaterThan(0);
});
