import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startChild } from "../../../../test/harness/child.ts";
import type { Child } from "../../../../test/harness/child.ts";
import { done, piece, startScriptedOllama } from "../../../../test/harness/scripted-ollama.ts";
import type { ScriptedOllama } from "../../../../test/harness/scripted-ollama.ts";
import { assignOf } from "../testing/bench.ts";
import { createFakeScheduler } from "../testing/fake-scheduler.ts";

/** The commands as the owner types them: a process, and an Ollama at the wire. */

const program = join(import.meta.dirname, "../main.ts");
const name = "llama3.2:3b";
let home: string;
let ollama: ScriptedOllama;
const started: Child[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "coop-agent-"));
  ollama = await startScriptedOllama();
});
afterEach(async () => {
  for (const child of started.splice(0)) await child.kill9();
  await ollama[Symbol.asyncDispose]();
  await rm(home, { recursive: true });
});

const start = (args: readonly string[], engine = ollama.url.href): Child => {
  const child = startChild(program, args, { COOP_AGENT_HOME: home, OLLAMA_HOST: engine });
  started.push(child);
  return child;
};
const run = async (args: readonly string[], engine?: string) => {
  const child = start(args, engine);
  return { code: await child.ended, output: child.output() };
};

/** 700 prompt tokens in 2 s, 64 output tokens in 4 s: 350 and 16 a second. */
const measurable = (): void => {
  ollama.always(
    "/api/chat",
    piece("1 2 3"),
    done({ prompt_eval_count: 700, prompt_eval_duration: 2e9, eval_count: 64, eval_duration: 4e9 }),
  );
  ollama.always("/api/generate", { do: "pause", ms: 260 }, { do: "behave" });
};

describe("agent fits", () => {
  test.for([
    ["a model with room", [name], 0, /^llama3\.2:3b fits: takes 3\.0 GB/],
    ["a model without", [name, "--memory", "1"], 1, /does not fit: .*room for 1\.1 GB/],
    ["a stranger", ["stranger"], 2, /Unknown: "stranger" is not installed/],
  ] as const)("answers %s", async ([, args, code, words]) => {
    expect(await run(["fits", ...args])).toEqual({ code, output: expect.stringMatching(words) });
  });

  test("says what would be unloaded, and cannot say without an engine", async () => {
    ollama.models = [...ollama.models, { name: "idle", sizeBytes: 2e9 }];
    ollama.loaded.set("idle", 4096);
    const { code, output } = await run(["fits", name, "--memory", "4", "--json"]);
    expect([code, JSON.parse(output)]).toMatchObject([0, { kind: "fits", unload: ["idle"] }]);
    expect((await run(["fits", name, "--memory", "4", "--pin", "idle"])).code).toBe(1);
    expect(await run(["fits", name], "127.0.0.1:9")).toEqual({
      code: 2,
      output: expect.stringMatching(/^Unknown: no engine answers .*is Ollama running\?\n?$/),
    });
  });
});

describe("agent models", () => {
  test("tells what each can do, and where a figure is no measurement", async () => {
    ollama.models = [...ollama.models, { name: "far:cloud", remoteHost: "https://ollama.com" }];
    const { code, output } = await run(["models"]);
    expect(code).toBe(0);
    expect(output).toMatch(/^MODEL +TIER +CONTEXT/);
    expect(output).toMatch(
      /\nllama3\.2:3b +edge +8192 +~[\d.]+ +~[\d.]+ +~.* s +3\.0 GB +on disk, unknown\n/,
    );
    expect(output).toMatch(/\nfar:cloud .*served by a cloud\n/);
    expect(output).toContain("`agent bench` measures it");
    const json = await run(["models", "--json"]);
    expect(JSON.parse(json.output)).toMatchObject({ models: [{ name, tier: "edge", loaded: false }, {}] });
    expect(await run(["models"], "127.0.0.1:9")).toMatchObject({
      code: 1,
      output: expect.stringContaining("is Ollama running?"),
    });
  });
});

describe("agent bench", () => {
  test("measures on the engine, and a running agent reports it at once", async () => {
    measurable();
    await using scheduler = {
      ...(await createFakeScheduler()),
      [Symbol.asyncDispose]: () => scheduler.close(),
    };
    start(["start", "--join", scheduler.invite()]);
    const connection = await scheduler.accept();
    const hello = await connection.welcome();
    expect(hello.report.models[0]?.capacity.prefillTokensPerSecond.basis).toBe("prior");

    const { code, output } = await run(["bench", name]);
    expect(output).toMatch(/llama3\.2:3b: loading, 1 of 3\n[^]*alone, 3 of 3\n/);
    expect(output).toMatch(/\nllama3\.2:3b +16\.\d +350 +~\+\d+ % a token +0\.3 s\n/);
    expect(output).toContain("reports it from now on");
    expect(code).toBe(0);
    for (;;) {
      const { report } = await connection.next("report");
      const capacity = report.models[0]?.capacity;
      if (capacity?.prefillTokensPerSecond.basis !== "measured") continue;
      expect(capacity.prefillTokensPerSecond.value).toBeCloseTo(350, 0);
      expect(capacity.loadMs.basis).toBe("measured");
      break;
    }
    expect((await run(["models"])).output).toMatch(
      /llama3\.2:3b +edge +8192 +16\.\d +350 +0\.3 s .*, healthy\n/,
    );

    ollama.script("/api/chat", { do: "hang" });
    connection.send(assignOf("job_1", { model: name }));
    await connection.next("accepted");
    await expect
      .poll(async () => (await run(["bench", name])).output, { timeout: 12_000 })
      .toContain("The agent runs a job now");
  }, 60_000);

  test("measures what several at once cost, keeps it for the next start, and says what it cannot measure", async () => {
    ollama.models = [...ollama.models, { name: "embedder", capabilities: ["embedding"] }];
    measurable();
    const { code, output } = await run(["bench", "--slots", "2", "--json"]);
    expect(code, output).toBe(0);
    const json: unknown = JSON.parse(output.slice(output.indexOf("{")));
    expect(json).toMatchObject({ models: [{ name, capacity: { loadMs: { basis: "measured" } } }] });
    expect(output).toContain("2 at once, 3 of 3");
    expect(await run(["bench", "embedder"])).toMatchObject({
      code: 1,
      output: expect.stringContaining("embedder cannot be measured"),
    });
    ollama.script("/api/chat", { do: "refuse", status: 500, body: '{"error":"CUDA out of memory"}' });
    expect(await run(["bench", name])).toMatchObject({
      code: 1,
      output: expect.stringMatching(/could not be measured: .*out of memory/),
    });
  }, 60_000);
});
