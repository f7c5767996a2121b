import { OperationalError } from "@coop/core";
import type { ModelReport } from "@coop/core";
import type { Engine, EngineOutcome, GenerateLimits } from "./engines/engine.ts";
import type { Timing } from "./timing.ts";

export interface MeasureDeps {
  readonly engine: Engine;
  readonly timing: Timing;
  readonly signal: AbortSignal;
  /** Takes in what a generation showed. */
  readonly observe: (model: string, outcome: EngineOutcome) => void;
  /** Says what is measured now. */
  readonly progress: (step: string) => void;
}

type Done = Extract<EngineOutcome, { kind: "done" }>;

/** Samples that make a figure a measured one. */
const SAMPLES = 3;
/** Loads stop being repeated when they took so long in all, ms. */
const LOADING_MS_MAX = 60_000;
/** Most generations at once; what a batch costs shows with few. */
const BATCH_MAX = 4;
const PROMPT_WORDS = 600;
const OUTPUT_TOKENS = 64;
const LIMITS: GenerateLimits = {
  loadMs: 600_000,
  firstTokenMs: 600_000,
  idleMs: 60_000,
  totalMs: 1_800_000,
};

/**
 * Measures one model on the engine itself: loads, then generations alone (prompt and output), then several
 * at once where the engine has slots for them. Each prompt begins differently, so that no cache answers for it.
 * @throws OperationalError `not-measured` when the engine fails at it
 */
export async function measure(deps: MeasureDeps, model: ModelReport, slots: number): Promise<void> {
  const { progress, timing } = deps;
  const startedAtMs = timing.monotonicMs();
  for (let load = 1; load <= SAMPLES; load += 1) {
    if (timing.monotonicMs() - startedAtMs > LOADING_MS_MAX) break;
    progress(`loading, ${load} of ${SAMPLES}`);
    const unloaded = await deps.engine.unload(model.name, deps.signal);
    if (unloaded.kind !== "ok") throw notMeasured(model, unloaded);
    deps.observe(model.name, await generate(deps, model, "Hi", 1));
  }
  for (let sample = 1; sample <= SAMPLES; sample += 1) {
    progress(`prompt and output alone, ${sample} of ${SAMPLES}`);
    deps.observe(model.name, await generate(deps, model, promptOf(`${sample}`), OUTPUT_TOKENS));
  }
  const batch = Math.min(slots, BATCH_MAX);
  if (batch < 2) return;
  for (let sample = 1; sample <= SAMPLES; sample += 1) {
    progress(`${batch} at once, ${sample} of ${SAMPLES}`);
    const prompts = Array.from({ length: batch }, (_, index) => promptOf(`${sample}.${index + 1}`));
    const outcomes = await Promise.all(prompts.map((prompt) => generate(deps, model, prompt, OUTPUT_TOKENS)));
    for (const outcome of outcomes) deps.observe(model.name, outcome);
  }
}

async function generate(
  { engine, signal, timing }: MeasureDeps,
  model: ModelReport,
  prompt: string,
  maxOutputTokens: number,
): Promise<Done> {
  const request = {
    kind: "chat" as const,
    model: model.name,
    contextTokens: model.contextTokens,
    messages: [{ role: "user" as const, content: `${Math.round(timing.now())} ${prompt}` }],
    sampling: {},
    maxOutputTokens,
  };
  for await (const event of engine.generate(request, signal, LIMITS)) {
    if (event.kind === "done") return event;
    if (event.kind === "failed" || event.kind === "aborted") throw notMeasured(model, event);
  }
  throw notMeasured(model, { kind: "aborted" });
}

function promptOf(name: string): string {
  const words = Array.from({ length: PROMPT_WORDS }, (_, index) => index);
  return `${name}: continue this list as far as you can: ${words.join(" ")}`;
}

const notMeasured = (
  { name }: ModelReport,
  end: { readonly kind: "failed"; readonly message: string } | { readonly kind: "aborted" },
): OperationalError =>
  new OperationalError(
    "not-measured",
    end.kind === "failed"
      ? `${name} could not be measured: ${end.message}`
      : `${name} was not measured to its end`,
  );
