import type { Log, NodeReport } from "@coop/core";
import type { NodeMemory, Resident } from "./reporting.ts";

/** An idle model leaves only when it was not used for this long, ms; under critical pressure at once. */
export const IDLE_MS = 60_000;
/** Shortest time between two models that leave, ms: what one frees shows only in later looks. */
export const COOLDOWN_MS = 30_000;

export interface MemoryWatchDeps {
  /** Models that the owner wants to stay. */
  readonly pinned: () => readonly string[];
  readonly log: Log;
  readonly monotonicMs: () => number;
  readonly unload: (model: string) => void;
}

interface Use {
  readonly keptUntilMs: number | null;
  readonly atMs: number;
}

/**
 * Keeps memory free on the machine by unloading idle models, the least recently used first.
 *
 * M1. A model that is pinned, or that generates for the co-op, stays.
 * M2. Use by others counts too: an engine moves the time until which it keeps a model with each use.
 * M3. One model at a time, with a cooldown between.
 */
export class MemoryWatch {
  readonly #deps: MemoryWatchDeps;
  #uses = new Map<string, Use>();
  #unloadedAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: MemoryWatchDeps) {
    this.#deps = deps;
  }

  /** A look at the machine is done. `inUse`: models that generate now. */
  looked(memory: NodeMemory, pressure: NodeReport["pressure"], inUse: ReadonlySet<string>): void {
    const nowMs = this.#deps.monotonicMs();
    this.#noteUses(memory.residents, inUse, nowMs);
    if (!isShort(memory, pressure) || nowMs - this.#unloadedAtMs < COOLDOWN_MS) return;
    const idleMs = pressure === "critical" ? 0 : IDLE_MS;
    const [oldest] = memory.residents
      .filter(({ name }) => !this.#deps.pinned().includes(name) && !inUse.has(name))
      .filter(({ name }) => nowMs - this.#usedAtMs(name) >= idleMs)
      .sort((one, other) => this.#usedAtMs(one.name) - this.#usedAtMs(other.name));
    if (oldest === undefined) return;
    this.#unloadedAtMs = nowMs;
    this.#deps.log.info(
      { model: oldest.name, freeBytes: memory.freeBytes, keepFreeBytes: memory.keepFreeBytes, pressure },
      "unloading an idle model to free memory",
    );
    this.#deps.unload(oldest.name);
  }

  #usedAtMs(model: string): number {
    return this.#uses.get(model)?.atMs ?? Number.NEGATIVE_INFINITY;
  }

  #noteUses(residents: readonly Resident[], inUse: ReadonlySet<string>, nowMs: number): void {
    const uses = new Map<string, Use>();
    for (const { name, keptUntilMs } of residents) {
      const known = this.#uses.get(name);
      const wasUsed = known === undefined || known.keptUntilMs !== keptUntilMs || inUse.has(name);
      uses.set(name, wasUsed ? { keptUntilMs, atMs: nowMs } : known);
    }
    this.#uses = uses;
  }
}

function isShort({ freeBytes, keepFreeBytes }: NodeMemory, pressure: NodeReport["pressure"]): boolean {
  if (freeBytes === null) return false;
  return freeBytes < keepFreeBytes || pressure === "critical";
}
