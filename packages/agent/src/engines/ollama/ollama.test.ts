import { describe, expect, test } from "vitest";
import { chat, run, scriptedModel, soon, startEngineRig } from "../../../../../test/harness/ollama-engine.ts";
import { createSystemTiming } from "../../timing.ts";
import { createOllamaEngine } from "./ollama.ts";
import type { Log } from "@coop/core";
import { parseOllamaHost } from "./host.ts";
import { assertAllowed } from "./transport.ts";

const silent = (): void => undefined;

describe("what answers", () => {
  test("is described", async () => {
    const { engine, ollama } = await startEngineRig();
    expect(await engine.describe(soon())).toEqual({
      kind: "ready",
      engine: "ollama 0.35.1",
      simulated: null,
    });
    const simulated = {
      profile: "raspberry-pi-5-8",
      chip: "Raspberry Pi 5",
      memoryBytes: 8e9,
      slots: 1,
      speedup: 20,
    };
    ollama.version = { version: "0.35.1", simulated };
    expect(await engine.describe(soon())).toEqual({ kind: "ready", engine: "ollama 0.35.1", simulated });
  });

  test.for(["0.34.9", "0.17.1", "0.0.0", "unknown"])("version %s is refused", async (version) => {
    const { engine, ollama } = await startEngineRig();
    ollama.version = { version };
    expect(await engine.describe(soon())).toMatchObject({
      kind: "refused",
      reason: "too-old",
      message: /update Ollama/,
    });
  });

  test.for(["0.35.0", "0.36.0-rc1", "1.0.0"])("version %s serves", async (version) => {
    const { engine, ollama } = await startEngineRig();
    ollama.version = { version };
    expect(await engine.describe(soon())).toMatchObject({ kind: "ready" });
  });

  test("may be something else", async () => {
    const { engine, ollama } = await startEngineRig();
    for (const body of ["<html>", '{"hello":1}']) {
      ollama.script("/api/version", { do: "text", text: body });
      expect(await engine.describe(soon())).toMatchObject({ kind: "refused", reason: "not-understood" });
    }
  });

  test("may be nothing", async () => {
    const host = new URL("http://127.0.0.1:1");
    const log: Log = { debug: silent, info: silent, warn: silent, error: silent };
    const engine = createOllamaEngine({ host, timing: createSystemTiming(), log });
    expect(await engine.describe(soon())).toMatchObject({
      kind: "refused",
      reason: "absent",
      message: /127\.0\.0\.1:1/,
    });
    expect(await engine.models(soon())).toMatchObject({ kind: "unavailable" });
    expect((await run(engine)).outcome).toMatchObject({ kind: "failed", class: "engine-unreachable" });
    await engine.close();
  });

  test("may hang", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/version", { do: "hang" });
    expect(await engine.describe(AbortSignal.timeout(100))).toMatchObject({
      kind: "refused",
      reason: "absent",
    });
  });
});

describe("the models", () => {
  test("come with shape, context and what is in memory", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.loaded.set(scriptedModel, 4096);
    expect(await engine.models(soon())).toEqual({
      kind: "listed",
      models: [
        {
          name: scriptedModel,
          digest: "sha256:a80c4f17acd5",
          capabilities: ["completion", "tools"],
          sizeBytes: 2_019_393_189,
          contextTokensMax: 131_072,
          shape: {
            architecture: "llama",
            parameterCount: 3_212_749_888,
            layers: 28,
            kvHeads: 8,
            headDimension: 128,
            experts: null,
          },
          cloud: false,
          loaded: {
            residentBytes: 2_019_393_189,
            contextTokens: 4096,
            keptUntilMs: Date.UTC(2026, 0, 1, 11, 5, 0, 500),
          },
        },
      ],
    });
  });

  test("are described once, until they change", async () => {
    const { engine, ollama } = await startEngineRig();
    await engine.models(soon());
    await engine.models(soon());
    expect(ollama.callsOf("/api/show")).toHaveLength(1);
    ollama.models = [{ name: scriptedModel, digest: "sha256:other" }];
    await engine.models(soon());
    expect(ollama.callsOf("/api/show")).toHaveLength(2);
  });

  test.for([
    ["a remote host in its listing", { name: "gpt-oss:120b", remoteHost: "https://cloud.example:443" }],
    ["its name", { name: "qwen3-coder:480b-cloud" }],
  ] as const)("are the cloud's by %s", async ([, scripted]) => {
    const { engine, ollama } = await startEngineRig();
    ollama.models = [scripted];
    expect(await engine.models(soon())).toMatchObject({ models: [{ name: scripted.name, cloud: true }] });
  });

  test("are the cloud's by a remote model in their description", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/show", { do: "text", text: '{"capabilities":["completion"],"remote_model":"big"}' });
    expect(await engine.models(soon())).toMatchObject({ models: [{ cloud: true }] });
  });

  test("that are the cloud's are not loaded here", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.models = [{ name: "big:cloud" }];
    await engine.models(soon());
    const { kinds } = await run(engine, chat({ model: "big:cloud" }));
    expect(kinds).toEqual(["prefill", "delta", "delta", "done"]);
    expect(ollama.callsOf("/api/generate")).toHaveLength(0);
  });

  test("that the engine cannot describe are not offered", async () => {
    const { engine, ollama, warnings } = await startEngineRig();
    ollama.models = [{ name: "good" }, { name: "broken" }];
    ollama.script("/api/show", { do: "refuse", status: 500, body: '{"error":"bad manifest"}' });
    const listed = await engine.models(soon());
    expect(listed).toMatchObject({ models: [{ name: expect.any(String) }] });
    expect(warnings).toHaveLength(1);
  });
});

describe("warming and unloading", () => {
  test("share one load", async () => {
    const { engine, ollama } = await startEngineRig();
    ollama.script("/api/generate", { do: "pause", ms: 50 }, { do: "behave" });
    const answers = await Promise.all([
      engine.warm(scriptedModel, 8192, soon()),
      engine.warm(scriptedModel, 8192, soon()),
      run(engine),
    ]);
    expect(answers.slice(0, 2)).toEqual([{ kind: "ok" }, { kind: "ok" }]);
    expect(ollama.callsOf("/api/generate")).toHaveLength(1);
  });

  test("say what went wrong", async () => {
    const { engine } = await startEngineRig();
    expect(await engine.warm("nope", 8192, soon())).toMatchObject({ kind: "failed", class: "model-missing" });
    expect(await engine.unload("nope", soon())).toMatchObject({ kind: "failed", class: "model-missing" });
  });

  test("unloading drops the model, and the next job loads it", async () => {
    const { engine, ollama } = await startEngineRig();
    await run(engine);
    expect(await engine.unload(scriptedModel, soon())).toEqual({ kind: "ok" });
    expect(ollama.loaded.size).toBe(0);
    expect((await run(engine)).kinds).toContain("loading");
  });

  test("a job that comes while its model is being unloaded is answered, and the next one loads it", async () => {
    const { engine, ollama } = await startEngineRig();
    await run(engine);
    const unloaded = Promise.withResolvers<void>();
    const before = ollama.callsOf("/api/generate").length;
    ollama.script("/api/generate", { do: "await", released: unloaded.promise }, { do: "behave" });
    const unloading = engine.unload(scriptedModel, soon());
    await ollama.call("/api/generate", before);
    expect((await run(engine)).outcome).toMatchObject({ kind: "done" });
    unloaded.resolve();
    expect(await unloading).toEqual({ kind: "ok" });
    expect(ollama.loaded.size).toBe(0);
    expect((await run(engine)).kinds).toContain("loading");
  });
});

describe("the engine's address", () => {
  test.for([
    ["127.0.0.1", "http://127.0.0.1:11434/"],
    ["studio.local:8080", "http://studio.local:8080/"],
    [":9000", "http://127.0.0.1:9000/"],
    ["0.0.0.0:11434", "http://127.0.0.1:11434/"],
    ["http://127.0.0.1:11434", "http://127.0.0.1:11434/"],
    ["https://studio.example/ollama", "https://studio.example/ollama"],
    ["http://studio.example", "http://studio.example/"],
  ] as const)("%s is %s", ([text, href]) => {
    expect(parseOllamaHost(text).href).toBe(href);
  });

  test.for(["file:///etc/passwd", "ftp://studio", "http://user:secret@studio", "http://studio/?x=1", "a b"])(
    "%s is none",
    (text) => {
      expect(() => parseOllamaHost(text)).toThrow(/--engine or OLLAMA_HOST/);
    },
  );
});

describe("the agent may only call", () => {
  const base = "http://127.0.0.1:11434";
  test.for(["/api/chat", "/api/generate", "/api/embed", "/api/show"])("POST %s", (path) => {
    expect(() => assertAllowed(base, "POST", base + path)).not.toThrow();
    expect(() => assertAllowed(base, "DELETE", base + path)).toThrow(/may not call/);
  });

  test.for([
    ["POST", "/api/pull"],
    ["POST", "/api/push"],
    ["POST", "/api/create"],
    ["POST", "/api/copy"],
    ["DELETE", "/api/delete"],
    ["GET", "/api/tags?x"],
    ["POST", "/api/chat/../pull"],
    ["GET", ""],
  ] as const)("not %s %s", ([method, path]) => {
    expect(() => assertAllowed(base, method, base + path)).toThrow(/may not call/);
  });

  test.for([
    "http://127.0.0.1:11435/api/chat",
    "https://ollama.com/api/chat",
    "http://127.0.0.1:11434.evil/api/chat",
  ])("not the host of %s", (url) => {
    expect(() => assertAllowed(base, "POST", url)).toThrow(/may not call/);
  });
});
