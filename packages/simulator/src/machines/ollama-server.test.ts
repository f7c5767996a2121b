import { decodeStepMs, priorCapacity } from "@coop/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { simulatedMachine } from "./fleet.ts";
import { startSimulatedOllama } from "./ollama-server.ts";
import type { SimulatedOllama } from "./ollama-server.ts";

const SPEEDUP = 20;
const started: SimulatedOllama[] = [];
const start = async (profile: string): Promise<SimulatedOllama> => {
  const ollama = await startSimulatedOllama(simulatedMachine(profile), { port: 0, speedup: SPEEDUP });
  started.push(ollama);
  return ollama;
};
afterEach(async () => {
  await Promise.all(started.splice(0).map((ollama) => ollama.stop()));
});

const finalSchema = z.object({
  done: z.literal(true),
  done_reason: z.string(),
  prompt_eval_count: z.number(),
  eval_count: z.number(),
  eval_duration: z.number(),
  load_duration: z.number(),
});
const lineSchema = z.object({ done: z.boolean(), message: z.object({ content: z.string() }) });

const post = (
  ollama: SimulatedOllama,
  path: string,
  body: unknown,
  signal?: AbortSignal,
): Promise<Response> =>
  fetch(ollama.url + path, { method: "POST", body: JSON.stringify(body), ...(signal ? { signal } : {}) });

const ask = (model: string, numPredict: number): object => ({
  model,
  messages: [{ role: "user", content: "Say something about bicycles." }],
  options: { num_predict: numPredict, num_ctx: 4096 },
});

describe("a simulated machine at the wire", () => {
  it("streams one line a token, says that it is simulated, and reports honest counts and times", async () => {
    const ollama = await start("mac-studio-m4-max-128");
    await post(ollama, "/api/generate", { model: "qwen3:8b", options: { num_ctx: 4096 }, stream: false });
    const before = performance.now();
    const text = await (await post(ollama, "/api/chat", ask("qwen3:8b", 600))).text();
    const wallMs = performance.now() - before;
    const lines = text.trim().split("\n");
    const final = finalSchema.parse(JSON.parse(lines.at(-1) ?? ""));
    expect(final.eval_count).toBe(lines.length - 1);
    const content = lines.map((line) => lineSchema.parse(JSON.parse(line)).message.content).join("");
    expect(content).toMatch(/^\[simulated Mac Studio M4 Max\]/);
    const machine = simulatedMachine("mac-studio-m4-max-128");
    const shape = machine.models.get("qwen3:8b")?.shape;
    const expectedMs = shape
      ? (final.eval_count * decodeStepMs(priorCapacity(machine.row, shape), final.eval_count / 2, 1)) /
        SPEEDUP
      : Number.NaN;
    expect(Math.abs(final.eval_duration / 1e6 - expectedMs) / expectedMs).toBeLessThan(0.1);
    expect(wallMs).toBeGreaterThan(expectedMs * 0.9);
  });

  it("frees the slot when the caller goes away", async () => {
    const ollama = await start("raspberry-pi-5-8");
    const abort = new AbortController();
    const first = post(ollama, "/api/chat", ask("llama3.2:3b", 2000), abort.signal);
    await vi.waitFor(() => expect(ollama.activeRequests()).toBe(1));
    abort.abort();
    await expect(first).rejects.toThrow(/abort/i);
    await vi.waitFor(() => expect(ollama.activeRequests()).toBe(0));
    const second = await post(ollama, "/api/chat", { ...ask("llama3.2:3b", 4), stream: false });
    expect(finalSchema.parse(await second.json()).eval_count).toBeLessThanOrEqual(4);
  });

  it("counts what it served, as its answers told it", async () => {
    const ollama = await start("raspberry-pi-5-8");
    const answers = await Promise.all(
      [5, 9].map(async (amount) => {
        const response = await post(ollama, "/api/chat", { ...ask("llama3.2:3b", amount), stream: false });
        return finalSchema.parse(await response.json());
      }),
    );
    const abort = new AbortController();
    const gone = post(ollama, "/api/chat", ask("llama3.2:3b", 2000), abort.signal).then((response) =>
      response.text(),
    );
    await vi.waitFor(() => expect(ollama.activeRequests()).toBe(1));
    abort.abort();
    await expect(gone).rejects.toThrow(/abort/i);
    await vi.waitFor(() => expect(ollama.activeRequests()).toBe(0));
    expect(await (await fetch(`${ollama.url}/simulated/served`)).json()).toEqual({
      "llama3.2:3b": {
        finished: 2,
        promptTokens: answers.reduce((sum, answer) => sum + answer.prompt_eval_count, 0),
        outputTokens: answers.reduce((sum, answer) => sum + answer.eval_count, 0),
        abandoned: 1,
      },
    });
  });

  it("answers JSON where JSON was asked for", async () => {
    const ollama = await start("mac-studio-m4-max-128");
    const response = await post(ollama, "/api/chat", {
      ...ask("llama3.2:3b", 100),
      format: "json",
      stream: false,
    });
    const answer = z.object({ message: z.object({ content: z.string() }) }).parse(await response.json());
    expect(JSON.parse(answer.message.content)).toMatchObject({ simulated: true });
  });

  it("embeds the same text to the same unit vector", async () => {
    const ollama = await start("macbook-air-m4-32");
    const response = await post(ollama, "/api/embed", { model: "nomic-embed-text", input: ["a", "b", "a"] });
    const { embeddings } = z
      .object({ embeddings: z.array(z.array(z.number())) })
      .parse(await response.json());
    expect(embeddings[0]).toEqual(embeddings[2]);
    expect(embeddings[0]).not.toEqual(embeddings[1]);
    expect(Math.hypot(...(embeddings[0] ?? []))).toBeCloseTo(1, 6);
  });

  it.each([
    ["/api/chat", { model: "gpt-5" }, 404, "model 'gpt-5' not found"],
    ["/api/chat", { model: 5 }, 400, "model: "],
    [
      "/api/chat",
      {
        model: "qwen3:8b",
        messages: [{ role: "user", content: "x".repeat(40_000) }],
        options: { num_ctx: 2048 },
      },
      400,
      "exceeds the context length",
    ],
    ["/api/pull", { model: "qwen3:8b" }, 404, "has no POST /api/pull"],
  ])("refuses what it cannot do: %s %o", async (path, body, status, message) => {
    const ollama = await start("macbook-air-m4-32");
    const response = await post(ollama, path, body);
    expect(response.status).toBe(status);
    expect(await response.text()).toContain(message);
  });

  it("tells what it is", async () => {
    const ollama = await start("raspberry-pi-5-8");
    expect(await (await fetch(`${ollama.url}/api/version`)).json()).toMatchObject({
      simulated: { profile: "raspberry-pi-5-8", slots: 1, speedup: SPEEDUP },
    });
  });
});
