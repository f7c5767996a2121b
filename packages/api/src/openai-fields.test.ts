import { chatCompletionSchema, chatCompletionChunkSchema, jobViewSchema } from "@coop/protocol";
import type { EngineRequest } from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chatBody, createWorld, jobIdOf } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

/** What single fields of the OpenAI dialect do: to the engine's request, and to the answer. */

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.expectQuiet();
});

const CHAT = "/v1/chat/completions";

/** The engine's request and the needs that a body leads to. */
async function workOf(changes: Readonly<Record<string, unknown>>) {
  const { promise, resolve } = Promise.withResolvers<{
    readonly request: EngineRequest;
    readonly needs: readonly string[];
  }>();
  world.onAdmitted(async (spec) => {
    const attempt = await world.start(spec, { model: "qwen3:32b" });
    resolve({ request: attempt.request, needs: spec.needs });
    await attempt.succeed();
  });
  const response = await world.post(CHAT, chatBody({ model: "qwen3:32b", ...changes }));
  expect(response.status, await response.text()).toBe(200);
  return promise;
}

const tool = (name: string) => ({
  type: "function",
  function: { name, description: name, parameters: { type: "object" }, strict: true },
});
const read = (name: string) => ({ name, description: name, parameters: { type: "object" } });

describe("tools", () => {
  const tools = [tool("clock"), tool("map")];

  test("are the model's to choose from unless the member chooses", async () => {
    for (const tool_choice of [undefined, null, "auto"]) {
      const { request, needs } = await workOf({ tools, tool_choice });
      expect(request).toMatchObject({ tools: [read("clock"), read("map")] });
      expect(request).not.toHaveProperty("toolChoice");
      expect(needs).toEqual(["tools"]);
    }
  });

  test("are left out when none may be called", async () => {
    const { request, needs } = await workOf({ tools, tool_choice: "none", parallel_tool_calls: false });
    expect(request).not.toHaveProperty("tools");
    expect(request).not.toHaveProperty("parallelToolCalls");
    expect(needs).toEqual([]);
  });

  test("are required, all or the one that is named", async () => {
    expect((await workOf({ tools, tool_choice: "required" })).request).toMatchObject({
      tools: [read("clock"), read("map")],
      toolChoice: "required",
    });
    const named = { type: "function", function: { name: "map" } };
    expect((await workOf({ tools, tool_choice: named })).request).toMatchObject({
      tools: [read("map")],
      toolChoice: "required",
    });
  });

  test("are called one at a time when the member asks so", async () => {
    expect((await workOf({ tools, parallel_tool_calls: false })).request).toMatchObject({
      parallelToolCalls: false,
    });
  });

  test("stream as one chunk a call, each with its index, and end with tool_calls", async () => {
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec, { model: "qwen3:32b" });
      await attempt.output([
        { kind: "tool-call", index: 0, call: { id: "a", name: "clock", arguments: "{}" } },
        { kind: "tool-call", index: 1, call: { id: "b", name: "map", arguments: '{"x":1}' } },
      ]);
      await attempt.succeed();
    });
    const response = await world.post(CHAT, chatBody({ model: "qwen3:32b", stream: true, tools }));
    const chunks = chunksOf(await response.text());
    expect(chunks.map(({ choices: [choice] }) => choice?.delta.tool_calls)).toEqual([
      [{ index: 0, id: "a", type: "function", function: { name: "clock", arguments: "{}" } }],
      [{ index: 1, id: "b", type: "function", function: { name: "map", arguments: '{"x":1}' } }],
      undefined,
    ]);
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe("tool_calls");
  });
});

const chunksOf = (text: string) =>
  text
    .split("\n\n")
    .filter((block) => block.startsWith("data: {"))
    .map((block) => chatCompletionChunkSchema.parse(JSON.parse(block.slice("data: ".length))));

test.each([
  ["none", false, []],
  ["minimal", false, []],
  ["low", "low", ["thinking"]],
  ["medium", "medium", ["thinking"]],
  ["high", "high", ["thinking"]],
  ["xhigh", "high", ["thinking"]],
])("reasoning_effort %s asks the engine to think: %s", async (reasoning_effort, think, needs) => {
  const work = await workOf({ reasoning_effort });
  expect(work.request).toMatchObject({ think });
  expect(work.needs).toEqual(needs);
});

test("what the model thought before goes back to it, under either name", async () => {
  for (const name of ["reasoning_content", "reasoning"]) {
    const { request } = await workOf({
      messages: [
        { role: "assistant", content: "Yes", [name]: "Hm." },
        { role: "user", content: "Sure?" },
      ],
    });
    expect(request).toMatchObject({ messages: [{ content: "Yes", reasoning: "Hm." }, { content: "Sure?" }] });
  }
});

describe("log probabilities", () => {
  const said = [
    { token: "He", logprob: -0.1, bytes: [72, 101], top: [{ token: "He", logprob: -0.1, bytes: [72, 101] }] },
    { token: "j", logprob: -2, bytes: null, top: [] },
  ];
  const told = [
    {
      token: "He",
      logprob: -0.1,
      bytes: [72, 101],
      top_logprobs: [{ token: "He", logprob: -0.1, bytes: [72, 101] }],
    },
    { token: "j", logprob: -2, bytes: null, top_logprobs: [] },
  ];
  const answerWithLogprobs = (): void =>
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      await attempt.output([
        { kind: "content", text: "He" },
        { kind: "logprobs", tokens: said.slice(0, 1) },
        { kind: "content", text: "j" },
        { kind: "logprobs", tokens: said.slice(1) },
      ]);
      await attempt.succeed();
    });

  test("are asked of the engine with as many alternatives", async () => {
    expect((await workOf({ logprobs: true })).request).toMatchObject({ topLogprobs: 0 });
    expect((await workOf({ logprobs: true, top_logprobs: 5 })).request).toMatchObject({ topLogprobs: 5 });
    expect((await workOf({ logprobs: false })).request).not.toHaveProperty("topLogprobs");
  });

  test("come with the tokens that they belong to, whole and streamed", async () => {
    answerWithLogprobs();
    const whole = await world.post(CHAT, chatBody({ logprobs: true, top_logprobs: 1 }));
    expect(chatCompletionSchema.parse(await whole.json()).choices[0]).toMatchObject({
      message: { content: "Hej" },
      logprobs: { content: told, refusal: null },
    });
    const streamed = await world.post(CHAT, chatBody({ logprobs: true, top_logprobs: 1, stream: true }));
    const [first] = chunksOf(await streamed.text());
    expect(first?.choices[0]).toMatchObject({ delta: { content: "Hej" }, logprobs: { content: told } });
  });

  test("are null where the engine tells none", async () => {
    world.answerWith("Hej");
    const whole = await world.post(CHAT, chatBody({ logprobs: true }));
    expect(chatCompletionSchema.parse(await whole.json()).choices[0]?.logprobs).toBeNull();
  });
});

describe("fields that change nothing", () => {
  const ignoredIn = async (path: string, body: unknown): Promise<string | null> => {
    world.onAdmitted(async (spec) => (await world.start(spec)).succeed());
    const response = await world.post(path, body);
    expect(response.status, await response.text()).toBeLessThan(300);
    return response.headers.get("x-coop-ignored-fields");
  };

  test("are named in a header, wherever they were", async () => {
    const body = chatBody({
      store: true,
      messages: [
        { role: "user", content: "a", name: "ada" },
        { role: "user", content: [{ type: "text", text: "b", cache_control: {} }], name: "ada" },
      ],
      ärende: 1,
      __proto__x: 1,
    });
    expect(await ignoredIn(CHAT, body)).toBe(
      "messages[].name, messages[].content[].cache_control, store, %C3%A4rende, __proto__x",
    );
    expect(await ignoredIn("/v1/jobs", { request: chatBody({ store: true }) })).toBe("request.store");
    expect(await ignoredIn("/v1/embeddings", { model: "nomic-embed-text", input: "a", truncate: true })).toBe(
      "truncate",
    );
  });

  test("are named also when every object has a field of that name", async () => {
    const text = JSON.stringify(chatBody()).replace("{", '{"__proto__":{"a":1},"constructor":2,');
    expect(await ignoredIn(CHAT, text)).toBe("__proto__, constructor");
  });

  test("are counted when they are many, and none are named when there are none", async () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`field${at}`, at]));
    const header = await ignoredIn(CHAT, chatBody(many));
    expect(header).toMatch(/^field0, .*field19, and 480 more$/);
    expect(await ignoredIn(CHAT, chatBody({ seed: 1, metadata: { any: "name" } }))).toBeNull();
  });
});

test("a call without arguments in the history may have an empty text for them", async () => {
  const call = { id: "c", type: "function", function: { name: "clock", arguments: "" } };
  const { request } = await workOf({ messages: [{ role: "assistant", tool_calls: [call] }] });
  expect(request).toMatchObject({ messages: [{ toolCalls: [{ name: "clock", arguments: "" }] }] });
});

test("user and metadata are kept with a job that is submitted, and its own labels win", async () => {
  const metadataOf = async (body: unknown): Promise<unknown> => {
    world.onAdmitted(async (spec) => (await world.start(spec)).succeed());
    const response = await world.post("/v1/jobs", body);
    return jobViewSchema.parse(await response.json()).metadata;
  };
  const request = chatBody({ user: "u-1", metadata: { ticket: "7", place: "Lund" } });
  expect(await metadataOf({ request, metadata: { place: "Umeå" } })).toEqual({
    user: "u-1",
    ticket: "7",
    place: "Umeå",
  });
  const embedding = { model: "nomic-embed-text", input: "a", user: "u-2" };
  expect(await metadataOf({ endpoint: "embeddings", request: embedding })).toEqual({ user: "u-2" });
});

test("user and metadata are kept with the job", async () => {
  world.answerWith("Hej");
  const response = await world.post(CHAT, chatBody({ user: "u-1", metadata: { ticket: "7" } }));
  await response.json();
  const view = await world.request(`/v1/jobs/${jobIdOf(response)}`);
  expect(jobViewSchema.parse(await view.json()).metadata).toEqual({ user: "u-1", ticket: "7" });
});
