import { describe, expect, test } from "vitest";
import { chat, run, scriptedModel, startEngineRig } from "../../../../../test/harness/ollama-engine.ts";
import { done, piece } from "../../../../../test/harness/scripted-ollama.ts";
import type { Step } from "../../../../../test/harness/scripted-ollama.ts";

describe("a healthy generation", () => {
  test("loads, streams and ends with the engine's own counts", async () => {
    const { engine } = await startEngineRig();
    const { outcome, text, kinds } = await run(engine);
    expect(kinds).toEqual(["loading", "prefill", "delta", "delta", "done"]);
    expect(text).toBe("Hello there");
    expect(outcome).toMatchObject({
      kind: "done",
      finishReason: "stop",
      usage: { promptTokens: 12, outputTokens: 2 },
      timings: { prefillMs: 50, decodeMs: 200 },
    });
  });

  test("does not load again what just served, nor ask whether it is there", async () => {
    const { engine, ollama } = await startEngineRig();
    await run(engine);
    const { kinds } = await run(engine);
    expect(kinds).not.toContain("loading");
    expect(ollama.callsOf("/api/ps")).toHaveLength(1);
    expect(ollama.callsOf("/api/generate")).toHaveLength(1);
  });

  test("uses its connections again", async () => {
    const { engine, ollama } = await startEngineRig();
    for (let round = 0; round < 5; round += 1) await run(engine);
    expect(ollama.connections).toBeLessThanOrEqual(2);
  });

  test("pins the context, bounds the output and forbids cutting the prompt", async () => {
    const { engine, ollama } = await startEngineRig();
    await run(engine, chat({ sampling: { temperature: 0.2, topP: 0.9, seed: 7, stop: ["END"] } }));
    const [load] = ollama.callsOf("/api/generate");
    const [call] = ollama.callsOf("/api/chat");
    expect(load?.body).toEqual({
      model: scriptedModel,
      prompt: "",
      stream: false,
      options: { num_ctx: 8192 },
    });
    expect(call?.body).toMatchObject({
      stream: true,
      truncate: false,
      shift: false,
      options: { num_ctx: 8192, num_predict: 64, temperature: 0.2, top_p: 0.9, seed: 7, stop: ["END"] },
    });
  });

  test.for([true, false, "low", "medium", "high"] as const)("passes think %s on", async (think) => {
    const { engine, ollama } = await startEngineRig();
    await run(engine, chat({ think }));
    expect(ollama.callsOf("/api/chat")[0]?.body).toMatchObject({ think });
  });

  test("keeps thinking apart from content, and counts it", async () => {
    const { engine, ollama } = await startEngineRig();
    const thought = { message: { role: "assistant", content: "", thinking: "hm" }, done: false };
    ollama.script("/api/chat", { do: "line", line: thought }, piece("yes"), done({ eval_count: 9 }));
    const { events, outcome } = await run(engine, chat({ think: true }));
    expect(events).toContainEqual({ kind: "delta", delta: { kind: "reasoning", text: "hm" }, tokens: 1 });
    expect(outcome).toMatchObject({ usage: { outputTokens: 9 } });
  });

  test("hands tools over and tool calls back", async () => {
    const { engine, ollama } = await startEngineRig();
    const call = (city: string) => ({
      id: `call_${city}`,
      function: { name: "weather", arguments: { city } },
    });
    const line = (city: string): Step => ({
      do: "line",
      line: { message: { role: "assistant", content: "", tool_calls: [call(city)] }, done: false },
    });
    ollama.script("/api/chat", line("Lund"), line("Umeå"), done());
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const { events, outcome } = await run(
      engine,
      chat({
        tools: [{ name: "weather", description: "Today's weather", parameters }],
        messages: [
          { role: "user", content: "And the weather?" },
          {
            role: "assistant",
            content: "",
            toolCalls: [{ id: "a", name: "weather", arguments: '{"city":"Ystad"}' }],
          },
          { role: "tool", content: "rain", toolCallId: "a", toolName: "weather" },
        ],
      }),
    );
    expect(events.flatMap((event) => (event.kind === "delta" ? [event.delta] : []))).toEqual([
      {
        kind: "tool-call",
        index: 0,
        call: { id: "call_Lund", name: "weather", arguments: '{"city":"Lund"}' },
      },
      {
        kind: "tool-call",
        index: 1,
        call: { id: "call_Umeå", name: "weather", arguments: '{"city":"Umeå"}' },
      },
    ]);
    expect(outcome).toMatchObject({ kind: "done", finishReason: "tool_calls" });
    expect(ollama.callsOf("/api/chat")[0]?.body).toMatchObject({
      tools: [
        { type: "function", function: { name: "weather", description: "Today's weather", parameters } },
      ],
      messages: [
        {},
        { tool_calls: [{ function: { name: "weather", arguments: { city: "Ystad" } } }] },
        { role: "tool", tool_name: "weather" },
      ],
    });
  });

  test("passes a JSON schema on", async () => {
    const { engine, ollama } = await startEngineRig();
    await run(engine, chat({ format: { type: "object" } }));
    expect(ollama.callsOf("/api/chat")[0]?.body).toMatchObject({ format: { type: "object" } });
  });

  test("sends images in plain base64", async () => {
    const { engine, ollama } = await startEngineRig();
    await run(
      engine,
      chat({ messages: [{ role: "user", content: "What is it?", images: ["aGk=", "aG\nk"] }] }),
    );
    expect(ollama.callsOf("/api/chat")[0]?.body).toMatchObject({ messages: [{ images: ["aGk=", "aGk="] }] });
  });

  test.for(["data:image/png;base64,aGk=", "../photo.png", ""])("refuses %j as an image", async (image) => {
    const { engine, ollama } = await startEngineRig();
    const { outcome } = await run(
      engine,
      chat({ messages: [{ role: "user", content: "", images: [image] }] }),
    );
    expect(outcome).toMatchObject({ kind: "failed", class: "bad-request" });
    expect(ollama.callsOf("/api/chat")).toHaveLength(0);
  });

  test("reads lines however the network cuts them", async () => {
    const { engine, ollama } = await startEngineRig();
    const line = `${JSON.stringify({ message: { content: "åäö" }, done: false })}\n`;
    ollama.script(
      "/api/chat",
      { do: "text", text: line.slice(0, 20) },
      { do: "pause", ms: 20 },
      { do: "text", text: `${line.slice(20)}\n\n${line}` },
      done(),
    );
    expect((await run(engine)).text).toBe("åäöåäö");
  });

  test("reads a last line without its newline", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece("Hi"), { do: "text", text: JSON.stringify({ done: true }) });
    expect((await run(engine)).outcome).toMatchObject({ kind: "done" });
  });

  test("says so when the output was cut at its limit", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece("Hello"), done({ done_reason: "length" }));
    expect((await run(engine)).outcome).toMatchObject({ kind: "done", finishReason: "length" });
  });
});

describe("an embedding", () => {
  test("comes as one vector an input, in calls of 32", async () => {
    const { engine, ollama } = await startEngineRig();
    const inputs = Array.from({ length: 70 }, (_, index) => "x".repeat(index + 1));
    const { events, outcome } = await run(engine, {
      kind: "embed",
      model: scriptedModel,
      contextTokens: 2048,
      inputs,
      dimensions: 2,
    });
    const vectors = events.flatMap((event) =>
      event.kind === "delta" && event.delta.kind === "embedding" ? [event.delta] : [],
    );
    expect(vectors).toEqual(
      inputs.map((text, index) => ({ kind: "embedding", index, vector: [text.length, 0.5] })),
    );
    expect(outcome).toMatchObject({ kind: "done", usage: { promptTokens: 210, outputTokens: 0 } });
    expect(ollama.callsOf("/api/embed").map((call) => call.body)).toMatchObject([
      { truncate: false, dimensions: 2, options: { num_ctx: 2048 } },
      {},
      {},
    ]);
  });

  test("that lacks a vector is a failure", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/embed", { do: "text", text: '{"embeddings":[[1]]}' });
    const { outcome } = await run(engine, {
      kind: "embed",
      model: scriptedModel,
      contextTokens: 2048,
      inputs: ["a", "b"],
    });
    expect(outcome).toMatchObject({ kind: "failed", class: "engine-error" });
  });

  test("model loads by embedding nothing, when it cannot generate", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/generate", {
      do: "refuse",
      status: 400,
      body: `{"error":"\\"${scriptedModel}\\" does not support generate"}`,
    });
    const { kinds } = await run(engine, {
      kind: "embed",
      model: scriptedModel,
      contextTokens: 2048,
      inputs: ["a"],
    });
    expect(kinds).toEqual(["loading", "prefill", "delta", "done"]);
    expect(ollama.callsOf("/api/embed")[0]?.body).toMatchObject({ input: [] });
  });
});

describe("counts that cannot be trusted", () => {
  test("absent ones are taken from what was seen", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece("a"), piece("b"), piece("c"), { do: "line", line: { done: true } });
    expect((await run(engine)).outcome).toMatchObject({
      kind: "done",
      usage: { promptTokens: 15, outputTokens: 3 },
    });
  });

  test("a prompt count of 0, from a cache, is taken for no count", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece("a"), done({ prompt_eval_count: 0 }));
    expect((await run(engine)).outcome).toMatchObject({ kind: "done", usage: { promptTokens: 15 } });
  });

  test("an implausibly low prompt count means that the prompt was cut", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece("a"), done({ prompt_eval_count: 2048 }));
    const content = "word ".repeat(7000);
    expect((await run(engine, chat({ messages: [{ role: "user", content }] }))).outcome).toMatchObject({
      kind: "failed",
      class: "truncated",
    });
  });

  test("a prompt that cannot fit is refused without asking the engine", async () => {
    const { engine, ollama } = await startEngineRig();
    const content = "word ".repeat(9000);
    expect((await run(engine, chat({ messages: [{ role: "user", content }] }))).outcome).toMatchObject({
      kind: "failed",
      class: "context-overflow",
    });
    expect(ollama.calls).toHaveLength(0);
  });
});

describe("a runaway", () => {
  test("is cut, charged for what it produced, and stopped", async () => {
    const { engine, ollama } = await startEngineRig();
    const loop = Array.from({ length: 3000 }, (_, index) => piece(["and ", "so ", "on "][index % 3] ?? ""));
    ollama.script("/api/chat", piece("Well, "), ...loop, { do: "hang" });
    const { events, outcome } = await run(engine, chat({ maxOutputTokens: 4000 }));
    expect(outcome).toMatchObject({ kind: "done", finishReason: "length", usage: { promptTokens: 15 } });
    expect(events.filter((event) => event.kind === "delta").length).toBeLessThan(600);
    await expect((await ollama.call("/api/chat")).ended).resolves.toBe("destroyed");
  });

  test("is not a long table", async () => {
    const { engine, ollama } = await startEngineRig();
    const rows = Array.from({ length: 1000 }, (_, index) => [
      piece("| row "),
      piece(String(index)),
      piece(" |\n"),
    ]);
    ollama.script("/api/chat", ...rows.flat(), done({ eval_count: 3000 }));
    expect((await run(engine)).outcome).toMatchObject({
      finishReason: "stop",
      usage: { outputTokens: 3000 },
    });
  });
});
