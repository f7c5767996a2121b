/**
 * How a simulated machine spends its time. Pure: time passes only through `advance`.
 *
 * The processor is shared between units: every prompt that is being processed is one, every model's batch of
 * decoding generations is one. Loading is bound by the disk and shares nothing. A generation in a batch of k
 * runs at 1 / (1 + batchFactor (k - 1)) of its rate alone.
 */
import { decodeStepMs, prefillMs, priorCapacity, residentBytesOf, weightBytes } from "@coop/core";
import type { ModelCapacity, ModelRow } from "@coop/core";
import type { SimulatedMachine } from "./fleet.ts";

export type GenerationPhase = "queued" | "loading" | "prefill" | "decode" | "finished";

/** One generation; the times are what each phase took, in the machine's own milliseconds. */
export interface Generation {
  readonly model: string;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly contextTokens: number;
  phase: GenerationPhase;
  /** Output tokens produced, with the fraction of the next one. */
  produced: number;
  prefillLeftMs: number;
  readonly spent: { queuedMs: number; loadMs: number; prefillMs: number; decodeMs: number };
}

interface LoadedModel {
  readonly name: string;
  readonly residentBytes: number;
  readonly contextTokens: number;
  loadLeftMs: number;
  lastUsedMs: number;
}

export type SubmitOutcome =
  | { readonly kind: "taken"; readonly generation: Generation }
  | { readonly kind: "too-large"; readonly neededBytes: number; readonly availableBytes: number }
  | { readonly kind: "full" };

/** Requests that wait beyond this are refused, as Ollama's `OLLAMA_MAX_QUEUE` does by default. */
export const MAX_QUEUED = 512;

export interface MachinePhysics {
  submit(work: Pick<Generation, "model" | "promptTokens" | "outputTokens" | "contextTokens">): SubmitOutcome;
  /** Frees what a generation holds, in whatever phase. */
  cancel(generation: Generation): void;
  /** Lets time pass, ms of the machine. */
  advance(elapsedMs: number): void;
  /** Time until some generation changes phase, ms; null when nothing runs. */
  nextChangeMs(): number | null;
  loaded(): readonly { readonly name: string; readonly residentBytes: number }[];
  unload(model: string): void;
}

const NOTHING_LEFT = 1e-6;

/** @param machine every model name given to `submit` must be one of its models. */
export function createPhysics(machine: SimulatedMachine): MachinePhysics {
  const memoryBytes = machine.row.memoryBytes * machine.row.modelMemoryShare;
  const capacities = new Map<string, ModelCapacity>();
  for (const [name, model] of machine.models) capacities.set(name, priorCapacity(machine.row, model.shape));
  const loaded = new Map<string, LoadedModel>();
  let running: Generation[] = [];
  let queue: Generation[] = [];
  let nowMs = 0;

  const capacityOf = (name: string): ModelCapacity => found(capacities.get(name), name);
  const rowOf = (name: string): ModelRow => found(machine.models.get(name), name);
  const residentOf = (name: string, contextTokens: number): number =>
    residentBytesOf(rowOf(name).shape, contextTokens, machine.slots);
  const inUse = (name: string): boolean => running.some((generation) => generation.model === name);

  /** Makes room by evicting idle models, least recently used first; false when active ones are in the way. */
  function makeRoom(neededBytes: number): boolean {
    const idle = [...loaded.values()]
      .filter((model) => !inUse(model.name))
      .toSorted((a, b) => a.lastUsedMs - b.lastUsedMs);
    let used = 0;
    for (const model of loaded.values()) used += model.residentBytes;
    for (const model of idle) {
      if (used + neededBytes <= memoryBytes) break;
      loaded.delete(model.name);
      used -= model.residentBytes;
    }
    return used + neededBytes <= memoryBytes;
  }

  function ensureLoaded(generation: Generation): boolean {
    const present = loaded.get(generation.model);
    if (present && present.contextTokens >= generation.contextTokens) return true;
    if (present && inUse(generation.model)) return false;
    loaded.delete(generation.model);
    const residentBytes = residentOf(generation.model, generation.contextTokens);
    if (!makeRoom(residentBytes)) return false;
    loaded.set(generation.model, {
      name: generation.model,
      residentBytes,
      contextTokens: generation.contextTokens,
      loadLeftMs: capacityOf(generation.model).loadMs.value,
      lastUsedMs: nowMs,
    });
    return true;
  }

  function startWaiting(): void {
    for (let first = queue[0]; first && running.length < machine.slots; first = queue[0]) {
      if (!ensureLoaded(first)) return;
      queue = queue.slice(1);
      running.push(first);
      enterPhase(first, "loading");
    }
  }

  /** Steps through phases that have nothing to do. */
  function enterPhase(generation: Generation, phase: GenerationPhase): void {
    generation.phase = phase;
    if (phase === "loading" && (loaded.get(generation.model)?.loadLeftMs ?? 0) <= NOTHING_LEFT)
      enterPhase(generation, "prefill");
    else if (phase === "prefill" && generation.prefillLeftMs <= NOTHING_LEFT)
      enterPhase(generation, "decode");
    else if (phase === "decode" && generation.produced >= generation.outputTokens - NOTHING_LEFT)
      finish(generation);
  }

  function finish(generation: Generation): void {
    generation.phase = "finished";
    generation.produced = generation.outputTokens;
    running = running.filter((other) => other !== generation);
    const model = loaded.get(generation.model);
    if (model) model.lastUsedMs = nowMs;
  }

  const batchOf = (model: string): number =>
    running.filter((generation) => generation.model === model && generation.phase === "decode").length;

  function unitCount(): number {
    const decoding = new Set<string>();
    let units = 0;
    for (const generation of running) {
      if (generation.phase === "prefill") units += 1;
      else if (generation.phase === "decode") decoding.add(generation.model);
    }
    return units + decoding.size;
  }

  const stepMs = (generation: Generation): number =>
    decodeStepMs(
      capacityOf(generation.model),
      generation.promptTokens + generation.produced,
      batchOf(generation.model),
    ) * unitCount();

  function changeInMs(generation: Generation): number {
    switch (generation.phase) {
      case "loading":
        return loaded.get(generation.model)?.loadLeftMs ?? 0;
      case "prefill":
        return generation.prefillLeftMs * unitCount();
      case "decode":
        return (generation.outputTokens - generation.produced) * stepMs(generation);
      case "queued":
      case "finished":
        return Number.POSITIVE_INFINITY;
    }
  }

  const nextChangeMs = (): number | null => {
    if (running.length === 0) return null;
    return Math.min(...running.map(changeInMs));
  };

  /** Moves all on by a time in which no phase changes. */
  function moveOn(elapsedMs: number): void {
    const units = unitCount();
    const steps = running.map((generation) => (generation.phase === "decode" ? stepMs(generation) : 0));
    for (const [index, generation] of running.entries()) {
      if (generation.phase === "prefill") {
        generation.prefillLeftMs -= elapsedMs / units;
        generation.spent.prefillMs += elapsedMs;
      } else if (generation.phase === "decode") {
        generation.produced += elapsedMs / (steps[index] ?? Number.POSITIVE_INFINITY);
        generation.spent.decodeMs += elapsedMs;
      } else generation.spent.loadMs += elapsedMs;
    }
    for (const model of loaded.values()) model.loadLeftMs = Math.max(0, model.loadLeftMs - elapsedMs);
    for (const generation of queue) generation.spent.queuedMs += elapsedMs;
    nowMs += elapsedMs;
  }

  function changePhases(): void {
    for (const generation of running) enterPhase(generation, generation.phase);
    startWaiting();
  }

  return {
    submit(work) {
      const neededBytes = residentOf(work.model, work.contextTokens);
      if (neededBytes > memoryBytes) return { kind: "too-large", neededBytes, availableBytes: memoryBytes };
      if (queue.length >= MAX_QUEUED) return { kind: "full" };
      const generation: Generation = {
        ...work,
        phase: "queued",
        produced: 0,
        prefillLeftMs: prefillMs(capacityOf(work.model), work.promptTokens),
        spent: { queuedMs: 0, loadMs: 0, prefillMs: 0, decodeMs: 0 },
      };
      queue.push(generation);
      startWaiting();
      return { kind: "taken", generation };
    },
    cancel(generation) {
      queue = queue.filter((other) => other !== generation);
      running = running.filter((other) => other !== generation);
      generation.phase = "finished";
      startWaiting();
    },
    advance(elapsedMs) {
      let left = elapsedMs;
      for (let change = nextChangeMs(); change !== null && change <= left; change = nextChangeMs()) {
        moveOn(change);
        left -= change;
        changePhases();
      }
      moveOn(left);
    },
    nextChangeMs,
    loaded: () => [...loaded.values()].map(({ name, residentBytes }) => ({ name, residentBytes })),
    unload(model) {
      if (!inUse(model)) loaded.delete(model);
    },
  };
}

function found<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`broken invariant: the simulated machine has no model ${name}`);
  return value;
}

/** Size of a model's weights, bytes. */
export const modelFileBytes = (model: ModelRow): number => weightBytes(model.shape);
