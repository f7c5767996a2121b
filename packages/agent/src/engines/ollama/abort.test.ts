import { describe, expect, test } from "vitest";
import {
  chat,
  endedSoon,
  generousLimits,
  run,
  scriptedModel,
  soon,
  startEngineRig,
} from "../../../../../test/harness/ollama-engine.ts";
import { piece } from "../../../../../test/harness/scripted-ollama.ts";
import type { EngineEvent, GenerateRequest } from "../engine.ts";

describe("an abort ends it at once, and the engine is told", () => {
  test("while loading", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/generate", { do: "hang" });
    const cancel = new AbortController();
    void ollama.call("/api/generate").then(() => cancel.abort());
    const { outcome } = await run(engine, chat(), {}, cancel.signal);
    expect(outcome).toEqual({
      kind: "aborted",
      usage: { promptTokens: 0, outputTokens: 0 },
      phase: "loading",
    });
    expect(ollama.callsOf("/api/chat")).toHaveLength(0);
  });

  test.for(["/api/chat", "/api/embed"] as const)("while prefill of %s, before headers", async (path) => {
    const { engine, ollama } = await startEngineRig();
    ollama.script(path, { do: "hang" });
    const cancel = new AbortController();
    void ollama.call(path).then(() => cancel.abort());
    const embed: GenerateRequest = {
      kind: "embed",
      model: scriptedModel,
      contextTokens: 2048,
      inputs: ["a".repeat(60)],
    };
    const { outcome } = await run(engine, path === "/api/chat" ? chat() : embed, {}, cancel.signal);
    expect(outcome).toEqual({
      kind: "aborted",
      usage: { promptTokens: 15, outputTokens: 0 },
      phase: "prefill",
    });
    await expect(endedSoon((await ollama.call(path)).ended)).resolves.toBe("destroyed");
  });

  test("while decoding", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece("Hel"), piece("lo"), { do: "hang" });
    const cancel = new AbortController();
    const events: EngineEvent[] = [];
    for await (const event of engine.generate(chat(), cancel.signal, generousLimits)) {
      events.push(event);
      if (events.filter(({ kind }) => kind === "delta").length === 2) cancel.abort();
    }
    expect(events.at(-1)).toEqual({
      kind: "aborted",
      usage: { promptTokens: 15, outputTokens: 2 },
      phase: "decode",
    });
    await expect(endedSoon((await ollama.call("/api/chat")).ended)).resolves.toBe("destroyed");
  });

  test("behind a piece of nothing", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece(""), { do: "pause", ms: 20 }, piece(""), { do: "hang" });
    // Nothing that the engine tells apart happens after the empty pieces: the time is for them to arrive.
    const { outcome } = await run(engine, chat(), {}, AbortSignal.timeout(1500));
    expect(outcome).toMatchObject({ kind: "aborted", phase: "prefill" });
    await expect(endedSoon((await ollama.call("/api/chat")).ended)).resolves.toBe("destroyed");
  });

  test("with output waiting that nobody has read", async () => {
    const { engine, ollama } = await startEngineRig();
    const flood = Array.from({ length: 200 }, (_, index) => piece(`${index} `));
    ollama.script("/api/chat", ...flood, { do: "hang" });
    const cancel = new AbortController();
    let deltas = 0;
    for await (const event of engine.generate(chat(), cancel.signal, generousLimits)) {
      if (event.kind === "delta" && ++deltas === 3) cancel.abort();
    }
    expect(deltas).toBe(3);
  });

  test("before it began, without a call", async () => {
    const { engine, ollama } = await startEngineRig();
    const { outcome } = await run(engine, chat(), {}, AbortSignal.abort());
    expect(outcome).toEqual({
      kind: "aborted",
      usage: { promptTokens: 0, outputTokens: 0 },
      phase: "loading",
    });
    expect(ollama.callsOf("/api/chat")).toHaveLength(0);
  });

  test("a consumer that leaves ends it too", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/chat", piece("Hel"), { do: "hang" });
    for await (const event of engine.generate(chat(), soon(), generousLimits))
      if (event.kind === "delta") break;
    await expect(endedSoon((await ollama.call("/api/chat")).ended)).resolves.toBe("destroyed");
  });

  test("but not the load, which the next job finds done", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/generate", { do: "pause", ms: 150 }, { do: "behave" });
    const cancel = new AbortController();
    void ollama.call("/api/generate").then(() => cancel.abort());
    expect((await run(engine, chat(), {}, cancel.signal)).outcome).toMatchObject({ kind: "aborted" });
    const { outcome } = await run(engine);
    expect(outcome).toMatchObject({ kind: "done" });
    expect(ollama.callsOf("/api/generate")).toHaveLength(1);
    await expect(ollama.callsOf("/api/generate")[0]?.ended).resolves.toBe("answered");
  });

  test("closing the engine ends a load", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/generate", { do: "hang" });
    const running = run(engine);
    const load = await ollama.call("/api/generate");
    await engine.close();
    expect((await running).outcome).toMatchObject({ kind: "failed", class: "shutdown" });
    await expect(load.ended).resolves.toBe("destroyed");
  });
});
