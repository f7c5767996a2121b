import type { Log } from "@coop/core";
import { afterEach, expect } from "vitest";
import type {
  Engine,
  EngineEvent,
  EngineOutcome,
  GenerateLimits,
  GenerateRequest,
} from "../../packages/agent/src/engines/engine.ts";
import { createOllamaEngine } from "../../packages/agent/src/engines/ollama/ollama.ts";
import { createSystemTiming } from "../../packages/agent/src/timing.ts";
import { startScriptedOllama } from "./scripted-ollama.ts";
import type { ScriptedOllama } from "./scripted-ollama.ts";

export const scriptedModel = "llama3.2:3b";

export const generousLimits: GenerateLimits = {
  loadMs: 5000,
  firstTokenMs: 5000,
  idleMs: 5000,
  totalMs: 10_000,
};

type ChatJob = Extract<GenerateRequest, { kind: "chat" }>;

/** A chat whose prompt is guessed at 15 tokens. */
export const chat = (changes: Partial<ChatJob> = {}): GenerateRequest => ({
  kind: "chat",
  model: scriptedModel,
  contextTokens: 8192,
  messages: [{ role: "user", content: "Say hello to the person over there, if you would be so kind." }],
  sampling: {},
  maxOutputTokens: 64,
  ...changes,
});

/** A signal that no test is to see abort. */
export const soon = (): AbortSignal => AbortSignal.timeout(5000);

/** What an engine may take to notice a cancel, ms. */
const CANCEL_MS = 2000;

/** How the exchange ended, or that it did not within the 2 s that a cancel may take. */
export function endedSoon(ended: Promise<string>): Promise<string> {
  const late = new Promise<string>((resolve) => {
    setTimeout(() => resolve(`not within ${CANCEL_MS} ms`), CANCEL_MS).unref();
  });
  return Promise.race([ended, late]);
}

export interface EngineRig {
  readonly engine: Engine;
  readonly ollama: ScriptedOllama;
  /** What the engine warned about. */
  readonly warnings: readonly string[];
}

const rigs: EngineRig[] = [];

/** The real adapter on a scripted engine; both are closed behind the test. */
export async function startEngineRig(): Promise<EngineRig> {
  const ollama = await startScriptedOllama();
  const warnings: string[] = [];
  const note = (_fields: unknown, message: string): void => void warnings.push(message);
  const log: Log = { debug: () => undefined, info: () => undefined, warn: note, error: note };
  const engine = createOllamaEngine({ host: ollama.url, timing: createSystemTiming(), log });
  const rig = { engine, ollama, warnings };
  rigs.push(rig);
  return rig;
}

afterEach(async () => {
  for (const { engine, ollama } of rigs.splice(0)) {
    await engine.close();
    await ollama[Symbol.asyncDispose]();
  }
});

const isOutcome = (event: EngineEvent): event is EngineOutcome =>
  event.kind === "done" || event.kind === "failed" || event.kind === "aborted";

export interface EngineRun {
  readonly events: readonly EngineEvent[];
  readonly kinds: readonly EngineEvent["kind"][];
  readonly outcome: EngineOutcome;
  /** Content alone. */
  readonly text: string;
}

/** Everything a generation yields, and its outcome, which must be the last event and the only one. */
export async function run(
  engine: Engine,
  request: GenerateRequest = chat(),
  limits: Partial<GenerateLimits> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<EngineRun> {
  const events: EngineEvent[] = [];
  for await (const event of engine.generate(request, signal, { ...generousLimits, ...limits })) {
    events.push(event);
  }
  const outcomes = events.filter(isOutcome);
  const [outcome] = outcomes;
  expect(outcomes).toHaveLength(1);
  expect(events.at(-1)).toBe(outcome);
  if (outcome === undefined) throw new Error("the generation has no outcome");
  return { events, kinds: events.map((event) => event.kind), outcome, text: contentOf(events) };
}

const contentOf = (events: readonly EngineEvent[]): string =>
  events
    .map((event) => (event.kind === "delta" && event.delta.kind === "content" ? event.delta.text : ""))
    .join("");
