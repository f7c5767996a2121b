/**
 * How long placement takes on 1,000 nodes of three models each:
 *   node packages/core/bench/decision.ts
 * A decision: one job arrives and is placed (a quarter of the nodes are busy). A round: 64 jobs wait, of three
 * kinds, and one event lets them all be weighed: in a full fleet where one slot came free, and in a fleet
 * with room, where all of them start.
 */
import { asJobId, asMemberId, asNodeId, createDispatcher } from "../src/index.ts";
import type { DispatchEffect, Dispatcher, JobSpec, ModelReport } from "../src/index.ts";
import {
  buildJobSpec,
  buildModelCapacity,
  buildModelReport,
  buildNodeIdentity,
  buildNodeJoined,
  buildNodeReport,
  createManualClock,
  createSeededRandom,
} from "../src/testing/index.ts";

const NODES = 1_000;
const SLOTS = 2;
const ROUND = 64;
const random = createSeededRandom(7);
const between = (least: number, most: number): number => least + random.next() * (most - least);
const figure = (value: number) => ({ value, basis: "measured" as const });

const MODELS = [
  { name: "llama3.2:3b", bytes: 2e9, parameterCount: 3.2e9, tier: "edge" },
  { name: "qwen3:8b", bytes: 5e9, parameterCount: 8.2e9, tier: "local-small" },
  { name: "qwen3:32b", bytes: 20e9, parameterCount: 32.8e9, tier: "local-large" },
] as const;

function modelOn(bytesPerSecond: number, index: number): ModelReport {
  const model = MODELS[index % MODELS.length] ?? MODELS[0];
  return buildModelReport({
    name: model.name,
    parameterCount: model.parameterCount,
    residentBytes: model.bytes * 1.2,
    loaded: random.next() < 0.6,
    capacity: buildModelCapacity({
      weightBytesPerToken: model.bytes,
      effectiveBytesPerSecond: figure(bytesPerSecond),
      prefillTokensPerSecond: figure(bytesPerSecond / model.bytes / 0.12),
    }),
  });
}

let jobs = 0;
function job(): JobSpec {
  jobs += 1;
  const model = MODELS[Math.floor(random.next() * MODELS.length)] ?? MODELS[0];
  return buildJobSpec({
    id: asJobId(`job_${jobs}`),
    member: asMemberId(`mem_${Math.floor(random.next() * 20)}`),
    target: { kind: "tier", tier: model.tier },
    promptTokens: Math.round(between(20, 3_000)),
    maxOutputTokens: Math.round(between(50, 1_000)),
  });
}

const pend = (spec: JobSpec) => ({ kind: "job-pending", spec, excludedNodes: [], notBeforeMs: 0 }) as const;
const end = (spec: JobSpec) =>
  ({
    kind: "attempt-ended",
    job: spec.id,
    usage: { promptTokens: spec.promptTokens, outputTokens: 150 },
  }) as const;

function createFleet() {
  const clock = createManualClock();
  const dispatcher = createDispatcher({ clock });
  for (let index = 0; index < NODES; index += 1) {
    const bytesPerSecond = between(10e9, 600e9);
    dispatcher.step(
      buildNodeJoined({
        identity: buildNodeIdentity({ id: asNodeId(`node_${index}`), name: `n${index}` }),
        report: buildNodeReport({
          slots: SLOTS,
          models: [0, 1, 2].map((model) => modelOn(bytesPerSecond, model)),
        }),
      }),
    );
  }
  return { clock, dispatcher };
}

function fill(dispatcher: Dispatcher, attempts: number): JobSpec[] {
  const running: JobSpec[] = [];
  for (let tries = 0; running.length < attempts && tries < attempts * 3; tries += 1) {
    for (const effect of dispatcher.step(pend(job()))) running.push(effect.spec);
  }
  return running;
}

/** Milliseconds that a call takes. */
function timed(call: () => readonly DispatchEffect[], into: number[]): readonly DispatchEffect[] {
  const beganMs = performance.now();
  const effects = call();
  into.push(performance.now() - beganMs);
  return effects;
}

/** A fixed piece of work, to tell a busy machine from a slow program. */
function benchFloor(): void {
  const tookMs: number[] = [];
  let sum = 0;
  for (let turn = 0; turn < 2_000; turn += 1) {
    timed(() => {
      for (let count = 0; count < 200_000; count += 1) sum = (sum + count * turn) % 1_000_003;
      return [];
    }, tookMs);
  }
  report(`floor: a fixed loop (${sum % 2})`, tookMs, 0);
}

function report(what: string, tookMs: readonly number[], barMs: number): void {
  const sorted = tookMs.toSorted((one, other) => one - other);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2);
  const bar = barMs === 0 ? "" : `, bar ${barMs} ms`;
  process.stdout.write(
    `${what}: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms (${sorted.length} times${bar})\n`,
  );
}

function benchDecision(): void {
  const { clock, dispatcher } = createFleet();
  const running = fill(dispatcher, NODES / 4);
  const tookMs: number[] = [];
  for (let turn = 0; turn < 2_300; turn += 1) {
    clock.advance(5);
    const spec = job();
    const effects = timed(() => dispatcher.step(pend(spec)), turn < 300 ? [] : tookMs);
    for (const effect of effects) running.push(effect.spec);
    while (dispatcher.pendingCount() > 0 || running.length > NODES / 4) {
      const ended = running.splice(Math.floor(random.next() * running.length), 1)[0];
      if (ended === undefined) break;
      for (const effect of dispatcher.step(end(ended))) running.push(effect.spec);
    }
  }
  report("one decision", tookMs, 1);
}

function benchFullFleet(): void {
  const { clock, dispatcher } = createFleet();
  const running = fill(dispatcher, NODES * SLOTS);
  const tookMs: number[] = [];
  let weighed = 0;
  for (let turn = 0; turn < 400; turn += 1) {
    while (dispatcher.pendingCount() < ROUND)
      for (const effect of dispatcher.step(pend(job()))) running.push(effect.spec);
    clock.advance(10);
    const ended = running.splice(Math.floor(random.next() * running.length), 1)[0];
    if (ended === undefined) break;
    const effects = timed(() => dispatcher.step(end(ended)), turn < 50 ? [] : tookMs);
    weighed += effects.length;
    for (const effect of effects) running.push(effect.spec);
  }
  report(`a round of ${ROUND} in a full fleet (${(weighed / 400).toFixed(2)} started each)`, tookMs, 15);
}

function benchBurst(): void {
  const tookMs: number[] = [];
  let started = 0;
  const { clock, dispatcher } = createFleet();
  const running = fill(dispatcher, NODES / 4);
  for (let turn = 0; turn < 120; turn += 1) {
    const dueMs = clock.now() + 1_000;
    const burst = Array.from({ length: ROUND }, job);
    for (const spec of burst) dispatcher.step({ ...pend(spec), notBeforeMs: dueMs });
    clock.set(dueMs);
    const effects = timed(() => dispatcher.step({ kind: "tick" }), turn < 20 ? [] : tookMs);
    started += effects.length;
    for (const effect of effects) running.push(effect.spec);
    const begun = new Set(effects.map(({ spec }) => spec.id));
    for (const { id } of burst) if (!begun.has(id)) dispatcher.step({ kind: "job-gone", job: id });
    for (const spec of running.splice(0, effects.length)) dispatcher.step(end(spec));
  }
  report(`a round of ${ROUND} with room (${(started / 120).toFixed(1)} started each)`, tookMs, 15);
}

benchFloor();
benchDecision();
benchFullFleet();
benchBurst();
