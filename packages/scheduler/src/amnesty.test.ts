import { buildNodeReport } from "@coop/core/testing";
import { expect, test } from "vitest";
import { createAmnesty } from "./amnesty.ts";
import { wordsOf } from "./testing/scripted-agent.ts";
import { createTestCoop, join } from "./testing/test-coop.ts";
import { leads, startTestScheduler } from "./testing/test-scheduler.ts";
import { DEFAULT_TIMING } from "./timing.ts";

const { leaseMs, amnestyMs, sweepEveryMs } = DEFAULT_TIMING;

const rig = () => {
  const silent = (): void => undefined;
  let nowMs = 1_000_000;
  const inAmnesty = createAmnesty({
    clock: { now: () => nowMs },
    log: { debug: silent, info: silent, warn: silent, error: silent },
    timing: DEFAULT_TIMING,
  });
  /** Sweeps go on as they do while nothing is wrong; answers what the last one heard. */
  const sweepFor = (ms: number): boolean => {
    let heard = true;
    for (let passedMs = 0; passedMs < ms; passedMs += sweepEveryMs) {
      nowMs += sweepEveryMs;
      heard = inAmnesty();
    }
    return heard;
  };
  return { inAmnesty, sweepFor, jump: (ms: number) => void (nowMs += ms) };
};

test("a term begins with an amnesty, which ends", () => {
  const { inAmnesty, sweepFor } = rig();
  expect(inAmnesty()).toBe(true);
  expect(sweepFor(amnestyMs - sweepEveryMs)).toBe(true);
  expect(sweepFor(sweepEveryMs)).toBe(false);
});

test("another begins after more than a lease in which nothing was swept", () => {
  const { inAmnesty, sweepFor, jump } = rig();
  sweepFor(amnestyMs);
  jump(leaseMs);
  expect(inAmnesty()).toBe(false);
  jump(leaseMs + 1);
  expect(inAmnesty()).toBe(true);
  expect(sweepFor(amnestyMs - sweepEveryMs)).toBe(true);
  expect(sweepFor(sweepEveryMs)).toBe(false);
});

test("a clock that is put back does not prolong it", () => {
  const { inAmnesty, sweepFor, jump } = rig();
  jump(-3_600_000);
  expect(inAmnesty()).toBe(true);
  expect(sweepFor(amnestyMs)).toBe(false);
});

test("a scheduler that slept does not take its sleep for the death of its nodes", async () => {
  const coop = createTestCoop();
  let offsetMs = 0;
  let sweeps = 0;
  coop.fate = (call) => {
    if (call === "sweep") sweeps += 1;
    return "works";
  };
  await using server = await startTestScheduler(
    { ...coop.ports, clock: { now: () => Date.now() + offsetMs } },
    { renewEveryMs: 600_000 },
  );
  await leads(server);
  const sweptAgain = async (): Promise<void> => {
    const before = sweeps;
    await expect.poll(() => sweeps, { timeout: 5_000 }).toBeGreaterThan(before + 1);
  };
  for (let passedMs = 0; passedMs < amnestyMs; passedMs += leaseMs / 2) {
    offsetMs += leaseMs / 2;
    await sweptAgain();
  }
  const agent = await join(server, await coop.register("studio"), { report: buildNodeReport() });
  const deadlineMs = Date.now() + 10 * 3_600_000;
  const job = await coop.submit({ attachment: "detached", streamed: true, deadlineMs });
  const say = wordsOf(await agent.take("assign"));
  agent.send(say.output(1, "Half a sen"));
  await agent.take("ack");

  offsetMs += 3_600_000;
  await sweptAgain();
  agent.send(say.output(2, "tence."));
  agent.send(say.done(2, { promptTokens: 10, outputTokens: 4 }));
  await agent.take("settled", job);
  expect((await coop.record(job)).state).toMatchObject({ state: "succeeded" });
});
