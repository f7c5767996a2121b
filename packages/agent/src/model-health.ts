import type { FailureClass, Log } from "@coop/core";
import type { Engine, EngineOutcome, GenerateLimits, GenerateRequest } from "./engines/engine.ts";
import type { Slot, Slots } from "./slots.ts";
import { pause } from "./timing.ts";
import type { Timing } from "./timing.ts";

/**
 * Whether each model can generate, told by generating: an engine can answer every question about itself
 * while the model behind it hangs.
 *
 * H1. A fault makes a model suspect; a canary, one token long, decides. Two canaries missed in a row make the
 *     model unhealthy, that model alone.
 * H2. After a fault or a cancel, the slot that it left is held until a canary shows that the engine let go.
 * H3. An unhealthy model is tried again at growing intervals while a slot is free, without taking it: a model
 *     that hangs keeps nobody from the others. One good generation heals it.
 */
export interface ModelHealth {
  /** An attempt ended. Call it as soon as its slot is free: a canary takes the slot at once. */
  ended(model: string, outcome: EngineOutcome): void;
  /** Why models are unusable now, by name. */
  unhealthy(): Readonly<Record<string, string>>;
  /** Stops all canaries. Resolves when none runs. */
  close(): Promise<void>;
}

export interface ModelHealthDeps {
  readonly engine: Engine;
  readonly slots: Slots;
  readonly timing: Timing;
  readonly log: Log;
  /** The smallest request that makes the model generate; null when there is no such model any more. */
  readonly canary: (model: string) => GenerateRequest | null;
  /** A model became unhealthy, or healthy again. */
  readonly onChange: () => void;
  readonly limits?: GenerateLimits;
  readonly intervals?: CanaryIntervals;
}

export interface CanaryIntervals {
  /** Between the first miss and the second canary, ms. */
  readonly secondMs: number;
  /** Between canaries of an unhealthy model, at first and at most, ms. */
  readonly healingMs: number;
  readonly healingMsMax: number;
}

const MISSES_TO_UNHEALTHY = 2;
/** For a canary that holds a slot: a load that takes longer is waited for by the healing canaries, which hold none. */
const DECIDING_LIMITS: GenerateLimits = {
  loadMs: 60_000,
  firstTokenMs: 30_000,
  idleMs: 30_000,
  totalMs: 120_000,
};
const HEALING_LIMITS: GenerateLimits = { ...DECIDING_LIMITS, loadMs: 330_000, totalMs: 390_000 };
const CANARY_INTERVALS: CanaryIntervals = { secondMs: 2_000, healingMs: 30_000, healingMsMax: 300_000 };

/** What an outcome says about the model. */
type Verdict = "good" | "suspect" | "nothing";

type CanaryResult =
  | { readonly kind: "good" }
  | { readonly kind: "missed"; readonly problem: string }
  /** The engine is away or full, or others kept it busy: it says nothing about the model. */
  | { readonly kind: "unclear" }
  | { readonly kind: "stopped" };

export function createModelHealth(deps: ModelHealthDeps): ModelHealth {
  const { engine, slots, timing, log, onChange } = deps;
  const intervals = deps.intervals ?? CANARY_INTERVALS;
  const closing = new AbortController();
  const problems = new Map<string, string>();
  /** When each model last generated well, by a count that only grows. */
  const goods = new Map<string, number>();
  /** What is still to be decided of a model, and the healing behind it. */
  const deciding = new Map<string, Promise<void>>();
  const watches = new Map<string, Promise<void>>();
  /** Slots in this module's hands. */
  let held = 0;

  const takeSlot = (): Slot | null => {
    const slot = slots.tryTake();
    if (slot === null) return null;
    held += 1;
    return {
      release() {
        held -= 1;
        slot.release();
      },
    };
  };

  const heal = (model: string): void => {
    goods.set(model, (goods.get(model) ?? 0) + 1);
    if (!problems.delete(model)) return;
    log.info({ model }, "the model generates again");
    onChange();
  };

  const sendCanary = async (model: string, limits: GenerateLimits): Promise<CanaryResult> => {
    const request = deps.canary(model);
    if (request === null) return { kind: "stopped" };
    const goodsBefore = goods.get(model);
    for await (const event of engine.generate(request, closing.signal, limits)) {
      if (event.kind === "done") return { kind: "good" };
      if (event.kind === "aborted") return { kind: "stopped" };
      if (event.kind !== "failed") continue;
      const isClear = goods.get(model) === goodsBefore && slots.total - slots.free <= held;
      return saysNothing(event.class) || !isClear
        ? { kind: "unclear" }
        : { kind: "missed", problem: `${event.class}: ${event.message}` };
    }
    return { kind: "missed", problem: "the engine ended without an outcome" };
  };

  /** Runs with a slot in hand until the model is known to be good or not. */
  const decide = async (model: string, slot: Slot): Promise<void> => {
    try {
      for (let misses = 0; misses < MISSES_TO_UNHEALTHY;) {
        const result = await sendCanary(model, deps.limits ?? DECIDING_LIMITS);
        if (result.kind === "good") return heal(model);
        if (result.kind !== "missed") return;
        misses += 1;
        log.warn({ model, misses, problem: result.problem }, "a canary came to nothing");
        if (misses === MISSES_TO_UNHEALTHY) {
          problems.set(model, result.problem);
          onChange();
        } else {
          await pause(timing, intervals.secondMs, closing.signal);
        }
      }
    } finally {
      slot.release();
    }
  };

  /** Tries an unhealthy model again until it is healed or gone. */
  const healing = async (model: string): Promise<void> => {
    let waitMs = intervals.healingMs;
    while (problems.has(model) && !closing.signal.aborted) {
      await pause(timing, waitMs, closing.signal);
      if (!problems.has(model) || closing.signal.aborted) return;
      if (deps.canary(model) === null) {
        problems.delete(model);
        return;
      }
      if (slots.free === 0) continue;
      const result = await sendCanary(model, deps.limits ?? HEALING_LIMITS);
      if (result.kind === "good") heal(model);
      else waitMs = Math.min(intervals.healingMsMax, waitMs * 2);
    }
  };

  const watch = (model: string, slot: Slot): void => {
    const decision = decide(model, slot).finally(() => deciding.delete(model));
    deciding.set(model, decision);
    watches.set(
      model,
      decision.then(() => healing(model)).finally(() => watches.delete(model)),
    );
  };

  return {
    ended(model, outcome) {
      const verdict = verdictOf(outcome);
      if (verdict === "good") heal(model);
      if (verdict !== "suspect" || closing.signal.aborted) return;
      const decision = deciding.get(model);
      if (decision === undefined && watches.has(model)) return;
      const slot = takeSlot();
      if (slot === null) return;
      if (decision === undefined) watch(model, slot);
      else void decision.finally(() => slot.release());
    },
    unhealthy: () => Object.fromEntries(problems),
    async close() {
      closing.abort();
      await Promise.all(watches.values());
    },
  };
}

function verdictOf(outcome: EngineOutcome): Verdict {
  switch (outcome.kind) {
    case "done":
      return "good";
    case "aborted":
      return outcome.phase === "loading" ? "nothing" : "suspect";
    case "failed":
      return saysNothing(outcome.class) ? "nothing" : "suspect";
  }
}

/** Failures that are the request's, the job's or the whole engine's, not the model's. */
function saysNothing(failure: FailureClass): boolean {
  switch (failure) {
    case "busy":
    case "bad-request":
    case "context-overflow":
    case "engine-unreachable":
    case "model-missing":
    case "model-output":
    case "node-lost":
    case "not-allowed":
    case "shutdown":
      return true;
    case "engine-error":
    case "first-token-timeout":
    case "idle-timeout":
    case "load-timeout":
    case "out-of-memory":
    case "total-timeout":
    case "truncated":
      return false;
  }
}
