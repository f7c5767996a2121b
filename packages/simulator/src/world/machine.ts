/**
 * How a simulated node spends its time: the truth that every policy meets. Pure; time passes only through `advance`.
 *
 * M1. The processor is shared evenly between units: each prompt that is processed is one, each model's batch of
 *     decoding generations is one. A generation in a batch of k runs at 1 / (1 + batchFactor (k - 1)).
 * M2. With an interference of chi, k generations of another model cost min(1, chi k) of a unit.
 * M3. Loading is bound by the disk and shares nothing. Idle models leave memory, least recently used first; a model
 *     that does not fit beside those in use waits for them, in its slot.
 * M4. Heat lowers the speed of prompts and decoding alike.
 */
import { prefillMs } from "@coop/core";
import { decodeAloneS, tokensDecoded } from "./decode-time.ts";
import type { SimModel, SimNode } from "./fleet.ts";
import { nextStepS, passHeat, speedAt, thermalState } from "./heat.ts";
import type { Heat } from "./heat.ts";
import type { SimJob } from "./job.ts";
import { emptyCache, releaseSequence, takeSequence } from "./prefix-cache.ts";
import type { CachedSequence } from "./prefix-cache.ts";

export type SimPhase = "memory" | "loading" | "prefill" | "decode" | "ended";

/** One generation on a machine. */
export interface SimAttempt {
  readonly job: SimJob;
  /** Index into the node's models. */
  readonly model: number;
  readonly startS: number;
  phase: SimPhase;
  /** What is left of prefill or decode, alone, seconds. */
  leftS: number;
  rate: number;
  sequence: CachedSequence | null;
  cachedTokens: number;
  firstTokenS: number;
  readonly spent: Spent;
}

/** Where the time of an attempt went, seconds, and what it shared the machine with meanwhile. */
export interface Spent {
  loadS: number;
  prefillS: number;
  decodeS: number;
  /** Generations in its batch x seconds of decoding. */
  batchArea: number;
  /** Prompts and batches on the machine x seconds of prefill, and of decoding. */
  prefillSharersArea: number;
  decodeSharersArea: number;
}

interface LoadedModel {
  loadLeftS: number;
  lastUseS: number;
  readonly cache: readonly CachedSequence[];
}

export interface SimMachine {
  readonly node: SimNode;
  readonly running: readonly SimAttempt[];
  readonly loads: () => number;
  readonly heatLevel: () => number;
  readonly thermal: () => "nominal" | "fair" | "serious";
  readonly isLoaded: (model: number) => boolean;
  /** Begins a generation; the caller keeps to the slots. */
  readonly start: (job: SimJob, model: number) => SimAttempt;
  /** Lets time pass until `nowS`, no further than the next change. Answers the attempts that have ended. */
  readonly advance: (nowS: number) => readonly SimAttempt[];
  /** When something changes next, seconds of the simulation; Infinity when nothing will. */
  readonly nextChangeS: () => number;
  /** Output tokens so far. */
  readonly tokensOf: (attempt: SimAttempt) => number;
  /** Stops one attempt, as a cancel does. */
  readonly cancel: (attempt: SimAttempt) => void;
  /** Brings a model into memory if idle ones can make room. */
  readonly warm: (model: number) => void;
  readonly unload: (model: number) => void;
  /** The node goes away: everything in memory and every attempt is lost. */
  readonly crash: () => readonly SimAttempt[];
}

/** Less work than this is none: far above what adding up times of a month rounds off. */
const DONE_S = 1e-7;

export function createMachine(node: SimNode): SimMachine {
  const { cooling, interference } = node;
  let running: SimAttempt[] = [];
  const loaded: (LoadedModel | null)[] = node.models.map(() => null);
  const heat: Heat = { level: 0, atS: 0 };
  const decoding = node.models.map(() => 0);
  let nowS = 0;
  let changeS = Infinity;
  let loads = 0;

  const modelAt = (index: number): SimModel => {
    const model = node.models[index];
    if (model === undefined) throw new Error(`broken invariant: ${node.name} has no model ${index}`);
    return model;
  };
  const inUse = (model: number): boolean => running.some((attempt) => attempt.model === model);

  /** Makes room for a model among the idle ones; false when those in use leave too little. */
  const makeRoom = (model: number): boolean => {
    let usedBytes = modelAt(model).residentBytes;
    const idle: { readonly index: number; readonly lastUseS: number }[] = [];
    for (const [index, entry] of loaded.entries()) {
      if (entry === null) continue;
      usedBytes += modelAt(index).residentBytes;
      const isBusy =
        entry.loadLeftS > 0 || running.some((other) => other.model === index && other.phase !== "memory");
      if (!isBusy) idle.push({ index, lastUseS: entry.lastUseS });
    }
    idle.sort((one, other) => one.lastUseS - other.lastUseS);
    const leaving: number[] = [];
    for (const { index } of idle) {
      if (usedBytes <= node.modelMemoryBytes) break;
      leaving.push(index);
      usedBytes -= modelAt(index).residentBytes;
    }
    if (usedBytes > node.modelMemoryBytes) return false;
    for (const index of leaving) loaded[index] = null;
    return true;
  };

  const bringIn = (model: number): boolean => {
    if (loaded[model] !== null) return true;
    if (!makeRoom(model)) return false;
    loads += 1;
    const loadLeftS = modelAt(model).capacity.loadMs.value / 1000;
    loaded[model] = { loadLeftS, lastUseS: nowS, cache: emptyCache(node.slots) };
    return true;
  };

  /** Moves an attempt on through every phase that has nothing left to do. */
  const enter = (attempt: SimAttempt, phase: SimPhase): void => {
    attempt.phase = phase;
    const { job, model } = attempt;
    if (phase === "memory" && bringIn(model)) return enter(attempt, "loading");
    if (phase === "loading" && (loaded[model]?.loadLeftS ?? 0) <= DONE_S) {
      const { sequence, cachedTokens } = takeSequence(loaded[model]?.cache ?? [], job);
      attempt.sequence = sequence;
      attempt.cachedTokens = cachedTokens;
      attempt.leftS = prefillMs(modelAt(model).capacity, job.promptTokens - cachedTokens) / 1000;
      return enter(attempt, "prefill");
    }
    if (phase === "prefill" && attempt.leftS <= DONE_S) {
      attempt.firstTokenS = nowS;
      attempt.leftS = decodeAloneS(modelAt(model).capacity, job.promptTokens, job.outputTokens);
      return enter(attempt, "decode");
    }
    if (phase === "decode" && attempt.leftS <= DONE_S) leave(attempt, job.outputTokens);
  };

  const leave = (attempt: SimAttempt, outputTokens: number): void => {
    attempt.phase = "ended";
    running = running.filter((other) => other !== attempt);
    const entry = loaded[attempt.model];
    if (entry !== null && entry !== undefined) entry.lastUseS = nowS;
    if (attempt.sequence !== null) {
      releaseSequence(attempt.sequence, attempt.job, attempt.job.promptTokens + outputTokens, nowS);
    }
  };

  const tokensOf = (attempt: SimAttempt): number => {
    if (attempt.phase === "ended") return attempt.job.outputTokens;
    if (attempt.phase !== "decode") return 0;
    const { capacity } = modelAt(attempt.model);
    const { promptTokens, outputTokens } = attempt.job;
    const doneS = decodeAloneS(capacity, promptTokens, outputTokens) - attempt.leftS;
    return Math.min(outputTokens, Math.floor(tokensDecoded(capacity, promptTokens, doneS)));
  };

  const setRates = (): void => {
    decoding.fill(0);
    let prefills = 0;
    for (const { phase, model } of running) {
      if (phase === "prefill") prefills += 1;
      else if (phase === "decode") decoding[model] = (decoding[model] ?? 0) + 1;
    }
    const speed = speedAt(heat.level, cooling);
    changeS = running.length > 0 ? nowS + nextStepS(heat.level, cooling) : Infinity;
    for (const entry of loaded)
      if (entry !== null && entry.loadLeftS > 0) changeS = Math.min(changeS, nowS + entry.loadLeftS);
    for (const attempt of running) {
      if (attempt.phase === "prefill")
        attempt.rate = speed / (prefills + decodeUnits(decoding, interference));
      else if (attempt.phase === "decode") {
        const others = prefills + otherUnits(decoding, attempt.model, interference);
        const batch = decoding[attempt.model] ?? 1;
        const { value: batchFactor } = modelAt(attempt.model).capacity.batchFactor;
        attempt.rate = speed / ((1 + others) * (1 + batchFactor * (batch - 1)));
      } else continue;
      changeS = Math.min(changeS, nowS + attempt.leftS / attempt.rate);
    }
  };

  const passTime = (untilS: number): void => {
    const elapsedS = untilS - nowS;
    if (cooling.lostWhenHot > 0) passHeat(heat, cooling, running.length > 0, untilS);
    nowS = untilS;
    if (elapsedS <= 0) return;
    const sharers = sharersOf(running, decoding);
    for (const attempt of running) {
      const { spent } = attempt;
      if (attempt.phase === "prefill") {
        spent.prefillS += elapsedS;
        spent.prefillSharersArea += elapsedS * sharers;
        attempt.leftS -= elapsedS * attempt.rate;
      } else if (attempt.phase === "decode") {
        spent.decodeS += elapsedS;
        spent.decodeSharersArea += elapsedS * sharers;
        spent.batchArea += elapsedS * (decoding[attempt.model] ?? 1);
        attempt.leftS -= elapsedS * attempt.rate;
      } else spent.loadS += elapsedS;
    }
    for (const entry of loaded) {
      if (entry === null || entry.loadLeftS === 0) continue;
      // A remainder below the clock's resolution would never pass.
      entry.loadLeftS = entry.loadLeftS - elapsedS > DONE_S ? entry.loadLeftS - elapsedS : 0;
    }
  };

  return {
    node,
    get running() {
      return running;
    },
    loads: () => loads,
    heatLevel: () => heat.level,
    thermal: () => thermalState(heat.level, cooling),
    isLoaded: (model) => loaded[model] !== null,
    start(job, model) {
      const attempt: SimAttempt = {
        job,
        model,
        startS: nowS,
        phase: "memory",
        leftS: 0,
        rate: 1,
        sequence: null,
        cachedTokens: 0,
        firstTokenS: Number.NaN,
        spent: {
          loadS: 0,
          prefillS: 0,
          decodeS: 0,
          batchArea: 0,
          prefillSharersArea: 0,
          decodeSharersArea: 0,
        },
      };
      running = [...running, attempt];
      enter(attempt, "memory");
      setRates();
      return attempt;
    },
    advance(untilS) {
      passTime(untilS);
      if (untilS < changeS - DONE_S) return NONE;
      const before = running;
      for (const attempt of before) enter(attempt, attempt.phase);
      if (running.length < before.length) for (const attempt of running) enter(attempt, attempt.phase);
      setRates();
      return running.length < before.length ? before.filter(({ phase }) => phase === "ended") : NONE;
    },
    nextChangeS: () => changeS,
    tokensOf,
    cancel(attempt) {
      leave(attempt, tokensOf(attempt));
      for (const other of running) enter(other, other.phase);
      setRates();
    },
    warm(model) {
      if (!inUse(model)) bringIn(model);
      setRates();
    },
    unload(model) {
      if (!inUse(model)) loaded[model] = null;
      setRates();
    },
    crash() {
      const lost = running;
      running = [];
      loaded.fill(null);
      setRates();
      return lost;
    },
  };
}

const NONE: readonly SimAttempt[] = [];

/** Prompts and batches that work on the machine, as an agent counts them. */
function sharersOf(running: readonly SimAttempt[], decoding: readonly number[]): number {
  let sharers = 0;
  for (const { phase } of running) if (phase === "prefill") sharers += 1;
  for (const count of decoding) if (count > 0) sharers += 1;
  return sharers;
}

/** Units that the decoding batches are for a prompt: the largest in full, the others by what they interfere. */
function decodeUnits(decoding: readonly number[], interference: number): number {
  let largest = -1;
  for (const [model, count] of decoding.entries()) {
    if (count > 0 && count > (decoding[largest] ?? 0)) largest = model;
  }
  return largest < 0 ? 0 : 1 + otherUnits(decoding, largest, interference);
}

function otherUnits(decoding: readonly number[], model: number, interference: number): number {
  let units = 0;
  for (let other = 0; other < decoding.length; other += 1) {
    if (other !== model) units += Math.min(1, interference * (decoding[other] ?? 0));
  }
  return units;
}
