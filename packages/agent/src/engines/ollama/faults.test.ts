import { describe, expect, test } from "vitest";
import {
  chat,
  generousLimits,
  run,
  soon,
  startEngineRig,
} from "../../../../../test/harness/ollama-engine.ts";
import { done, piece } from "../../../../../test/harness/scripted-ollama.ts";
import type { Step } from "../../../../../test/harness/scripted-ollama.ts";

describe("a stream that goes wrong", () => {
  const cases: readonly [what: string, steps: readonly Step[], failure: string][] = [
    ["ends without done", [piece("Hel"), { do: "end" }], "truncated"],
    ["ends before its first line", [{ do: "end" }], "truncated"],
    ["breaks in the middle", [piece("Hel"), { do: "pause", ms: 20 }, { do: "break" }], "truncated"],
    ["breaks before its headers", [{ do: "break" }], "engine-unreachable"],
    [
      "carries an error",
      [piece("Hel"), { do: "line", line: { error: "an error was encountered while running the model" } }],
      "engine-error",
    ],
    [
      "carries an error that is an object",
      [{ do: "line", line: { error: { message: "CUDA out of memory" } } }],
      "out-of-memory",
    ],
    [
      "carries an error under another key",
      [piece("Hel"), { do: "line", line: { message_error: "boom" } }],
      "engine-error",
    ],
    [
      "carries a line that is no JSON",
      [piece("Hel"), { do: "text", text: "<html>\n" }, done()],
      "engine-error",
    ],
    [
      "carries a line of a wrong type",
      [{ do: "line", line: { message: { content: 7 }, done: false } }],
      "engine-error",
    ],
    [
      "ends in half a line",
      [piece("Hel"), { do: "text", text: '{"done":tr' }, { do: "end" }],
      "engine-error",
    ],
  ];
  test.for(cases)("%s", async ([, steps, failure]) => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", ...steps);
    const { outcome, text } = await run(engine);
    const usage = { outputTokens: text === "" ? 0 : 1 };
    expect(outcome).toMatchObject({ kind: "failed", class: failure, usage });
  });

  test("does not print or quote what it could not read", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", { do: "text", text: "the member's secret\n" });
    const { outcome } = await run(engine);
    expect(JSON.stringify(outcome)).not.toContain("secret");
  });
});

describe("a refusal is classed", () => {
  const cases: readonly [status: number, words: string, failure: string][] = [
    [503, "server busy, please try again. maximum pending requests exceeded", "busy"],
    [500, "model requires more system memory (44.0 GiB) than is available (7.6 GiB)", "out-of-memory"],
    [404, "model 'llama3.2:3b' not found", "model-missing"],
    [400, "the input length exceeds the context length", "context-overflow"],
    [500, '{"error":{"code":400,"type":"exceed_context_size_error","n_ctx":512}}', "context-overflow"],
    [400, '"llama3.2:3b" does not support tools', "bad-request"],
    [500, "error parsing tool call: raw='{\"secret\": 1', err=unexpected end of JSON input", "model-output"],
    [500, "timed out waiting for llama runner to start", "load-timeout"],
    [500, "llama runner process has terminated: exit status 2", "engine-error"],
    [302, "", "engine-error"],
  ];
  test.for(cases)("%i %s", async ([status, words, failure]) => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", { do: "refuse", status, body: JSON.stringify({ error: words }) });
    const { outcome } = await run(engine);
    expect(outcome).toMatchObject({ kind: "failed", class: failure });
    expect(JSON.stringify(outcome)).not.toContain("secret");
  });

  test("when it is plain text, too", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", { do: "refuse", status: 502, body: "bad gateway" });
    expect((await run(engine)).outcome).toMatchObject({
      kind: "failed",
      class: "engine-error",
      message: /bad gateway/,
    });
  });

  test("while loading, and nothing was used", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/generate", {
      do: "refuse",
      status: 500,
      body: '{"error":"model requires more system memory"}',
    });
    expect((await run(engine)).outcome).toMatchObject({
      kind: "failed",
      class: "out-of-memory",
      phase: "loading",
      usage: { promptTokens: 0, outputTokens: 0 },
    });
  });
});

describe("a hang is cut by its own timer", () => {
  const brief = 100;
  test("the load", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/generate", { do: "hang" });
    const { outcome } = await run(engine, chat(), { loadMs: brief });
    expect(outcome).toMatchObject({ kind: "failed", class: "load-timeout", phase: "loading" });
  });

  test("the question what is in memory", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/ps", { do: "hang" });
    const { outcome } = await run(engine, chat(), { loadMs: brief });
    expect(outcome).toMatchObject({ kind: "failed", class: "load-timeout" });
  });

  test("the first token, before headers", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", { do: "hang" });
    const { outcome } = await run(engine, chat(), { firstTokenMs: brief });
    expect(outcome).toMatchObject({ kind: "failed", class: "first-token-timeout", phase: "prefill" });
    await expect((await ollama.call("/api/chat")).ended).resolves.toBe("destroyed");
  });

  test("the next token", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece("Hel"), { do: "hang" });
    const { outcome, text } = await run(engine, chat(), { idleMs: brief });
    expect(text).toBe("Hel");
    expect(outcome).toMatchObject({
      kind: "failed",
      class: "idle-timeout",
      phase: "decode",
      usage: { outputTokens: 1 },
    });
    await expect((await ollama.call("/api/chat")).ended).resolves.toBe("destroyed");
  });

  test("the next token, behind a piece of nothing", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece("Hel"), { do: "pause", ms: 20 }, piece(""), { do: "hang" });
    expect((await run(engine, chat(), { idleMs: 100 })).outcome).toMatchObject({ class: "idle-timeout" });
  });

  test("the whole, however lively", async () => {
    const { engine, ollama } = await startEngineRig();
    const lively = Array.from({ length: 100 }, (_, index): Step[] => [
      piece(`${index} `),
      { do: "pause", ms: 10 },
    ]);
    ollama.script("/api/chat", ...lively.flat(), done());
    const { outcome } = await run(engine, chat(), { totalMs: 200 });
    expect(outcome).toMatchObject({ kind: "failed", class: "total-timeout" });
    await expect((await ollama.call("/api/chat")).ended).resolves.toBe("destroyed");
  });

  test("but not a consumer that takes its time", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece("a"), piece("b"), done());
    const kinds: string[] = [];
    for await (const event of engine.generate(chat(), soon(), { ...generousLimits, idleMs: 200 })) {
      kinds.push(event.kind);
      if (event.kind === "delta") await new Promise((resolve) => setTimeout(resolve, 350));
    }
    expect(kinds.at(-1)).toBe("done");
  });

  test("and a slow prefill is no hang", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", { do: "pause", ms: 500 }, piece("Hi"), done());
    expect((await run(engine, chat(), { idleMs: 250 })).outcome).toMatchObject({ kind: "done" });
  });
});
