/**
 * How long placement takes on 1,000 nodes of three models each:
 *   node packages/core/bench/decision.ts
 * A decision: one job arrives and is placed (a quarter of the nodes are busy). A round: 64 jobs wait, of three
 * kinds, and one event lets them all be weighed: in a full fleet where one slot came free, and in a fleet
 * with room, where all of them start.
 */
import { createFleet, end, fill, job, pend, random, report, ROUND, SLOTS, timed } from "./workbench.ts";

const NODES = 1_000;

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

function benchDecision(): void {
  const { clock, dispatcher } = createFleet(NODES);
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
  const { clock, dispatcher } = createFleet(NODES);
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
  const { clock, dispatcher } = createFleet(NODES);
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
