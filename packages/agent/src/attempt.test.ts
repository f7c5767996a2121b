import { expect, test } from "vitest";
import { decodeAgentFrame } from "@coop/protocol";
import type { AgentFrame } from "@coop/protocol";
import { Attempt } from "./attempt.ts";
import type { StopReason } from "./attempt.ts";
import type { Engine } from "./engines/engine.ts";
import { createSlots } from "./slots.ts";
import { assignOf, keepLines } from "./testing/bench.ts";
import { createManualTiming } from "./testing/manual-timing.ts";
import { createScriptedEngine } from "./testing/scripted-engine.ts";

/** An attempt on that engine, whose frames are kept as they are sent. */
function runOn(generate: Engine["generate"]) {
  const timing = createManualTiming();
  const slots = createSlots(1);
  const frames: AgentFrame[] = [];
  const link = {
    send(text: string) {
      const decoded = decodeAgentFrame(text);
      if (decoded.kind !== "frame") throw new Error(`not a frame: ${text}`);
      frames.push(decoded.frame);
    },
  };
  const slot = slots.tryTake();
  if (slot === null) throw new Error("no slot");
  const limits = { loadMs: 1, firstTokenMs: 1, idleMs: 1, totalMs: 1 };
  const engine = { ...createScriptedEngine(), generate };
  const attempt = Attempt.start(
    { engine, timing, log: keepLines([]), onEnded: () => undefined },
    { assign: assignOf("job_1"), slot, contextTokens: 4096, limits },
    link,
  );
  return { attempt, timing, slots, frames, link };
}

/** An attempt whose every piece of output the test decides. */
async function startAttempt() {
  const engine = createScriptedEngine();
  const run = runOn(engine.generate);
  return { ...run, generation: await engine.nextGeneration() };
}

const last = (frames: readonly AgentFrame[]) => frames.at(-1);

test.for([
  [["cancelled", "shutdown"], { kind: "aborted" }],
  [["shutdown", "cancelled"], { kind: "failed", class: "shutdown" }],
  [["asleep", "deadline"], { kind: "failed", class: "node-lost" }],
] as const)("of two reasons to stop, the first holds: %j", async ([reasons, end]) => {
  const { attempt, frames, slots, timing } = await startAttempt();
  for (const reason of reasons) attempt.stop(reason);
  await attempt.finished;
  expect(last(frames)).toMatchObject(end);
  expect(frames).toHaveLength(2);
  expect(slots.free).toBe(1);
  expect(timing.pending).toBe(0);
});

test.for(["deadline", "shutdown", "asleep"] as const satisfies readonly StopReason[])(
  "an attempt that ended well stays so, whatever stops it then: %s",
  async (reason) => {
    const { attempt, frames, generation, link } = await startAttempt();
    generation.say("all");
    generation.finish();
    await attempt.finished;
    attempt.stop(reason);
    attempt.resume(link, 1);
    expect(frames.map(({ kind }) => kind)).toEqual(["accepted", "output", "done", "output", "done"]);
  },
);

test("an engine that was done before it heard of the stop has ended well, unless nobody wants it", async () => {
  for (const [reason, kind] of [
    ["deadline", "done"],
    ["shutdown", "done"],
    ["cancelled", "aborted"],
  ] as const) {
    const { attempt, frames } = runOn(async function* (_request, signal) {
      if (!signal.aborted)
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      const timings = { loadMs: 0, prefillMs: 0, decodeMs: 0, totalMs: 0 };
      const usage = { promptTokens: 1, outputTokens: 0 };
      yield {
        kind: "done",
        finishReason: "stop",
        usage,
        timings,
        promptTokensCached: 0,
        occupancy: 1,
        sharers: { prefill: 1, decode: 1 },
      };
    });
    attempt.stop(reason);
    await attempt.finished;
    expect(last(frames)?.kind).toBe(kind);
  }
});

test("an engine that breaks or goes silent fails the attempt, no more", async () => {
  for (const generate of [
    async function* () {
      yield { kind: "prefill" as const };
      throw new Error("a bug of the adapter");
    },
    async function* () {
      yield { kind: "prefill" as const };
    },
  ]) {
    const { attempt, frames, slots } = runOn(generate);
    await attempt.finished;
    expect(last(frames)).toMatchObject({ kind: "failed", class: "engine-error" });
    expect(slots.free).toBe(1);
  }
});
