import type { ModelCapacity } from "@coop/core";
import type { Assign } from "@coop/protocol";
import type { GenerateLimits } from "./engines/engine.ts";

/** Shortest and longest time a load may take, ms. Ollama itself gives a load 5 minutes without progress. */
const loadFloorMs = 60_000;
const loadCeilingMs = 600_000;
/** Shortest and longest wait for the first output once the model is in memory, ms. */
const firstTokenFloorMs = 60_000;
const firstTokenCeilingMs = 1_800_000;
/** Silence between two pieces of output beyond which an engine hangs, ms. */
const idleMs = 45_000;
/** How much slower than its figures a machine may be before it counts as hung. */
const slack = 10;

/**
 * How long each stretch of an attempt may take: many times what the model's figures say, within bounds that
 * still catch an engine that hangs.
 */
export function generateLimits(
  capacity: ModelCapacity,
  assign: Pick<Assign, "promptTokensMax" | "remainingMs">,
): GenerateLimits {
  const prefillMs = (1000 * assign.promptTokensMax) / Math.max(1, capacity.prefillTokensPerSecond.value);
  return {
    loadMs: clamp(slack * capacity.loadMs.value, loadFloorMs, loadCeilingMs),
    firstTokenMs: clamp(slack * prefillMs, firstTokenFloorMs, firstTokenCeilingMs),
    idleMs,
    totalMs: Math.max(0, assign.remainingMs),
  };
}

const clamp = (value: number, floor: number, ceiling: number): number =>
  Math.min(ceiling, Math.max(floor, value));
