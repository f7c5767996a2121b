import {
  grantViewSchema,
  jobListSchema,
  jobViewSchema,
  memberDetailSchema,
  memberListSchema,
  memberViewSchema,
  problemSchema,
  quotaSchema,
  refundViewSchema,
} from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chatBody, createWorld, jobIdOf } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

/** What operators set for members, and what they correct. */

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.expectQuiet();
});

const admin = async (
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Response> =>
  world.request(`/admin${path}`, {
    method,
    headers,
    key: world.operator.key,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
const problemOf = async (response: Response) => ({
  status: response.status,
  ...problemSchema.parse(await response.json()).error,
});
const memberOf = async (name: string) =>
  memberDetailSchema.parse(await (await admin("GET", `/members/${name}`)).json());
const quotaOf = async (key: string) =>
  quotaSchema.parse(await (await world.request("/v1/quota", { key })).json());

describe("a member", () => {
  test("is added with limits, and has the co-op's for the rest", async () => {
    const response = await admin("POST", "/members", {
      name: "cy",
      weight: 2,
      defaultTier: "local-large",
      limits: { jobsAtOnce: 3, tierTokensPerMonth: { edge: null } },
    });
    expect(response.status).toBe(201);
    expect(memberViewSchema.parse(await response.json())).toMatchObject({
      weight: 2,
      defaultTier: "local-large",
      limits: {
        tokensPerMonth: { kind: "default" },
        tierTokensPerMonth: { edge: null },
        jobsAtOnce: 3,
        requestsPerMinute: null,
      },
    });
  });

  test("is changed field by field, and the next request meets it", async () => {
    const set = async (body: unknown) =>
      memberDetailSchema.parse(await (await admin("PATCH", "/members/bob", body)).json());
    await set({
      limits: { tokensPerMonth: { kind: "tokens", tokens: 5_000 }, tierTokensPerMonth: { edge: 70 } },
      weight: 0.5,
    });
    const after = await set({
      limits: { jobsAtOnce: 2, requestsPerMinute: 9, tierTokensPerMonth: { "local-large": 0 } },
      defaultTier: "local-small",
    });
    expect(after).toMatchObject({
      name: "bob",
      weight: 0.5,
      defaultTier: "local-small",
      limits: {
        tokensPerMonth: { kind: "tokens", tokens: 5_000 },
        tierTokensPerMonth: { edge: 70, "local-large": 0 },
        jobsAtOnce: 2,
        requestsPerMinute: 9,
      },
    });
    expect(await quotaOf(world.bob.key)).toEqual(after.quota);
    expect((await world.post("/v1/chat/completions", chatBody(), { key: world.bob.key })).status).toBe(429);
    const back = await set({
      limits: {
        tokensPerMonth: { kind: "default" },
        tierTokensPerMonth: { edge: "default" },
        jobsAtOnce: null,
        requestsPerMinute: null,
      },
    });
    expect(back.limits).toEqual({
      tokensPerMonth: { kind: "default" },
      tierTokensPerMonth: { "local-large": 0 },
      jobsAtOnce: null,
      requestsPerMinute: null,
    });
    expect(await set({ name: "bobby" })).toMatchObject({ id: "mem_bob", name: "bobby" });
    expect((await memberOf("bobby")).id).toBe("mem_bob");
  });

  test("may be limited below what is used: it takes effect, and what is left is nothing", async () => {
    world.answerWith("one", "two");
    await world.post("/v1/chat/completions", chatBody(), { key: world.bob.key });
    await admin("PATCH", "/members/bob", { limits: { tokensPerMonth: { kind: "tokens", tokens: 5 } } });
    expect(await quotaOf(world.bob.key)).toMatchObject({ limitTokens: 5, usedTokens: 13, leftTokens: 0 });
  });

  test("stands in the list with quota and use", async () => {
    world.answerWith("one", "two");
    await world.post("/v1/chat/completions", chatBody(), { key: world.bob.key });
    const list = memberListSchema.parse(await (await admin("GET", "/members")).json());
    expect(list.month).toBe("2026-03");
    expect(new Map(list.data.map((row) => [row.name, [row.limitTokens, row.usedTokens]]))).toEqual(
      new Map([
        ["ada", [null, 0]],
        ["bob", [10_000, 13]],
        ["olga", [null, 0]],
      ]),
    );
  });
});

describe("bad input is named by its field and changes nothing", () => {
  const tokens = (amount: unknown) => ({ limits: { tokensPerMonth: { kind: "tokens", tokens: amount } } });

  test.each<[string, unknown, string, RegExp]>([
    ["a negative quota", tokens(-1), "limits.tokensPerMonth.tokens", />=0/],
    ["an absurd quota", tokens(1e13), "limits.tokensPerMonth.tokens", /<=1000000000000/],
    ["part of a token", tokens(0.5), "limits.tokensPerMonth.tokens", /int/],
    [
      "a tier that is none",
      { limits: { tierTokensPerMonth: { huge: 1 } } },
      "limits.tierTokensPerMonth.huge",
      /no such field/,
    ],
    [
      "a tier's negative quota",
      { limits: { tierTokensPerMonth: { edge: -1 } } },
      "limits.tierTokensPerMonth.edge",
      />=0/,
    ],
    [
      "a tier's quota in words",
      { limits: { tierTokensPerMonth: { edge: "much" } } },
      "limits.tierTokensPerMonth.edge",
      /whole number of tokens from 0 to 1000000000000, null/,
    ],
    ["no job at all", { limits: { jobsAtOnce: 0 } }, "limits.jobsAtOnce", />=1/],
    ["absurdly many jobs", { limits: { jobsAtOnce: 10_001 } }, "limits.jobsAtOnce", /<=10000/],
    [
      "absurdly many requests",
      { limits: { requestsPerMinute: 1e6 } },
      "limits.requestsPerMinute",
      /<=100000/,
    ],
    ["a weight of nothing", { weight: 0 }, "weight", />=0.1/],
    ["a weight over all", { weight: 101 }, "weight", /<=100/],
    ["a tier that nothing serves", { defaultTier: "frontier" }, "defaultTier", /local-large/],
    ["a name of nothing", { name: " " }, "name", /must have 1 to 60 characters/],
    ["a name that is long", { name: "x".repeat(61) }, "name", /must have 1 to 60 characters/],
    ["a name over two lines", { name: "x\ny" }, "name", /one line/],
    ["a name that looks like another's id", { name: "mem_ada" }, "name", /mem_/],
    ["a field of an older co-op", { quotaTokens: 5 }, "quotaTokens", /no such field/],
  ])("%s", async (_, body, param, message) => {
    const before = await memberOf("bob");
    const one = { weight: 3 };
    for (const [method, path, given] of [
      ["PATCH", "/members/bob", { ...one, ...(body as object) }],
      ["POST", "/members", { name: "dora", ...(body as object) }],
    ] as const) {
      const problem = await problemOf(await admin(method, path, given));
      expect(problem).toMatchObject({ status: 400, param });
      expect(problem.message).toMatch(message);
    }
    expect(await memberOf("bob")).toEqual(before);
    expect((await admin("GET", "/members/dora")).status).toBe(404);
  });

  test("a name that is taken, and nothing to change", async () => {
    const before = await memberOf("bob");
    expect(await problemOf(await admin("PATCH", "/members/bob", { name: "ada", weight: 3 }))).toMatchObject({
      status: 409,
      code: "name_taken",
      param: "name",
    });
    const added = await problemOf(await admin("POST", "/members", { name: "ADA" }));
    expect(added).toMatchObject({ status: 409, code: "name_taken", param: "name" });
    expect(added.message).toMatch(/"ADA".*case/);
    expect((await problemOf(await admin("PATCH", "/members/bob", {}))).message).toMatch(
      /something to change/,
    );
    expect(await memberOf("bob")).toEqual(before);
  });

  test("a member who is not there, with the nearest names", async () => {
    for (const [method, path, body] of [
      ["GET", "/members/bobb", undefined],
      ["PATCH", "/members/bobb", { weight: 2 }],
      ["POST", "/members/bobb/grants", { tokens: 5 }],
    ] as const) {
      const problem = await problemOf(await admin(method, path, body));
      expect(problem).toMatchObject({ status: 404, param: "id", nearest: ["bob", "ada", "olga"] });
      expect(problem.message).toContain("Nearest: bob, ");
    }
  });

  test.each<[string, unknown, string, RegExp]>([
    ["a month that does not exist", { tokens: 5, month: "2026-13" }, "month", /month that exists/],
    ["a month that is a day", { tokens: 5, month: "2026-03-01" }, "month", /YYYY-MM/],
    ["a month more than 12 ahead", { tokens: 5, month: "2027-04" }, "month", /up to 2027-03/],
    ["a month before the first member", { tokens: 5, month: "2026-02" }, "month", /began in 2026-03/],
    ["a grant of nothing", { tokens: 0 }, "tokens", /other number than 0/],
    ["a grant of everything", { tokens: 1e13 }, "tokens", /<=1000000000000/],
    ["no amount", { month: "2026-03" }, "tokens", /expected number/],
  ])("%s", async (_, body, param, message) => {
    const problem = await problemOf(await admin("POST", "/members/bob/grants", body));
    expect(problem).toMatchObject({ status: 400, param });
    expect(problem.message).toMatch(message);
    expect((await quotaOf(world.bob.key)).creditTokens).toBe(0);
  });
});

describe("credit", () => {
  const grant = async (body: unknown, headers = {}) =>
    grantViewSchema.parse(await (await admin("POST", "/members/bob/grants", body, headers)).json());

  test("is granted for a month, raises the limit, and is taken back", async () => {
    expect(await grant({ tokens: 500 })).toMatchObject({
      memberName: "bob",
      month: "2026-03",
      repeated: false,
      creditTokens: 500,
    });
    expect(await quotaOf(world.bob.key)).toMatchObject({
      floorTokens: 10_000,
      creditTokens: 500,
      limitTokens: 10_500,
      leftTokens: 10_500,
    });
    for (const month of ["2026-04", "2027-03"])
      expect(await grant({ tokens: 7, month })).toMatchObject({ month, creditTokens: 7 });
    expect(await grant({ tokens: -600 })).toMatchObject({ creditTokens: -100 });
    expect(await quotaOf(world.bob.key)).toMatchObject({ limitTokens: 9_900, floorTokens: 10_000 });
  });

  test("is granted once for each Idempotency-Key", async () => {
    const named = { "idempotency-key": "birthday" };
    expect(await grant({ tokens: 500 }, named)).toMatchObject({ repeated: false, creditTokens: 500 });
    expect(await grant({ tokens: 500 }, named)).toMatchObject({ repeated: true, creditTokens: 500 });
    expect(await grant({ tokens: 500 })).toMatchObject({ repeated: false, creditTokens: 1_000 });
    expect(await grant({ tokens: 7 }, named)).toMatchObject({ repeated: false, creditTokens: 1_007 });
  });
});

describe("a refund", () => {
  const refund = async (job: string) => admin("POST", `/jobs/${job}/refund`);

  test("gives back what a job cost, once", async () => {
    world.answerWith("one", "two");
    const job = jobIdOf(await world.post("/v1/chat/completions", chatBody(), { key: world.bob.key }));
    expect((await quotaOf(world.bob.key)).usedTokens).toBe(13);
    const read = async () =>
      jobViewSchema.parse(await (await world.request(`/v1/jobs/${job}`, { key: world.bob.key })).json());
    expect(await read()).toMatchObject({ chargedTokens: 13, refundedTokens: 0, refundedAtMs: null });
    const first = refundViewSchema.parse(await (await refund(job)).json());
    expect(first).toEqual({ object: "coop.refund", job, tokens: 13, repeated: false });
    const refundedAtMs = world.clock.now();
    expect(await read()).toMatchObject({ chargedTokens: 0, refundedTokens: 13, refundedAtMs });
    const { data } = jobListSchema.parse(
      await (await world.request("/v1/jobs", { key: world.bob.key })).json(),
    );
    expect(data).toMatchObject([{ id: job, chargedTokens: 0, refundedTokens: 13, refundedAtMs }]);
    const second = refundViewSchema.parse(await (await refund(job)).json());
    expect(second).toMatchObject({ tokens: 0, repeated: true });
    expect(await quotaOf(world.bob.key)).toMatchObject({
      usedTokens: 0,
      tiers: [{ tier: "edge", usedTokens: 0 }],
    });
  });

  test("needs a job that is known and has ended", async () => {
    const job = jobIdOf(await world.post("/v1/jobs", { request: chatBody() }, { key: world.bob.key }));
    expect(await problemOf(await refund(job))).toMatchObject({
      status: 409,
      code: "job_not_ended",
      param: "id",
    });
    for (const id of ["job_nowhere", "nonsense"])
      expect(await problemOf(await refund(id))).toMatchObject({ status: 404, param: "id" });
    await world.request(`/v1/jobs/${job}`, { method: "DELETE", key: world.bob.key });
    expect(refundViewSchema.parse(await (await refund(job)).json())).toMatchObject({
      tokens: 0,
      repeated: false,
    });
  });
});
