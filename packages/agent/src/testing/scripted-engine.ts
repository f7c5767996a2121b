import { assert } from "@coop/core";
import type { Delta, Usage } from "@coop/core";
import type {
  Engine,
  EngineEvent,
  EngineOutcome,
  GenerateLimits,
  GenerateRequest,
} from "../engines/engine.ts";

/** A generation that a test plays by hand. */
export interface PlayedGeneration {
  readonly request: GenerateRequest;
  readonly limits: GenerateLimits;
  readonly signal: AbortSignal;
  /** Events that were handed over and not read yet. */
  readonly unread: number;
  say(text: string): void;
  emit(event: EngineEvent): void;
  finish(usage?: Usage): void;
}

export interface ScriptedEngine extends Engine {
  /** The next generation that begins. */
  nextGeneration(): Promise<PlayedGeneration>;
  readonly generations: number;
  readonly warmed: readonly string[];
  readonly unloaded: readonly string[];
}

const delta = (delta: Delta): EngineEvent => ({ kind: "delta", delta, tokens: 1 });

/** An engine whose every piece of output a test decides. */
export function createScriptedEngine(): ScriptedEngine {
  const begun: PlayedGeneration[] = [];
  const waiting: ((generation: PlayedGeneration) => void)[] = [];
  const warmed: string[] = [];
  const unloaded: string[] = [];
  let generations = 0;
  return {
    describe: () => Promise.resolve({ kind: "ready", engine: "scripted 1", simulated: null }),
    models: () => Promise.resolve({ kind: "listed", models: [] }),
    generate(request, signal, limits) {
      const { played, events } = play(request, signal, limits);
      generations += 1;
      const waiter = waiting.shift();
      if (waiter === undefined) begun.push(played);
      else waiter(played);
      return events;
    },
    warm(model) {
      warmed.push(model);
      return Promise.resolve({ kind: "ok" });
    },
    unload(model) {
      unloaded.push(model);
      return Promise.resolve({ kind: "ok" });
    },
    close: () => Promise.resolve(),
    nextGeneration() {
      const played = begun.shift();
      return played === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(played);
    },
    get generations() {
      return generations;
    },
    warmed,
    unloaded,
  };
}

function play(request: GenerateRequest, signal: AbortSignal, limits: GenerateLimits) {
  const queue: EngineEvent[] = [];
  let wake = (): void => undefined;
  let tokens = 0;
  const usage = (): Usage => ({ promptTokens: 10, outputTokens: tokens });
  const emit = (event: EngineEvent): void => {
    if (event.kind === "delta") tokens += event.tokens;
    queue.push(event);
    wake();
  };
  const played: PlayedGeneration = {
    request,
    limits,
    signal,
    get unread() {
      return queue.length;
    },
    say: (text) => emit(delta({ kind: "content", text })),
    emit,
    finish: (used = usage()) => emit(done(used)),
  };
  async function* events(): AsyncGenerator<EngineEvent> {
    const aborted = new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true }),
    );
    for (;;) {
      if (signal.aborted) return yield { kind: "aborted", usage: usage(), phase: "decode" };
      const event = queue.shift();
      if (event !== undefined) {
        yield event;
        if (event.kind === "done" || event.kind === "failed") return;
        continue;
      }
      const arrived = new Promise<void>((resolve) => (wake = resolve));
      await Promise.race([arrived, aborted]);
    }
  }
  return { played, events: events() };
}

const done = (usage: Usage): EngineOutcome => {
  assert(usage.outputTokens >= 0, "usage counts from zero");
  return {
    kind: "done",
    finishReason: "stop",
    usage,
    timings: { loadMs: 0, prefillMs: 5, decodeMs: 20, totalMs: 25 },
    promptTokensCached: 0,
    occupancy: 1,
    sharers: { prefill: 1, decode: 1 },
  };
};
