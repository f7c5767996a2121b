/** What the benches of placement share: a seeded fleet, jobs of three kinds, and timing. */
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

export const SLOTS = 2;
export const ROUND = 64;
export const random = createSeededRandom(7);
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
export function job(): JobSpec {
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

export const pend = (spec: JobSpec) =>
  ({ kind: "job-pending", spec, excludedNodes: [], notBeforeMs: 0 }) as const;
export const end = (spec: JobSpec) =>
  ({
    kind: "attempt-ended",
    job: spec.id,
    usage: { promptTokens: spec.promptTokens, outputTokens: 150 },
  }) as const;

/**
 * Nodes of two slots and three models each, from 10 to 600 GB/s; `tokensPerDay` is each node's budget, and `busy`
 * tells how many attempts a node runs from the beginning.
 */
export function createFleet(
  nodes: number,
  {
    tokensPerDay = null,
    busy = () => 0,
  }: { readonly tokensPerDay?: number | null; readonly busy?: (index: number) => number } = {},
) {
  const clock = createManualClock();
  const dispatcher = createDispatcher({ clock });
  const running: JobSpec[] = [];
  for (let index = 0; index < nodes; index += 1) {
    const bytesPerSecond = between(10e9, 600e9);
    const ran = Array.from({ length: busy(index) }, job);
    running.push(...ran);
    dispatcher.step(
      buildNodeJoined({
        identity: buildNodeIdentity({ id: asNodeId(`node_${index}`), name: `n${index}` }),
        report: buildNodeReport({
          slots: SLOTS,
          tokensPerDay,
          models: [0, 1, 2].map((model) => modelOn(bytesPerSecond, model)),
        }),
        running: ran.map((spec) => ({
          spec,
          model: MODELS[0].name,
          startedAtMs: clock.now(),
          outputTokens: 1,
        })),
      }),
    );
  }
  return { clock, dispatcher, running };
}

export function fill(dispatcher: Dispatcher, attempts: number): JobSpec[] {
  const running: JobSpec[] = [];
  for (let tries = 0; running.length < attempts && tries < attempts * 3; tries += 1) {
    for (const effect of dispatcher.step(pend(job()))) running.push(effect.spec);
  }
  return running;
}

/** Milliseconds that a call takes. */
export function timed(call: () => readonly DispatchEffect[], into: number[]): readonly DispatchEffect[] {
  const beganMs = performance.now();
  const effects = call();
  into.push(performance.now() - beganMs);
  return effects;
}

export function report(what: string, tookMs: readonly number[], barMs: number): void {
  const sorted = tookMs.toSorted((one, other) => one - other);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2);
  const bar = barMs === 0 ? "" : `, bar ${barMs} ms`;
  process.stdout.write(
    `${what}: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms (${sorted.length} times${bar})\n`,
  );
}
