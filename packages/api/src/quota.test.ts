import { asNodeId, DEFAULT_LIMITS, DEFAULT_SETTINGS, holdTokens } from "@coop/core";
import type { JobSpec, MemberLimits, QuotaSettings } from "@coop/core";
import { problemSchema, quotaSchema } from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ApiDefaults } from "./deps.ts";
import { resetText } from "./limit-headers.ts";
import { eventually } from "./testing/eventually.ts";
import { chatBody, createWorld } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.expectQuiet();
});

const CHAT = "/v1/chat/completions";
const asBob = async (changes = {}): Promise<Response> =>
  world.post(CHAT, chatBody(changes), { key: world.bob.key });
const limitBob = async (limits: Partial<MemberLimits>): Promise<unknown> =>
  world.deps.members.setMember(world.bob.member.id, {
    limits: { ...DEFAULT_LIMITS, tokensPerMonth: { kind: "unlimited" }, ...limits },
  });
const quotaOf = async (key: string) =>
  quotaSchema.parse(await (await world.request("/v1/quota", { key })).json());
const problemOf = async (response: Response) => ({
  status: response.status,
  ...problemSchema.parse(await response.json()).error,
});
const limitHeadersOf = ({ headers }: Response): Record<string, string> =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith("x-ratelimit-")));

/** Jobs run until the gate opens. */
function gated(): { readonly open: () => void; readonly specs: readonly JobSpec[] } {
  const gate = Promise.withResolvers<void>();
  const specs: JobSpec[] = [];
  world.onAdmitted(async (spec) => {
    specs.push(spec);
    await gate.promise;
    await (await world.start(spec)).succeed();
  });
  return { open: gate.resolve, specs };
}

/** A world whose co-op has other settings, and a node of Olga's that says what it can make. */
async function sharing(
  quotas: Partial<QuotaSettings>,
  offers: readonly number[],
  defaults: Partial<ApiDefaults> = {},
): Promise<void> {
  world = await createWorld({
    defaults,
    replace: ({ settings }) => ({
      settings: { ...settings, quotas: { ...DEFAULT_SETTINGS.quotas, ...quotas } },
    }),
  });
  for (const [index, tokensPerMonth] of offers.entries()) await join(`node_${index}`, tokensPerMonth);
  for (const { member } of [world.ada, world.bob, world.operator])
    await world.deps.members.setMember(member.id, { limits: DEFAULT_LIMITS });
}

async function join(id: string, tokensPerMonth: number): Promise<void> {
  const { nodes, clock } = world.deps;
  const owner = world.operator.member.id;
  await nodes.addJoinToken({ id, digest: "d", member: owner, expiresAtMs: clock.now() + 1 });
  await nodes.redeem(id, "d", { id: asNodeId(id), name: id, publicKey: "k" }, clock.now());
  await nodes.recordOffer(asNodeId(id), {
    tokensPerMonth,
    servingSecondsPerDay: 86_400,
    machineProfile: null,
    simulated: true,
    atMs: clock.now(),
  });
}

describe("the month", () => {
  test("is an equal share of what the fleet can make, and says of what", async () => {
    await sharing({ tokensPerMonth: { kind: "equal-share", shareOfCapacity: 0.9 } }, [1_000_000, 500_000]);
    expect(await quotaOf(world.ada.key)).toMatchObject({
      limitTokens: 450_000,
      floorTokens: 450_000,
      leftTokens: 450_000,
      creditTokens: 0,
      source: { kind: "equal-share", capacityTokens: 1_500_000, shareOfCapacity: 0.9, members: 3 },
      resetsAtMs: Date.UTC(2026, 2, 31, 22),
      timeZone: "Europe/Stockholm",
    });
    await world.deps.members.disableMember(world.bob.member.id, world.clock.now());
    expect(await quotaOf(world.ada.key)).toMatchObject({ limitTokens: 675_000, source: { members: 2 } });
  });

  test("has no limit before a node said what it can make, and says so", async () => {
    await sharing({}, []);
    expect(await quotaOf(world.ada.key)).toMatchObject({
      limitTokens: null,
      leftTokens: null,
      source: { kind: "capacity-unknown" },
    });
    world.answerWith("one");
    expect((await world.post(CHAT, chatBody({ max_tokens: 100_000 }))).status).toBe(200);
  });

  test("is nothing, not unlimited, once the only machine that said so was revoked", async () => {
    await sharing({}, [30_000]);
    for (const { id } of await world.deps.nodes.nodes())
      await world.deps.nodes.revokeNode(id, world.clock.now());
    expect(await quotaOf(world.ada.key)).toMatchObject({
      limitTokens: 0,
      source: { kind: "equal-share", capacityTokens: 0 },
    });
    const refused = await world.post(CHAT, chatBody());
    expect(refused.status).toBe(429);
    expect(problemSchema.parse(await refused.json()).error.message).toMatch(/A limit of 0.*operator/);
  });

  test("is raised by credit for who earned it, and lowered for nobody", async () => {
    await sharing({}, [30_000]);
    const before = await quotaOf(world.ada.key);
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec, { nodeOwner: world.bob.member.id, tier: "local-large" });
      await attempt.say("one", "two");
      await attempt.succeed({ promptTokens: 100, outputTokens: 2 });
    });
    expect((await world.post(CHAT, chatBody(), { key: world.operator.key })).status).toBe(200);
    const credit = 102;
    expect(await quotaOf(world.bob.key)).toMatchObject({
      floorTokens: 10_000,
      creditTokens: credit,
      limitTokens: 10_000 + credit,
    });
    expect(await quotaOf(world.ada.key)).toEqual(before);
  });

  test("that a job was admitted in is charged, whenever it ends", async () => {
    world.clock.set(Date.UTC(2026, 2, 31, 21, 59, 59));
    const { open, specs } = gated();
    const answer = asBob({ max_tokens: 6_000 });
    await eventually("the job is admitted", () => specs.length === 1);
    world.clock.advance(1_000);
    expect(await quotaOf(world.bob.key)).toMatchObject({ month: "2026-04", heldTokens: 0, usedTokens: 0 });
    world.answerWith("one");
    expect((await asBob({ max_tokens: 6_000 })).status).toBe(200);
    open();
    expect((await answer).status).toBe(200);
    const usedIn = async (month: string): Promise<number> =>
      (await world.deps.accounting.account(world.bob.member.id, month)).usedTokens;
    expect([await usedIn("2026-03"), await usedIn("2026-04")]).toEqual([11, 12]);
  });

  test("asks for the fleet once in a while, whoever asks how often", async () => {
    let asked = 0;
    world = await createWorld({
      defaults: { shareMaxAgeMs: 5_000 },
      replace: ({ nodes }) => ({
        nodes: { ...nodes, nodes: async () => ((asked += 1), nodes.nodes()) },
      }),
    });
    await world.deps.members.setMember(world.bob.member.id, { limits: DEFAULT_LIMITS });
    world.answerWith("one");
    await Promise.all(Array.from({ length: 20 }, async () => asBob()));
    expect(asked).toBe(1);
    world.clock.advance(4_999);
    await quotaOf(world.bob.key);
    expect(asked).toBe(1);
    world.clock.advance(1);
    await quotaOf(world.bob.key);
    expect(asked).toBe(2);
  });

  test("is another as soon as an operator has changed who shares it", async () => {
    await sharing({}, [30_000], { shareMaxAgeMs: 60_000 });
    expect(await quotaOf(world.bob.key)).toMatchObject({ limitTokens: 10_000 });
    const asOperator = async (path: string, body: unknown): Promise<Response> =>
      world.post(`/admin/members${path}`, body, { key: world.operator.key });
    expect((await asOperator("", { name: "cy" })).status).toBe(201);
    expect(await quotaOf(world.bob.key)).toMatchObject({ limitTokens: 7_500 });
    await asOperator("/ada/disable", {});
    expect(await quotaOf(world.bob.key)).toMatchObject({ limitTokens: 10_000 });
  });
});

describe("an answer", () => {
  const limits = {
    tokensPerMonth: { kind: "tokens", tokens: 10_000 },
    requestsPerMinute: 3,
  } as const;

  test("says what is left of the month and the minute, whole, streamed, embedded or as a job", async () => {
    await limitBob({ ...limits, requestsPerMinute: 10 });
    world.clock.set(Date.UTC(2026, 2, 31, 21, 53, 48));
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      await attempt.output([{ kind: "embedding", index: 0, vector: [1] }]);
      await attempt.succeed({ promptTokens: 1, outputTokens: 0 });
    });
    let left = 10;
    for (const [path, body] of [
      [CHAT, chatBody()],
      [CHAT, chatBody({ stream: true })],
      ["/v1/embeddings", { model: "nomic-embed-text", input: "a" }],
      ["/v1/jobs", { request: chatBody() }],
    ] as const) {
      const response = await world.post(path, body, { key: world.bob.key });
      await response.text();
      left -= 1;
      expect(limitHeadersOf(response), path).toEqual({
        "x-ratelimit-limit-requests": "10",
        "x-ratelimit-remaining-requests": String(left),
        "x-ratelimit-reset-requests": "12s",
        "x-ratelimit-limit-tokens": "10000",
        "x-ratelimit-remaining-tokens": expect.stringMatching(/^\d{4}$/),
        "x-ratelimit-reset-tokens": "6m12s",
      });
    }
  });

  test("has none of these where there is no limit", async () => {
    world.answerWith("one");
    expect(limitHeadersOf(await world.post(CHAT, chatBody()))).toEqual({});
  });

  test("to a repeated or a conflicting request says what is left of the month", async () => {
    await limitBob(limits);
    world.answerWith("one");
    const headers = { "idempotency-key": "again" };
    const ask = async (changes = {}): Promise<Response> =>
      world.post(CHAT, chatBody(changes), { key: world.bob.key, headers });
    await ask();
    for (const answer of [await ask(), await ask({ seed: 7 })]) {
      expect(limitHeadersOf(answer)).toEqual({
        "x-ratelimit-limit-tokens": "10000",
        "x-ratelimit-remaining-tokens": "9988",
        "x-ratelimit-reset-tokens": "730h0m0s",
      });
    }
  });

  test("counts what is held as gone", async () => {
    await limitBob(limits);
    const { open, specs } = gated();
    const job = await world.post("/v1/jobs", { request: chatBody() }, { key: world.bob.key });
    const hold = specs[0] === undefined ? Number.NaN : holdTokens(specs[0]);
    expect(job.headers.get("x-ratelimit-remaining-tokens")).toBe(String(10_000 - hold));
    expect(await quotaOf(world.bob.key)).toMatchObject({
      heldTokens: hold,
      leftTokens: 10_000 - hold,
      tiers: [{ tier: "edge", heldTokens: hold, limitTokens: null }],
      jobsAtOnce: { limit: null, unfinished: 1 },
    });
    open();
  });
});

describe("over a limit", () => {
  test("of the month: waits for the next, and knows what is left", async () => {
    const response = await asBob({ max_tokens: 9_990 });
    expect(limitHeadersOf(response)).toMatchObject({
      "x-ratelimit-limit-tokens": "10000",
      "x-ratelimit-remaining-tokens": "10000",
      "x-ratelimit-reset-tokens": "730h0m0s",
    });
    expect(response.headers.get("x-should-retry")).toBe("false");
    expect(await problemOf(response)).toMatchObject({ status: 429, code: "quota_exceeded" });
  });

  test("names no job, since none was made, and the next month as the co-op counts it", async () => {
    world.answerWith("one");
    const taken = await asBob({ max_tokens: 1_000 });
    expect(taken.headers.get("x-coop-job")).toMatch(/^job_/);
    await limitBob({ tokensPerMonth: { kind: "tokens", tokens: 1_210 } });
    for (const changes of [{}, { stream: true }]) {
      const response = await asBob({ max_tokens: 1_080, ...changes });
      expect([response.status, response.headers.get("x-coop-job")]).toEqual([429, null]);
      const { timeZone } = world.deps.settings;
      expect((await problemOf(response)).message).toContain(`on 2026-04-01 in ${timeZone} (2026-03-31T22:00`);
    }
    await limitBob({ requestsPerMinute: 1 });
    const answers = [await asBob(), await asBob()];
    expect(answers.at(-1)?.status).toBe(429);
    expect(answers.at(-1)?.headers.get("x-coop-job")).toBeNull();
  });

  test("of a tier: names it, and another tier has room", async () => {
    await limitBob({ tierTokensPerMonth: { edge: 1_000 } });
    world.answerWith("one");
    const response = await asBob({ max_tokens: 1_000 });
    const { code, param, message } = await problemOf(response);
    expect([response.status, code, param]).toEqual([429, "tier_quota_exceeded", "model"]);
    expect(message).toMatch(/1000 of your 1000 a month for the tier edge are left \(0 used, 0 held/);
    expect(Number(response.headers.get("retry-after"))).toBe(
      (Date.UTC(2026, 2, 31, 22) - world.clock.now()) / 1000,
    );
    expect((await asBob({ max_tokens: 1_000, model: "coop/local-small" })).status).toBe(200);
    expect((await quotaOf(world.bob.key)).tiers).toMatchObject([
      { tier: "edge", limitTokens: 1_000, by: "operator", usedTokens: 0, leftTokens: 1_000 },
      { tier: "local-small", limitTokens: null, by: null, usedTokens: 12 },
    ]);
  });

  test("of a tier: the default limit of output shrinks to what it has left", async () => {
    await limitBob({ tierTokensPerMonth: { edge: 1_000 } });
    const { open, specs } = gated();
    const answer = asBob();
    await eventually("the job is admitted", () => specs.length === 1);
    expect(specs.map(holdTokens)).toEqual([1_000]);
    open();
    expect((await answer).status).toBe(200);
  });

  test("of the month: the default limit of output counts on credit too", async () => {
    await limitBob({ tokensPerMonth: { kind: "tokens", tokens: 10 } });
    const grant = { id: "g", member: world.bob.member.id, month: "2026-03", tokens: 1_990 };
    await world.deps.accounting.grant(grant, world.clock.now());
    const { open, specs } = gated();
    const answer = asBob();
    await eventually("the job is admitted", () => specs.length === 1);
    expect(specs.map(holdTokens)).toEqual([2_000]);
    open();
    expect((await answer).status).toBe(200);
  });

  test("of jobs at once: asks to come again soon, and lets in again once one has ended", async () => {
    await limitBob({ jobsAtOnce: 1 });
    const { open } = gated();
    const first = asBob();
    const response = await asBob();
    expect(response.headers.get("retry-after")).toBe("5");
    expect(response.headers.get("x-should-retry")).toBeNull();
    expect(await problemOf(response)).toMatchObject({
      status: 429,
      type: "rate_limit_error",
      code: "too_many_at_once",
      message: expect.stringContaining("You may have 1 job at once, and 1 of yours has not ended"),
    });
    open();
    expect((await first).status).toBe(200);
    expect((await asBob()).status).toBe(200);
  });

  test("of requests a minute: the next minute begins anew", async () => {
    await limitBob({ requestsPerMinute: 2 });
    world.answerWith("one");
    world.clock.set(Date.UTC(2026, 2, 1, 12, 0, 41));
    for (const left of ["1", "0"])
      expect((await asBob()).headers.get("x-ratelimit-remaining-requests")).toBe(left);
    const response = await asBob();
    expect(response.headers.get("retry-after")).toBe("19");
    expect(limitHeadersOf(response)).toEqual({
      "x-ratelimit-limit-requests": "2",
      "x-ratelimit-remaining-requests": "0",
      "x-ratelimit-reset-requests": "19s",
    });
    expect(await problemOf(response)).toMatchObject({ status: 429, code: "too_many_requests" });
    world.clock.advance(19_000);
    expect((await asBob()).status).toBe(200);
  });
});

describe("200 requests at once", () => {
  test.each<[string, Partial<MemberLimits>, string]>([
    ["a quota", { tokensPerMonth: { kind: "tokens", tokens: 10_000 } }, "quota_exceeded"],
    ["a tier's cap", { tierTokensPerMonth: { edge: 10_000 } }, "tier_quota_exceeded"],
    ["one job at once", { jobsAtOnce: 1 }, "too_many_at_once"],
    ["one request a minute", { requestsPerMinute: 1 }, "too_many_requests"],
  ])("get one job out of %s that has room for one", async (_, limits, code) => {
    await limitBob(limits);
    const { open, specs } = gated();
    let refused = 0;
    const asked = Array.from({ length: 200 }, async () => {
      const answer = await asBob({ max_tokens: 6_000 });
      if (answer.status === 429) refused += 1;
      return answer;
    });
    await eventually("all but one are refused", () => refused === 199).finally(open);
    const answers = await Promise.all(asked);
    const codes = await Promise.all(
      answers.map(async (answer) => (answer.status === 200 ? "ok" : (await problemOf(answer)).code)),
    );
    expect(codes.filter((one) => one === "ok")).toHaveLength(1);
    expect(codes.filter((one) => one === code)).toHaveLength(199);
    expect(specs).toHaveLength(1);
  });
});

test("a reset is written as clients read it", () => {
  expect([0, 1, 59_001, 60_000, 360_000, 3_600_000, 2_628_000_000].map(resetText)).toEqual([
    "0s",
    "1s",
    "1m0s",
    "1m0s",
    "6m0s",
    "1h0m0s",
    "730h0m0s",
  ]);
});
