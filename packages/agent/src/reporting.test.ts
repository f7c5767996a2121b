import { expect, test } from "vitest";
import { Reporting } from "./reporting.ts";
import type { NodeSnapshot } from "./reporting.ts";
import { machine, memory, report } from "./testing/bench.ts";
import { createManualTiming } from "./testing/manual-timing.ts";

const fine: NodeSnapshot = { machine, report, engineProblem: null, memory, notAllowed: [] };

/** A reporting whose looks a test answers. */
function bench() {
  const timing = createManualTiming();
  const looks: {
    readonly signal: AbortSignal;
    readonly answer: (snapshot: NodeSnapshot) => Promise<void>;
  }[] = [];
  let looking = 0;
  let most = 0;
  let told = 0;
  const reporting = new Reporting({
    timing,
    look: (signal) =>
      new Promise((resolve) => {
        looking += 1;
        most = Math.max(most, looking);
        looks.push({
          signal,
          async answer(snapshot) {
            looking -= 1;
            resolve(snapshot);
            for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
          },
        });
      }),
    onLook: () => (told += 1),
  });
  return { timing, reporting, looks, most: () => most, told: () => told };
}

test("it looks every 10 s, every 3 s for an engine that is away, and 1 s after the last look at the soonest", async () => {
  const { timing, reporting, looks } = bench();
  const started = reporting.start();
  await looks[0]?.answer(fine);
  await started;
  timing.advance(9_999);
  expect(looks).toHaveLength(1);
  timing.advance(1);
  expect(looks).toHaveLength(2);
  await looks[1]?.answer({ ...fine, engineProblem: "away" });
  timing.advance(3_000);
  expect(looks).toHaveLength(3);
  await looks[2]?.answer(fine);
  reporting.soon();
  reporting.soon();
  timing.advance(999);
  expect(looks).toHaveLength(3);
  timing.advance(1);
  expect(looks).toHaveLength(4);
  await looks[3]?.answer(fine);
  await reporting.stop();
  expect(timing.pending).toBe(0);
});

test("it never looks twice at once: what changes during a look is looked at after it", async () => {
  const { timing, reporting, looks, most } = bench();
  const started = reporting.start();
  timing.advance(5_000);
  reporting.soon();
  timing.advance(1_000);
  expect(looks).toHaveLength(1);
  await looks[0]?.answer(fine);
  await started;
  timing.advance(1_000);
  expect(looks).toHaveLength(2);
  await looks[1]?.answer(fine);
  expect(most()).toBe(1);
  await reporting.stop();
});

test("a look that takes too long is told to stop, and one that is under way when it stops is not told of", async () => {
  const { timing, reporting, looks, told } = bench();
  const started = reporting.start();
  timing.advance(8_000);
  expect(looks[0]?.signal.aborted).toBe(true);
  await looks[0]?.answer(fine);
  await started;
  timing.advance(10_000);
  const stopped = reporting.stop();
  expect(looks[1]?.signal.aborted).toBe(true);
  await looks[1]?.answer(fine);
  await stopped;
  expect(told()).toBe(1);
  expect(timing.pending).toBe(0);
});
