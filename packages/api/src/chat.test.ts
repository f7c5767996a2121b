import { problemSchema } from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chatBody, createWorld, jobIdOf } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.expectQuiet();
});

const events = (text: string): unknown[] =>
  text
    .split("\n\n")
    .filter((block) => block.startsWith("data: {"))
    .map((block) => JSON.parse(block.slice("data: ".length)));

describe("an answer in one piece", () => {
  test("has the model's words, the exact usage, and headers that say where it ran", async () => {
    world.answerWith("Hello", ", ", "Ada");
    const response = await world.post("/v1/chat/completions", chatBody());
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      id: `chatcmpl-${jobIdOf(response)}`,
      object: "chat.completion",
      created: world.clock.now() / 1000,
      model: "llama3.2:3b",
      choices: [{ index: 0, message: { role: "assistant", content: "Hello, Ada" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 11, completion_tokens: 3, total_tokens: 14 },
    });
    expect(response.headers.get("x-coop-node")).toBe("studio");
    expect(response.headers.get("x-coop-model")).toBe("llama3.2:3b");
    expect(response.headers.get("x-coop-tier")).toBe("edge");
    expect(response.headers.get("x-coop-truncated")).toBeNull();
  });

  test("reads a body whatever Content-Type it claims, and a key in x-api-key", async () => {
    world.answerWith("Hello");
    const response = await world.app.request("/v1/chat/completions", {
      method: "POST",
      body: JSON.stringify(chatBody()),
      headers: { "x-api-key": world.ada.key, "content-type": "application/x-www-form-urlencoded" },
    });
    expect(response.status).toBe(200);
    await response.json();
  });

  test("carries reasoning and tool calls, and says that it ended to call tools", async () => {
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec, { model: "qwen3:32b" });
      await attempt.output([{ kind: "reasoning", text: "Hm. " }]);
      await attempt.output([
        { kind: "tool-call", index: 0, call: { id: "call_1", name: "clock", arguments: '{"zone":"CET"}' } },
      ]);
      await attempt.succeed();
    });
    const tools = [{ type: "function", function: { name: "clock", parameters: { type: "object" } } }];
    const response = await world.post("/v1/chat/completions", chatBody({ model: "qwen3:32b", tools }));
    expect(await response.json()).toMatchObject({
      choices: [
        {
          message: {
            content: null,
            reasoning_content: "Hm. ",
            reasoning: "Hm. ",
            tool_calls: [
              { id: "call_1", type: "function", function: { name: "clock", arguments: '{"zone":"CET"}' } },
            ],
          },
          finish_reason: "tool_calls",
        },
      ],
    });
  });

  test("says when the co-op's default limit cut it, and not when the member's own did", async () => {
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      await attempt.say("Hel");
      await attempt.succeed(undefined, "length");
    });
    const byDefault = await world.post("/v1/chat/completions", chatBody());
    const byMember = await world.post("/v1/chat/completions", chatBody({ max_tokens: 1 }));
    expect(byDefault.headers.get("x-coop-truncated")).toBe("default-limit");
    expect(byMember.headers.get("x-coop-truncated")).toBeNull();
    expect(await byMember.json()).toMatchObject({ choices: [{ finish_reason: "length" }] });
  });

  test("is that of the attempt that won; a streamed one cannot begin anew", async () => {
    world.onAdmitted(async (spec) => {
      const first = await world.start(spec);
      await first.say("Wrong");
      if ((await first.lose()) === "failed") return;
      const second = await world.start(spec, { nodeName: "air" });
      await second.say("Right");
      await second.succeed();
    });
    const whole = await world.post("/v1/chat/completions", chatBody());
    expect(await whole.json()).toMatchObject({ choices: [{ message: { content: "Right" } }] });
    expect(whole.headers.get("x-coop-node")).toBe("air");
    const streamed = await (await world.post("/v1/chat/completions", chatBody({ stream: true }))).text();
    expect(streamed).toContain("Wrong");
    expect(events(streamed).at(-1)).toMatchObject({ error: { code: "node_lost" } });
  });

  test("hands the engine what the member asked for, and nothing else", async () => {
    const seen: unknown[] = [];
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      seen.push(attempt.request, spec.needs, spec.target);
      await attempt.succeed();
    });
    const pixel = "iVBORw0KGgoAAAANSUhEUg==";
    await world.post(
      "/v1/chat/completions",
      chatBody({
        model: "gemma4",
        messages: [
          { role: "developer", content: "Be brief." },
          {
            role: "user",
            content: [
              { type: "text", text: "What is this?" },
              { type: "image_url", image_url: { url: `data:image/png;base64,${pixel}` } },
            ],
          },
          {
            role: "assistant",
            content: null,
            tool_calls: [{ id: "c1", type: "function", function: { name: "look", arguments: "{}" } }],
          },
          { role: "tool", tool_call_id: "c1", content: "a pixel" },
        ],
        tools: [{ type: "function", function: { name: "look" } }],
        tool_choice: "none",
        temperature: 0.5,
        top_p: 0.9,
        stop: "END",
        seed: 7,
        frequency_penalty: 0.1,
        presence_penalty: -0.1,
        max_completion_tokens: 50,
        reasoning_effort: "none",
        response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "object" } } },
        user: "u",
        store: true,
        metadata: { a: "b" },
      }),
    );
    expect(seen).toEqual([
      {
        kind: "chat",
        messages: [
          { role: "system", content: "Be brief." },
          { role: "user", content: "What is this?", images: [pixel] },
          { role: "assistant", content: "", toolCalls: [{ id: "c1", name: "look", arguments: "{}" }] },
          { role: "tool", content: "a pixel", toolCallId: "c1", toolName: "look" },
        ],
        format: { type: "object" },
        think: false,
        sampling: {
          temperature: 0.5,
          topP: 0.9,
          seed: 7,
          stop: ["END"],
          frequencyPenalty: 0.1,
          presencePenalty: -0.1,
        },
        maxOutputTokens: 50,
      },
      ["vision"],
      { kind: "model", model: "gemma4:latest" },
    ]);
  });
});

describe("a failed job keeps its true status", () => {
  const cases = [
    ["bad-request", 400, "invalid_request"],
    ["context-overflow", 400, "context_length_exceeded"],
    ["engine-error", 502, "engine_error"],
    ["node-lost", 503, "node_lost"],
  ] as const;
  test.each(cases)("%s is %i, streamed or not", async (failure, status, code) => {
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      await attempt.fail(failure, "it broke");
    });
    for (const stream of [false, true]) {
      const response = await world.post("/v1/chat/completions", chatBody({ stream }));
      expect(response.status).toBe(status);
      const { error } = problemSchema.parse(await response.json());
      expect(error).toMatchObject({ code, message: expect.stringContaining("it broke") });
      expect(response.headers.get("x-coop-node")).toBe("studio");
      expect(jobIdOf(response)).toMatch(/^job_/);
    }
  });

  test("a cancelled or expired one tells clients not to repeat by themselves", async () => {
    world.onAdmitted(async (spec) => {
      await world.desk.cancel(spec.id, spec.member, "member", world.clock.now());
    });
    const cancelled = await world.post("/v1/chat/completions", chatBody());
    expect(cancelled.status).toBe(409);
    expect(cancelled.headers.get("x-should-retry")).toBe("false");

    world.onAdmitted(async () => {
      world.clock.advance(25 * 3_600_000);
      await world.desk.sweep(0, world.clock.now(), false);
    });
    const expired = await world.post("/v1/chat/completions", chatBody());
    expect([expired.status, problemSchema.parse(await expired.json()).error.code]).toEqual([
      504,
      "job_expired",
    ]);
  });
});

describe("a streamed answer", () => {
  test("is chunks with one id: the role first, then text, the reason to end, usage if asked for, and [DONE]", async () => {
    world.answerWith("Hel", "lo");
    const response = await world.post(
      "/v1/chat/completions",
      chatBody({ stream: true, stream_options: { include_usage: true } }),
    );
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(response.headers.get("x-coop-node")).toBe("studio");
    const text = await response.text();
    const head = {
      id: `chatcmpl-${jobIdOf(response)}`,
      object: "chat.completion.chunk",
      model: "llama3.2:3b",
    };
    expect(events(text)).toEqual([
      expect.objectContaining({
        ...head,
        choices: [
          { index: 0, delta: { role: "assistant", content: "Hel" }, finish_reason: null, logprobs: null },
        ],
        usage: null,
      }),
      expect.objectContaining({
        ...head,
        choices: [{ index: 0, delta: { content: "lo" }, finish_reason: null, logprobs: null }],
      }),
      expect.objectContaining({
        ...head,
        choices: [{ index: 0, delta: {}, finish_reason: "stop", logprobs: null }],
      }),
      expect.objectContaining({
        ...head,
        choices: [],
        usage: { prompt_tokens: 11, completion_tokens: 2, total_tokens: 13 },
      }),
    ]);
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  });

  test("leaves usage out when nobody asked, and joins a batch of tokens into one chunk", async () => {
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      await attempt.output([
        { kind: "reasoning", text: "I " },
        { kind: "reasoning", text: "think" },
        { kind: "content", text: "there" },
        { kind: "content", text: "fore" },
      ]);
      await attempt.succeed();
    });
    const response = await world.post("/v1/chat/completions", chatBody({ stream: true }));
    const chunks = events(await response.text());
    expect(chunks.map((chunk) => Object.assign({}, chunk))).toEqual([
      expect.objectContaining({
        choices: [
          expect.objectContaining({
            delta: { role: "assistant", reasoning_content: "I think", reasoning: "I think" },
          }),
        ],
      }),
      expect.objectContaining({ choices: [expect.objectContaining({ delta: { content: "therefore" } })] }),
      expect.objectContaining({ choices: [expect.objectContaining({ finish_reason: "stop" })] }),
    ]);
    expect(JSON.stringify(chunks)).not.toContain("usage");
  });

  test("sends its headers after the patience and pings until the first token", async () => {
    const gate = Promise.withResolvers<void>();
    world.onAdmitted(async (spec) => {
      await gate.promise;
      const attempt = await world.start(spec);
      await attempt.say("late");
      await attempt.succeed();
    });
    const response = await world.post("/v1/chat/completions", chatBody({ stream: true }));
    expect(response.status).toBe(200);
    expect(response.headers.get("x-coop-node")).toBeNull();
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toBe(": ping\n\n");
    expect((await reader?.read())?.value).toBe(": ping\n\n");
    gate.resolve();
    let rest = "";
    for (let step = await reader?.read(); step?.done === false; step = await reader?.read())
      rest += step.value;
    expect(rest).toContain('"content":"late"');
    expect(rest.endsWith("data: [DONE]\n\n")).toBe(true);
  });

  test("that fails after its first token ends with an error event, not with [DONE]", async () => {
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      await attempt.say("half");
      await attempt.fail("engine-error", "it broke");
    });
    const response = await world.post("/v1/chat/completions", chatBody({ stream: true }));
    expect(response.status).toBe(200);
    const text = await response.text();
    expect(events(text).at(-1)).toMatchObject({ error: { code: "engine_error", type: "server_error" } });
    expect(text).not.toContain("[DONE]");
  });
});

describe("embeddings", () => {
  const vectors = [
    [0.5, -1, 0.25],
    [1, 2, 3],
  ];
  const requests: unknown[] = [];
  beforeEach(() => {
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec, { model: "nomic-embed-text:latest" });
      requests.push(attempt.request);
      await attempt.output([{ kind: "embedding", index: 1, vector: vectors[1] ?? [] }]);
      await attempt.output([{ kind: "embedding", index: 0, vector: vectors[0] ?? [] }]);
      await attempt.succeed({ promptTokens: 2, outputTokens: 0 });
    });
  });

  test("come in the order of the inputs, as numbers or as base64 of 32-bit floats", async () => {
    const body = { model: "nomic-embed-text", input: ["one", "two"] };
    const plain = await world.post("/v1/embeddings", body);
    expect(await plain.json()).toEqual({
      object: "list",
      model: "nomic-embed-text:latest",
      data: vectors.map((embedding, index) => ({ object: "embedding", index, embedding })),
      usage: { prompt_tokens: 2, total_tokens: 2 },
    });
    const coded: unknown = await (
      await world.post("/v1/embeddings", { ...body, encoding_format: "base64" })
    ).json();
    const bytes = Buffer.alloc(12);
    [0.5, -1, 0.25].forEach((value, index) => bytes.writeFloatLE(value, index * 4));
    expect(requests).toEqual([
      { kind: "embed", inputs: ["one", "two"] },
      { kind: "embed", inputs: ["one", "two"] },
    ]);
    expect(coded).toMatchObject({ data: [{ embedding: bytes.toString("base64") }, { index: 1 }] });
  });
});
