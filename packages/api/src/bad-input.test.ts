import { OperationalError } from "@coop/core";
import type { JobDesk } from "@coop/core";
import { buildModelReport, buildNodeReport, buildNodeView } from "@coop/core/testing";
import { problemSchema } from "@coop/protocol";
import type { Problem } from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MAX_BODY_BYTES } from "./request-body.ts";
import { CANARY, chatBody, createWorld } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.expectQuiet();
});

const CHAT = "/v1/chat/completions";
const refusalOf = async (response: Response): Promise<{ readonly status: number } & Problem["error"]> => ({
  status: response.status,
  ...problemSchema.parse(await response.json()).error,
});
const refused = async (body: unknown, path = CHAT) => refusalOf(await world.post(path, body));

describe("a body that is none", () => {
  const cases: readonly [what: string, body: string, position: string][] = [
    ["nothing", "", "empty"],
    ["a word", "hello", "position 0 (line 1, column 1)"],
    ["a missing comma", '{"model": "a"\n "messages": []}', "position 15 (line 2, column 2)"],
    ["a trailing comma", '{"model": "a",}', "position 14 "],
    ["a bad escape", String.raw`{"model": "\x"}`, "position 11 "],
    ["half of one", '{"model": "a", "messages": [', "ends at position 28"],
    ["two of them", "{} {}", "position 3 "],
  ];
  test.each(cases)("is refused: %s", async (_what, body, position) => {
    const { status, code, message, param } = await refused(body);
    expect([status, code, param]).toEqual([400, "invalid_json", null]);
    expect(message).toContain(position);
  });

  test("is refused when it is not UTF-8", async () => {
    const response = await world.request(CHAT, { method: "POST", body: new Uint8Array([0x7b, 0xff, 0x7d]) });
    expect(await refusalOf(response)).toMatchObject({ status: 400, code: "invalid_encoding" });
  });

  test("is refused when it nests too deep, however deep", async () => {
    for (const depth of [65, 1_000_000]) {
      const { status, code } = await refused(`{"model":"a","x":${"[".repeat(depth)}${"]".repeat(depth)}}`);
      expect([status, code]).toEqual([400, "json_too_deep"]);
    }
  });

  test("is refused by its declared length, and otherwise while it comes in, with no more of it read", async () => {
    const declared = await world.request(CHAT, {
      method: "POST",
      body: " ".repeat(10),
      headers: { "content-length": String(MAX_BODY_BYTES + 1) },
    });
    expect(await refusalOf(declared)).toMatchObject({ status: 413, code: "body_too_large" });

    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        pulled += 1;
        controller.enqueue(new Uint8Array(65_536).fill(0x20));
      },
    });
    const streamed = await world.request(CHAT, {
      method: "POST",
      body: endless,
      duplex: "half",
    });
    expect(await refusalOf(streamed)).toMatchObject({ status: 413, code: "body_too_large" });
    expect(pulled * 65_536).toBeLessThan(MAX_BODY_BYTES + 4 * 65_536);
  });

  test("is refused when it breaks off", async () => {
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        controller.enqueue(new Uint8Array(10).fill(0x20));
        controller.error(new Error("the member's connection was reset"));
      },
    });
    const response = await world.request(CHAT, { method: "POST", body: broken, duplex: "half" });
    expect(await refusalOf(response)).toMatchObject({ status: 400, code: "incomplete_body" });
  });

  test("of just the size that is allowed is read", async () => {
    const body = JSON.stringify(chatBody({ messages: 3 }));
    const { param } = await refused(body.padEnd(MAX_BODY_BYTES, " "));
    expect(param).toBe("messages");
  });
});

describe("a field that is wrong is named", () => {
  const user = (content: unknown) => ({ messages: [{ role: "user", content }] });
  const clock = { type: "function", function: { name: "clock" } };
  const callsWith = (...texts: readonly string[]) => ({
    role: "assistant",
    tool_calls: texts.map((text, at) => ({
      id: `c${at}`,
      type: "function",
      function: { name: "clock", arguments: text },
    })),
  });
  const cases: readonly [param: string, changes: Readonly<Record<string, unknown>>][] = [
    ["model", { model: undefined }],
    ["model", { model: 3 }],
    ["model", { model: "" }],
    ["messages", { messages: undefined }],
    ["messages", { messages: "hello" }],
    ["messages", { messages: [] }],
    ["messages[0]", { messages: ["hello"] }],
    ["messages[0].role", { messages: [{ role: "king", content: "x" }] }],
    ["messages[0].content", user(3)],
    ["messages[0].content", { messages: [{ role: "user" }] }],
    ["messages[0].content[0].type", user([{ type: "input_audio" }])],
    ["messages[0].content[1].text", user([{ type: "text", text: "a" }, { type: "text" }])],
    [
      "messages[0].content[0].image_url.url",
      user([{ type: "image_url", image_url: { url: "https://example.org/a.png" } }]),
    ],
    ["messages[0].tool_call_id", { messages: [{ role: "tool", content: "x" }] }],
    ["stream", { stream: "yes" }],
    ["temperature", { temperature: 2.1 }],
    ["top_p", { top_p: -0.1 }],
    ["seed", { seed: 1.5 }],
    ["stop", { stop: 3 }],
    ["max_tokens", { max_tokens: 0 }],
    ["max_completion_tokens", { max_completion_tokens: -1 }],
    ["n", { n: 2 }],
    ["logprobs", { logprobs: "yes" }],
    ["top_logprobs", { top_logprobs: 2 }],
    ["top_logprobs", { logprobs: true, top_logprobs: 21 }],
    ["logit_bias.50256", { logit_bias: { "50256": -100 } }],
    ["function_call", { function_call: "auto" }],
    ["modalities[1]", { modalities: ["text", "audio"] }],
    ["user", { user: 7 }],
    ["metadata.a", { metadata: { a: 1 } }],
    ["functions", { functions: [] }],
    ["tool_choice", { tool_choice: "any" }],
    ["tool_choice", { tool_choice: "required" }],
    [
      "tool_choice.function.name",
      { tools: [clock], tool_choice: { type: "function", function: { name: "f" } } },
    ],
    ["response_format", { tools: [clock], response_format: { type: "json_object" } }],
    ["tools[0].type", { tools: [{ type: "custom", custom: { name: "x" } }] }],
    ["messages[0].tool_call_id", { messages: [{ role: "tool", content: "x", tool_call_id: "c" }] }],
    ["messages[0].tool_calls[1].function.arguments", { messages: [callsWith("{}", "[]")] }],
    ["tools[0].function.name", { tools: [{ type: "function", function: {} }] }],
    ["response_format.json_schema", { response_format: { type: "json_schema" } }],
    ["reasoning_effort", { reasoning_effort: "huge" }],
  ];
  test.each(cases)("%s in %j", async (param, changes) => {
    const refusal = await refused(chatBody(changes));
    expect(refusal).toMatchObject({ status: 400, type: "invalid_request_error", param });
    expect(refusal.message).toContain(param);
  });

  test("also in a header", async () => {
    for (const [header, value] of [
      ["X-Coop-Privacy", "secret"],
      ["Idempotency-Key", "k".repeat(256)],
    ] as const) {
      const response = await world.post(CHAT, chatBody(), { headers: { [header]: value } });
      expect(await refusalOf(response)).toMatchObject({ status: 400, param: header });
    }
  });

  test("also for embeddings and jobs", async () => {
    expect(await refused({ model: "nomic-embed-text", input: [[1, 2]] }, "/v1/embeddings")).toMatchObject({
      status: 400,
      param: "input",
    });
    expect(await refused({ model: "nomic-embed-text", input: "" }, "/v1/embeddings")).toMatchObject({
      status: 400,
      param: "input",
    });
    expect(await refused({ request: chatBody(), deadlineSeconds: 0 }, "/v1/jobs")).toMatchObject({
      status: 400,
      param: "deadlineSeconds",
    });
    expect(await refused({ request: chatBody(), metadata: { a: 1 } }, "/v1/jobs")).toMatchObject({
      status: 400,
      param: "metadata.a",
    });
    expect(await refused({}, "/v1/jobs")).toMatchObject({ status: 400, param: "request" });
    expect(await refused([], "/v1/jobs")).toMatchObject({ status: 400, param: null });
  });
});

describe("a model", () => {
  test("that no node has is a 404 with the nearest names", async () => {
    const { status, code, param, nearest, message } = await refused(chatBody({ model: "lama3.2:3b" }));
    expect([status, code, param]).toEqual([404, "model_not_found", "model"]);
    expect(nearest?.[0]).toBe("llama3.2:3b");
    expect(message).toContain("llama3.2:3b");
    expect((await refused(chatBody({ model: "coop/edgy" }))).nearest?.[0]).toBe("coop/edge");
  });

  test("named coop/frontier is refused with the reason", async () => {
    expect(await refused(chatBody({ model: "coop/frontier" }))).toMatchObject({
      status: 400,
      code: "tier_not_configured",
      param: "model",
    });
  });

  test("that could never serve the request is a 422 with each node's reasons", async () => {
    const tools = [{ type: "function", function: { name: "f" } }];
    const { status, code, nodes } = await refused(chatBody({ model: "gemma4", tools }));
    expect([status, code]).toEqual([422, "no_node_can_serve"]);
    expect(nodes?.map(({ node }) => node)).toEqual(["studio", "pi"]);
    expect(nodes?.[0]?.reasons).toContain("gemma4:latest has no tools");
  });

  test("that is below the tier asked for everywhere is a 422", async () => {
    await world.publish([buildNodeView()]);
    const { status, nodes } = await refused(chatBody({ model: "coop/local-large" }));
    expect(status).toBe(422);
    expect(nodes).toEqual([
      { node: "studio", reasons: [expect.stringContaining("asks for local-large or better")] },
    ]);
  });

  test("served by a cloud is refused to work that may not leave, allowed to what may", async () => {
    const model = buildModelReport({ name: "big:cloud", cloud: true });
    await world.publish([buildNodeView({ report: buildNodeReport({ models: [model] }) })]);
    world.answerWith("ok");
    for (const privacy of ["own", "coop"]) {
      const response = await world.post(CHAT, chatBody({ model: "big:cloud" }), {
        headers: { "x-coop-privacy": privacy },
      });
      expect((await refusalOf(response)).status).toBe(422);
    }
    const allowed = await world.post(CHAT, chatBody({ model: "big:cloud" }), {
      headers: { "x-coop-privacy": "any" },
    });
    expect(allowed.status).toBe(200);
  });

  test.each(["llama3.2:3b", "coop/edge"])(
    "%s is refused while no machine has joined, with what to do",
    async (model) => {
      world = await createWorld({ nodes: [] });
      const refusal = await refused(chatBody({ model }));
      expect(refusal).toMatchObject({ status: 503, code: "no_nodes" });
      expect(refusal.message).toContain("coop invite-node");
    },
  );

  test("is not judged before a scheduler has reported", async () => {
    const empty = await createWorld({
      replace: () => ({ board: { publish: async () => undefined, read: async () => null } }),
    });
    expect(await refusalOf(await empty.post(CHAT, chatBody()))).toMatchObject({
      status: 503,
      code: "fleet_unknown",
    });
  });
});

describe("a prompt", () => {
  test("longer than any context is a 400", async () => {
    const content = "word ".repeat(40_000);
    const refusal = await refused(chatBody({ messages: [{ role: "user", content }] }));
    expect(refusal).toMatchObject({ status: 400, code: "context_length_exceeded", param: "messages" });
    expect(refusal.message).toContain("32768");
    const input = ["short", "word ".repeat(3_000)];
    expect(await refused({ model: "nomic-embed-text", input }, "/v1/embeddings")).toMatchObject({
      code: "context_length_exceeded",
      param: "input",
    });
  });

  test("leaves what its context has for the answer, however much was asked", async () => {
    const seen: number[] = [];
    world.onAdmitted(async (spec) => {
      seen.push(spec.promptTokens + spec.maxOutputTokens);
      await (await world.start(spec)).succeed();
    });
    await world.post(CHAT, chatBody({ model: "llama3.2:3b", max_tokens: 1_000_000 }));
    expect(seen).toEqual([16_384]);
  });
});

describe("limits", () => {
  const asBob = async (changes = {}) => world.post(CHAT, chatBody(changes), { key: world.bob.key });

  test("a quota that is spent is a 429 that says what is left and when to come again", async () => {
    const response = await asBob({ max_tokens: 9_990 });
    const { status, code, message } = await refusalOf(response);
    expect([status, code]).toEqual([429, "quota_exceeded"]);
    expect(message).toMatch(/10000 of your 10000 .* are left \(0 used, 0 held/);
    // From noon UTC of 1 March to 1 April in Stockholm, where summer time has begun: 30.4 days and 23 hours.
    const untilApril = (Date.UTC(2026, 2, 31, 22) - world.clock.now()) / 1000;
    expect(Math.abs(Number(response.headers.get("retry-after")) - untilApril)).toBeLessThanOrEqual(61);
    expect(response.headers.get("x-should-retry")).toBe("false");
  });

  test("a quota held by running jobs asks to come again soon", async () => {
    const gate = Promise.withResolvers<void>();
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      await gate.promise;
      await attempt.succeed();
    });
    const first = asBob({ max_tokens: 9_000 });
    const response = await asBob({ max_tokens: 9_000 });
    expect(await refusalOf(response)).toMatchObject({ status: 429, code: "quota_exceeded" });
    expect(response.headers.get("retry-after")).toBe("30");
    gate.resolve();
    await first;
  });

  test("no number of requests at once takes more than the quota", async () => {
    world.answerWith("one");
    const all = await Promise.all(Array.from({ length: 200 }, async () => asBob({ max_tokens: 4_000 })));
    const statuses = all.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    const { usedTokens } = await world.desk.accounting.account(world.bob.member.id, "2026-03");
    expect(usedTokens).toBe(12 * statuses.filter((status) => status === 200).length);
  });

  test("the default limit of output shrinks to what the quota has left", async () => {
    const left: number[] = [];
    world.onAdmitted(async (spec) => {
      left.push(10_000 - spec.promptTokensMax - spec.maxOutputTokens);
      await (await world.start(spec)).succeed({ promptTokens: spec.promptTokensMax, outputTokens: 4_096 });
    });
    for (let request = 0; request < 3; request++) expect((await asBob()).status).toBe(200);
    const [first = 0, second = 0, third = 0] = left;
    expect(first).toBeGreaterThan(5_000);
    expect(second).toBe(first);
    // The third gets just what the two before have left.
    expect(third).toBe(2 * (10_000 - first));
  });

  test("too many waiting jobs are a 429, the member's own or the co-op's", async () => {
    for (const [caps, words] of [
      [{ perMember: 1, total: 10 }, "You have too many"],
      [{ perMember: 10, total: 1 }, "The co-op has too many"],
    ] as const) {
      world = await createWorld({ replace: () => ({ pendingCaps: caps }) });
      const { id } = (await (await world.post("/v1/jobs", { request: chatBody() })).json()) as { id: string };
      const response = await world.post(CHAT, chatBody());
      expect(await refusalOf(response)).toMatchObject({
        status: 429,
        code: "too_many_pending",
        message: expect.stringContaining(words),
      });
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      await world.request(`/v1/jobs/${id}`, { method: "DELETE" });
    }
  });
});

describe("when the store is away", () => {
  const away = async (): Promise<never> => {
    throw new OperationalError("store-unavailable", "Redis does not answer within 1000 ms", {
      retriable: true,
    });
  };

  test("every endpoint that needs it says 503 and when to come again", async () => {
    world = await createWorld({
      replace: ({ desk, accounting, members }) => ({
        desk: { ...desk, admit: away, read: away, list: away } satisfies JobDesk,
        accounting: { ...accounting, account: away },
        members: { ...members, members: away },
      }),
    });
    for (const [method, path, body] of [
      ["POST", CHAT, chatBody()],
      ["POST", CHAT, chatBody({ stream: true })],
      ["POST", "/v1/jobs", { request: chatBody() }],
      ["GET", "/v1/jobs", undefined],
      ["GET", "/v1/jobs/job_1", undefined],
      ["GET", "/v1/quota", undefined],
      ["GET", "/v1/nodes", undefined],
    ] as const) {
      const response = await world.request(path, { method, ...(body && { body: JSON.stringify(body) }) });
      expect(await refusalOf(response)).toMatchObject({ status: 503, code: "store_unavailable" });
      expect(response.headers.get("retry-after")).toBe("2");
      // The member can look up whether the job was taken after all.
      if (path === CHAT) expect(response.headers.get("x-coop-job")).toMatch(/^job_/);
    }
    world = await createWorld();
  });

  test("the server is alive and not ready", async () => {
    world = await createWorld({ replace: () => ({ board: { publish: away, read: away } }) });
    expect((await world.app.request("/healthz")).status).toBe(200);
    const ready = await world.app.request("/readyz");
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: "not-ready", store: "store-unavailable", scheduler: "unknown" },
    ]);
  });

  test("a key cannot be checked, and nobody gets in", async () => {
    world = await createWorld({ replace: ({ members }) => ({ members: { ...members, key: away } }) });
    expect((await world.request("/v1/models")).status).toBe(503);
  });
});

test("a bug is a 500 that shows nothing of itself but in the log", async () => {
  world = await createWorld({
    replace: ({ desk }) => ({
      desk: {
        ...desk,
        admit: async () => {
          throw new TypeError("a broken part");
        },
      },
    }),
  });
  const response = await world.post(CHAT, chatBody());
  const text = await response.text();
  expect(response.status).toBe(500);
  expect(text).not.toContain("broken part");
  expect(text).not.toContain(CANARY);
  expect(world.logged.some((line) => line.includes("broken part"))).toBe(true);
});

test("a path that is not there is a 404 in the dialect's shape", async () => {
  expect(await refusalOf(await world.request("/v1/chat"))).toMatchObject({
    status: 404,
    code: "unknown_path",
  });
});
