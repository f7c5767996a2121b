import type { AddressInfo } from "node:net";
import { assert, DEFAULT_LIMITS } from "@coop/core";
import type { MemberLimits } from "@coop/core";
import { serve } from "@hono/node-server";
import OpenAI, {
  AuthenticationError,
  BadRequestError,
  ConflictError,
  NotFoundError,
  RateLimitError,
  UnprocessableEntityError,
} from "openai";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "./testing/eventually.ts";
import { createWorld, jobIdOf } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

/** The OpenAI client from npm against the app on a real socket. */

let world: World;
let server: ReturnType<typeof serve>;
let client: OpenAI;

beforeEach(async () => {
  world = await createWorld();
  server = await new Promise((resolve) => {
    const listening = serve({ fetch: world.app.fetch, port: 0, hostname: "127.0.0.1" }, () =>
      resolve(listening),
    );
  });
  client = clientWith(world.ada.key);
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  await world.expectQuiet();
});

const clientWith = (apiKey: string): OpenAI => {
  const { port } = server.address() as AddressInfo;
  return new OpenAI({ apiKey, baseURL: `http://127.0.0.1:${port}/v1`, maxRetries: 0 });
};
const UNLIMITED: MemberLimits = { ...DEFAULT_LIMITS, tokensPerMonth: { kind: "unlimited" } };
const messages = [{ role: "user" as const, content: "Say hello" }];

test("chats", async () => {
  world.answerWith("Hello", " Ada");
  const { data, response } = await client.chat.completions
    .create({ model: "coop/auto", messages })
    .withResponse();
  expect(data.choices[0]?.message.content).toBe("Hello Ada");
  expect(data.usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 2, total_tokens: 13 });
  expect(response.headers.get("x-coop-node")).toBe("studio");
});

test("streams, with usage", async () => {
  world.answerWith("Hel", "lo");
  const stream = await client.chat.completions.create({
    model: "llama3.2:3b",
    messages,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = "";
  let total = 0;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    total = chunk.usage?.total_tokens ?? total;
  }
  expect([text, total]).toEqual(["Hello", 13]);
});

test("runs its own helper that gathers a stream with tool calls", async () => {
  world.onAdmitted(async (spec) => {
    const attempt = await world.start(spec, { model: "qwen3:32b" });
    await attempt.say("Let me look. ");
    await attempt.output([
      { kind: "tool-call", index: 0, call: { id: "call_1", name: "clock", arguments: "{}" } },
    ]);
    await attempt.succeed();
  });
  const completion = await client.chat.completions
    .stream({
      model: "qwen3:32b",
      messages,
      tools: [{ type: "function", function: { name: "clock", parameters: {} } }],
    })
    .finalChatCompletion();
  expect(completion.choices[0]).toMatchObject({
    finish_reason: "tool_calls",
    message: { content: "Let me look. ", tool_calls: [{ id: "call_1", function: { name: "clock" } }] },
  });
});

test("embeds, asking for base64 as it does by default", async () => {
  world.onAdmitted(async (spec) => {
    const attempt = await world.start(spec, { model: "nomic-embed-text:latest" });
    await attempt.output([{ kind: "embedding", index: 0, vector: [0.5, -1, 0.25] }]);
    await attempt.succeed({ promptTokens: 2, outputTokens: 0 });
  });
  const { data, usage } = await client.embeddings.create({ model: "nomic-embed-text", input: "one" });
  expect([...(data[0]?.embedding ?? [])]).toEqual([0.5, -1, 0.25]);
  expect(usage.total_tokens).toBe(2);
});

test("lists models and finds one", async () => {
  const ids: string[] = [];
  for await (const model of client.models.list()) ids.push(model.id);
  expect(ids).toContain("coop/local-large");
  expect((await client.models.retrieve("coop/edge")).id).toBe("coop/edge");
});

describe("its error classes fit", () => {
  const ask = async (body: { readonly model: string } & Record<string, unknown>, with_ = client) =>
    with_.chat.completions.create({ messages, ...body });

  test("refusals", async () => {
    await expect(ask({ model: "coop/edge", temperature: 9 })).rejects.toMatchObject({
      constructor: BadRequestError,
      param: "temperature",
      code: "invalid_value",
    });
    await expect(ask({ model: "lama3.2:3b" })).rejects.toMatchObject({
      constructor: NotFoundError,
      code: "model_not_found",
    });
    await expect(
      ask({ model: "gemma4", tools: [{ type: "function", function: { name: "f" } }] }),
    ).rejects.toBeInstanceOf(UnprocessableEntityError);
    await expect(ask({ model: "coop/edge" }, clientWith(`${world.ada.key}x`))).rejects.toBeInstanceOf(
      AuthenticationError,
    );
    await expect(
      ask({ model: "coop/edge", max_tokens: 9_999 }, clientWith(world.bob.key)),
    ).rejects.toMatchObject({ constructor: RateLimitError, code: "quota_exceeded" });
  });

  test("each limit by its code, with what is left and when it begins anew", async () => {
    const { members } = world.deps;
    const { id } = world.bob.member;
    const bob = clientWith(world.bob.key);
    world.onAdmitted(async () => undefined);
    const held = await world.post(
      "/v1/jobs",
      { request: { model: "coop/edge", messages } },
      { key: world.bob.key },
    );
    for (const [limits, code, headers] of [
      [
        { tokensPerMonth: { kind: "tokens", tokens: 1 } },
        "quota_exceeded",
        { "x-ratelimit-remaining-tokens": "0" },
      ],
      [{ tierTokensPerMonth: { edge: 1 } }, "tier_quota_exceeded", { "x-should-retry": "false" }],
      [{ jobsAtOnce: 1 }, "too_many_at_once", { "retry-after": "5" }],
      [
        { requestsPerMinute: 1 },
        "too_many_requests",
        { "retry-after": "60", "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m0s" },
      ],
    ] as const) {
      await members.setMember(id, { limits: { ...UNLIMITED, ...limits } });
      const refusal: unknown = await ask({ model: "coop/edge" }, bob).catch((error: unknown) => error);
      assert(refusal instanceof RateLimitError, `${code} is a RateLimitError`);
      expect([refusal.code, refusal.type]).toEqual([code, "rate_limit_error"]);
      expect(Object.fromEntries(refusal.headers)).toMatchObject(headers);
    }
    await world.desk.cancel(jobIdOf(held), id, "member", world.clock.now());
  });

  test("a minute that is full is waited for by the client itself", async () => {
    const { members } = world.deps;
    await members.setMember(world.bob.member.id, { limits: { ...UNLIMITED, requestsPerMinute: 1 } });
    world.clock.set(Date.UTC(2026, 2, 1, 12, 0, 59, 500));
    world.answerWith("Hello");
    const eager = new OpenAI({ apiKey: world.bob.key, baseURL: client.baseURL, maxRetries: 1 });
    await ask({ model: "coop/edge" }, eager);
    const second = ask({ model: "coop/edge" }, eager);
    await eventually("the minute refused it", () =>
      world.logged.some((line) => line.includes('"status":429')),
    );
    world.clock.advance(1_000);
    expect((await second).object).toBe("chat.completion");
  });

  test("an error in the middle of a stream", async () => {
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      await attempt.say("half");
      await attempt.fail("engine-error", "it broke");
    });
    const stream = await client.chat.completions.create({ model: "coop/edge", messages, stream: true });
    const read = async (): Promise<void> => {
      for await (const chunk of stream)
        assert(chunk.choices.length === 1, "chunks before the error have a choice");
    };
    await expect(read()).rejects.toMatchObject({
      code: "engine_error",
      message: expect.stringContaining("it broke"),
    });
  });

  test("a cancelled job is not sent again by the client itself", async () => {
    world.onAdmitted(
      async (spec) => void (await world.desk.cancel(spec.id, spec.member, "member", world.clock.now())),
    );
    const eager = new OpenAI({ apiKey: world.ada.key, baseURL: client.baseURL, maxRetries: 2 });
    await expect(eager.chat.completions.create({ model: "coop/edge", messages })).rejects.toBeInstanceOf(
      ConflictError,
    );
    expect(world.admitted).toHaveLength(1);
  });
});

describe("its abort cancels the job within two seconds", () => {
  test.each(["queued", "decode"])("in %s, streamed and not", async (phase) => {
    for (const stream of [false, true]) {
      const reached = Promise.withResolvers<Parameters<Parameters<World["onAdmitted"]>[0]>[0]>();
      world.onAdmitted(async (spec) => {
        if (phase === "decode") await (await world.start(spec)).say("one", "two");
        reached.resolve(spec);
      });
      const controller = new AbortController();
      const answer = client.chat.completions.create(
        { model: "coop/edge", messages, stream },
        { signal: controller.signal },
      );
      const outcome = (async () => {
        const given = await answer;
        if (Symbol.asyncIterator in given)
          for await (const chunk of given) assert(chunk.object === "chat.completion.chunk", "a chunk");
      })().then(
        () => "ended",
        () => "aborted",
      );
      const { id } = await reached.promise;
      if (phase === "decode" && stream) await answer;
      const abortedAtMs = performance.now();
      controller.abort();
      await world.until(id, ({ state }) => state.state === "cancelled");
      expect(performance.now() - abortedAtMs).toBeLessThan(2_000);
      await outcome;
    }
  });
});
