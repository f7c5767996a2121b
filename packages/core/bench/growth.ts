/**
 * How placement grows with the fleet and with the queue:
 *   node packages/core/bench/growth.ts
 * A decision: one job arrives in a fleet of which a quarter is busy. A round: 64 jobs wait in a full fleet and one
 * slot comes free. Then 100,000 jobs wait: for a slot in a full fleet, and for tokens where every budget is spent.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Dispatcher, JobSpec } from "../src/index.ts";
import { createFleet, end, job, pend, random, report, ROUND, SLOTS, timed } from "./workbench.ts";

const FLEETS = [10, 100, 1_000, 10_000];
const PENDING = 100_000;
const TURNS = 400;

const anyOf = (running: JobSpec[]): JobSpec | undefined =>
  running.splice(Math.floor(random.next() * running.length), 1)[0];

function benchDecision(nodes: number): void {
  const { clock, dispatcher, running } = createFleet(nodes, { busy: (index) => (index % 4 === 0 ? 1 : 0) });
  const busy = running.length;
  const tookMs: number[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    clock.advance(5);
    const spec = job();
    for (const effect of timed(() => dispatcher.step(pend(spec)), turn < 50 ? [] : tookMs))
      running.push(effect.spec);
    while (dispatcher.pendingCount() > 0 || running.length > busy) {
      const ended = anyOf(running);
      if (ended === undefined) break;
      for (const effect of dispatcher.step(end(ended))) running.push(effect.spec);
    }
  }
  report(`one decision at ${nodes} nodes`, tookMs, 0);
}

/** Lets one attempt end at a time, with so many jobs waiting, and times what follows. */
function timeEnds(
  { clock, dispatcher, running }: ReturnType<typeof createFleet>,
  waiting: number,
  turns: number,
): number[] {
  const tookMs: number[] = [];
  for (let turn = 0; turn < turns; turn += 1) {
    while (dispatcher.pendingCount() < waiting)
      for (const effect of dispatcher.step(pend(job()))) running.push(effect.spec);
    clock.advance(10);
    const ended = anyOf(running);
    if (ended === undefined) break;
    const effects = timed(() => dispatcher.step(end(ended)), turn < turns / 8 ? [] : tookMs);
    for (const effect of effects) running.push(effect.spec);
  }
  return tookMs;
}

function benchRound(nodes: number): void {
  const fleet = createFleet(nodes, { busy: () => SLOTS });
  report(`a round of ${ROUND} at ${nodes} nodes`, timeEnds(fleet, ROUND, nodes > 1_000 ? 120 : TURNS), 0);
}

setFlagsFromString("--expose-gc");
const collectGarbage: unknown = runInNewContext("gc");

function heapBytes(): number {
  if (typeof collectGarbage === "function") collectGarbage();
  return process.memoryUsage().heapUsed;
}

const queue = (dispatcher: Dispatcher, count: number): void => {
  for (let added = 0; added < count; added += 1) dispatcher.step(pend(job()));
};

function benchQueue(): void {
  const fleet = createFleet(1_000, { busy: () => SLOTS });
  const specs = Array.from({ length: PENDING }, job);
  const before = heapBytes();
  for (const spec of specs) fleet.dispatcher.step(pend(spec));
  const perJob = Math.round((heapBytes() - before) / specs.length);
  process.stdout.write(`memory per pending job: ${perJob} bytes beside its spec\n`);
  report(`an end at ${PENDING} pending`, timeEnds(fleet, PENDING, 200), 0);
  const arrivalsMs: number[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) timed(() => fleet.dispatcher.step(pend(job())), arrivalsMs);
  report(`an arrival at ${PENDING} pending`, arrivalsMs, 0);
}

/** Every budget spent: what little is left is less than any job may take. */
function benchSpent(): void {
  const { clock, dispatcher } = createFleet(1_000, { tokensPerDay: 20 });
  queue(dispatcher, PENDING);
  const tookMs: number[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    clock.advance(250);
    timed(() => dispatcher.step(turn % 2 === 0 ? { kind: "tick" } : pend(job())), turn < 50 ? [] : tookMs);
  }
  report(`an event at ${PENDING} pending with every budget spent`, tookMs, 0);
}

for (const nodes of FLEETS) benchDecision(nodes);
for (const nodes of FLEETS) benchRound(nodes);
benchQueue();
benchSpent();
