import { expect, test, vi } from "vitest";
import { chat, run, startEngineRig } from "../../../../../test/harness/ollama-engine.ts";
import { done, piece } from "../../../../../test/harness/scripted-ollama.ts";
import { generateLimits } from "../../generate-limits.ts";
import { report } from "../../testing/bench.ts";

/** A Raspberry Pi on a prompt of 16,000 tokens, as its own figures say: 400 s until the first output. */
const PROMPT_TOKENS = 16_000;
const PREFILL_MS = 400_000;

test("a prefill of more than five minutes is no hang: nothing but the model's own figures limits it", async () => {
  const { engine, ollama } = await startEngineRig();
  const released = Promise.withResolvers<void>();
  ollama.script("/api/chat", { do: "await", released: released.promise }, piece("Hi"), done());
  const [model] = report.models;
  if (model === undefined) throw new Error("the bench's node has no model");
  const capacity = {
    ...model.capacity,
    prefillTokensPerSecond: { value: PROMPT_TOKENS / (PREFILL_MS / 1000), basis: "measured" as const },
  };
  const limits = generateLimits(capacity, { promptTokensMax: PROMPT_TOKENS, remainingMs: 3_600_000 });

  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const running = run(engine, chat(), limits);
    await ollama.call("/api/chat");
    await vi.advanceTimersByTimeAsync(PREFILL_MS);
    released.resolve();
    expect((await running).outcome).toMatchObject({ kind: "done" });
  } finally {
    vi.useRealTimers();
  }
});

test("but a prefill that takes ten times what the figures say is one", async () => {
  const { engine, ollama } = await startEngineRig();
  ollama.script("/api/chat", { do: "hang" });
  const [model] = report.models;
  if (model === undefined) throw new Error("the bench's node has no model");
  const limits = generateLimits(model.capacity, { promptTokensMax: 100, remainingMs: 3_600_000 });
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const running = run(engine, chat(), limits);
    await ollama.call("/api/chat");
    await vi.advanceTimersByTimeAsync(limits.firstTokenMs + 1);
    expect((await running).outcome).toMatchObject({ kind: "failed", class: "first-token-timeout" });
  } finally {
    vi.useRealTimers();
  }
});

test("a connection that is silent for longer than an idle one is kept stays", async () => {
  const { engine, ollama } = await startEngineRig();
  ollama.script("/api/chat", { do: "pause", ms: 4_400 }, piece("Hi"), done());
  const outcome = await run(engine, chat(), { firstTokenMs: 30_000, totalMs: 60_000 });
  expect(outcome.outcome).toMatchObject({ kind: "done" });
});
