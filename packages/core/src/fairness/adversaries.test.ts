import { describe, expect, test } from "vitest";
import { assert } from "../assert.ts";
import { createDispatcher } from "../dispatcher/dispatcher.ts";
import type { DispatchEffect, DispatchEvent } from "../dispatcher/events.ts";
import type { JobSpec } from "../job/job.ts";
import {
  buildJobSpec,
  buildModelCapacity,
  buildModelReport,
  buildNodeJoined,
  buildNodeReport,
  createManualClock,
  createSeededRandom,
} from "../testing/index.ts";
import { asJobId, asMemberId } from "../terms.ts";
import type { JobId } from "../terms.ts";
import { referenceSeconds } from "./reference.ts";
import { serviceGapBoundS } from "./window.ts";

/**
 * Honest members beside one who does what serves only them, on a machine of four slots that do not hinder each
 * other. The measure is the same load of the honest on a machine as much slower as their fair share is less.
 */

const HONEST = ["mem_ada", "mem_bo", "mem_cy"].map(asMemberId);
const GREEDY = asMemberId("mem_greedy");
const SLOTS = 4;
const SPAN_S = 800;
const MODEL = { weightBytesPerToken: 2e9 };
/** Seconds of a token at full speed. */
const PROMPT_S = 1 / 400;
const OUTPUT_S = 1 / 40;
const FAIR_SHARE = HONEST.length / (HONEST.length + 1);

interface Work {
  readonly member: JobSpec["member"];
  readonly atS: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly maxOutputTokens: number;
  /** Seconds after its start; null for never. */
  readonly cancelAfterS: number | null;
}

const aloneS = ({ promptTokens, outputTokens }: Work): number =>
  promptTokens * PROMPT_S + outputTokens * OUTPUT_S;

/** Jobs of a kind at even chances over the span, together so many times the machine's capacity. */
function workOf(
  member: Work["member"],
  load: number,
  seed: number,
  shape: (random: () => number) => Partial<Work>,
): Work[] {
  const { next } = createSeededRandom(seed);
  const work: Work[] = [];
  for (let busyS = 0; busyS < load * SLOTS * SPAN_S;) {
    const prompt = Math.round(100 + 900 * next());
    const made: Work = {
      member,
      atS: SPAN_S * next(),
      promptTokens: prompt,
      outputTokens: Math.round(30 + 300 * next()),
      maxOutputTokens: 1_024,
      cancelAfterS: null,
      ...shape(next),
    };
    work.push(made);
    busyS += aloneS(made);
  }
  return work;
}

/** Plays the work on one machine of a speed; answers slowdowns of the honest and the largest drift while all wait. */
function play(work: readonly Work[], speed: number) {
  const clock = createManualClock();
  const startMs = clock.now();
  const dispatcher = createDispatcher({ clock });
  const capacity = buildModelCapacity({
    fixedMsPerToken: { value: (OUTPUT_S * 1000) / speed, basis: "measured" },
    effectiveBytesPerSecond: { value: 1e18, basis: "measured" },
    prefillTokensPerSecond: { value: speed / PROMPT_S, basis: "measured" },
    batchFactor: { value: 0, basis: "measured" },
    ...MODEL,
  });
  const queue = work.toSorted((one, other) => one.atS - other.atS);
  const byId = new Map<JobId, Work>();
  const running = new Map<JobId, number>();
  const slowdowns: number[] = [];
  const servedS = new Map<string, number>();
  const waiting = new Map<string, number>();
  let baseS = new Map<string, number>();
  let driftS = 0;
  const nowS = () => (clock.now() - startMs) / 1000;
  const tell = (event: DispatchEvent): void => dispatcher.step(event).forEach(begin);
  const count = (member: string, by: number): void => {
    waiting.set(member, (waiting.get(member) ?? 0) + by);
  };
  const begin = ({ spec }: DispatchEffect): void => {
    const job = byId.get(spec.id);
    assert(job !== undefined, `${spec.id} is known`);
    count(job.member, -1);
    running.set(spec.id, nowS() + Math.min(aloneS(job) / speed, job.cancelAfterS ?? Infinity));
  };
  const measureDrift = (): void => {
    const members = [...HONEST, GREEDY];
    if (!members.every((member) => (waiting.get(member) ?? 0) > 0)) {
      baseS = new Map(servedS);
      return;
    }
    const gains = members.map((member) => (servedS.get(member) ?? 0) - (baseS.get(member) ?? 0));
    driftS = Math.max(driftS, Math.max(...gains) - Math.min(...gains));
  };
  const end = (id: JobId): void => {
    const job = byId.get(id);
    assert(job !== undefined, `${id} is known`);
    running.delete(id);
    const { member, promptTokens, outputTokens, cancelAfterS } = job;
    const doneShare = Math.min(1, ((cancelAfterS ?? Infinity) * speed) / aloneS(job));
    const gotS = doneShare * referenceSeconds(MODEL, promptTokens, outputTokens);
    servedS.set(member, (servedS.get(member) ?? 0) + gotS);
    if (member !== GREEDY) slowdowns.push((nowS() - job.atS) / aloneS(job));
    if (doneShare < 1) {
      const doneTokens = Math.round((doneShare * aloneS(job) - promptTokens * PROMPT_S) / OUTPUT_S);
      if (doneTokens > 0)
        tell({ kind: "attempt-progress", job: id, phase: "decode", outputTokens: doneTokens });
      tell({ kind: "job-gone", job: id });
    }
    if (doneShare >= 1) tell({ kind: "attempt-ended", job: id, usage: { promptTokens, outputTokens } });
    measureDrift();
  };
  tell(
    buildNodeJoined({
      report: buildNodeReport({
        slots: SLOTS,
        interference: { value: 0, basis: "measured" },
        models: [buildModelReport({ capacity })],
      }),
    }),
  );
  for (let arrived = 0; arrived < queue.length || running.size > 0;) {
    const next = queue[arrived];
    const [first, endS] = [...running].reduce<readonly [JobId | null, number]>(
      (least, [id, atS]) => (atS < least[1] ? [id, atS] : least),
      [null, Infinity],
    );
    if (nowS() > SPAN_S) break;
    if (first !== null && endS <= (next?.atS ?? Infinity)) {
      clock.set(startMs + endS * 1000);
      end(first);
      continue;
    }
    if (next === undefined) break;
    arrived += 1;
    clock.set(startMs + next.atS * 1000);
    const id = asJobId(`job_${arrived}`);
    byId.set(id, next);
    count(next.member, 1);
    measureDrift();
    const { member, promptTokens, maxOutputTokens } = next;
    const spec = buildJobSpec({ id, member, promptTokens, maxOutputTokens, submittedAtMs: clock.now() });
    tell({ kind: "job-pending", spec, excludedNodes: [], notBeforeMs: 0 });
  }
  const mean = slowdowns.reduce((sum, slowdown) => sum + slowdown, 0) / slowdowns.length;
  return { meanSlowdown: mean, driftS, jobs: slowdowns.length };
}

const honestWork = (load: number) =>
  HONEST.flatMap((member, index) => workOf(member, load / HONEST.length, index + 1, () => ({})));

const ADVERSARIES: readonly (readonly [string, number, (random: () => number) => Partial<Work>])[] = [
  ["sends three times what the machine can do", 3, () => ({})],
  ["sends huge prompts", 1, () => ({ promptTokens: 12_000, outputTokens: 40 })],
  ["splits work into tiny jobs", 1, () => ({ promptTokens: 60, outputTokens: 30, maxOutputTokens: 64 })],
  ["cancels late", 3, (random) => ({ outputTokens: 900, cancelAfterS: 18 + 3 * random() })],
];

/** How much more slowly than by their fair share honest members may be served. */
const MOST = 1.1;

/** Thousands of decisions, which a busy machine takes its time for. */
const LIMIT_MS = 60_000;

describe("beside a member who", { timeout: LIMIT_MS }, () => {
  const honest = honestWork(0.6 * FAIR_SHARE);
  const byFairShare = play(honest, FAIR_SHARE).meanSlowdown;

  test.each(ADVERSARIES)("%s, honest members are served as by their fair share", (_, load, shape) => {
    const { meanSlowdown } = play([...honest, ...workOf(GREEDY, load, 9, shape)], 1);
    expect(meanSlowdown / byFairShare).toBeLessThan(MOST);
  });

  test.each(ADVERSARIES)("%s, nobody drifts from the others beyond the bound", (_, load, shape) => {
    const greedy = workOf(GREEDY, load, 9, shape);
    const { driftS, jobs } = play([...honestWork(2), ...greedy], 1);
    const largestS = Math.max(
      ...greedy.map(({ promptTokens, maxOutputTokens }) =>
        referenceSeconds(MODEL, promptTokens, maxOutputTokens),
      ),
    );
    expect(driftS).toBeLessThan(serviceGapBoundS(SLOTS * largestS));
    expect(jobs).toBeGreaterThan(100);
  });
});
