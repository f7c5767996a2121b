import { asJobId, asNodeId, assert, isTerminal } from "@coop/core";
import type { JobId } from "@coop/core";
import { AWKWARD_VALUES, buildMachine, buildNodeReport, pathsIn, replaceAt } from "@coop/core/testing";
import { decodeAgentFrame, encodeFrame } from "@coop/protocol";
import type { AgentFrame, Assign, Outgoing } from "@coop/protocol";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { wordsOf } from "./testing/scripted-agent.ts";
import type { NodeKey, ScriptedAgent } from "./testing/scripted-agent.ts";
import { createTestCoop, join } from "./testing/test-coop.ts";
import type { TestCoop } from "./testing/test-coop.ts";
import { leads, startTestScheduler } from "./testing/test-scheduler.ts";
import type { TestScheduler } from "./testing/test-scheduler.ts";

/** Frames that were right before something happened to them, from a node that was let in. */

const RUNS = 250;
const FRAMES_A_RUN = 40;

let coop: TestCoop;
let server: TestScheduler;

beforeEach(async () => {
  coop = createTestCoop();
  server = await startTestScheduler(coop.ports, { handshakeBurst: 100_000 });
  await leads(server);
});
afterEach(() => server.stop());

/** One of each kind, in an order that an attempt may say them in. */
function framesOf(assign: Assign): readonly Outgoing<AgentFrame>[] {
  const { job, epoch } = assign;
  const say = wordsOf(assign);
  const usage = { promptTokens: 10, outputTokens: 2 };
  const tokens = [{ token: "a", logprob: -1, bytes: [97], top: [] }];
  return [
    say.accepted(),
    { kind: "progress", job, epoch, phase: "loading" },
    {
      kind: "output",
      job,
      epoch,
      seq: 1,
      tokens: 2,
      deltas: [
        { kind: "reasoning", text: "hm" },
        { kind: "content", text: "a" },
        { kind: "logprobs", tokens },
        { kind: "tool-call", index: 0, call: { id: "c", name: "f", arguments: "{}" } },
        { kind: "embedding", index: 0, vector: [0.5] },
      ],
    },
    { kind: "report", report: buildNodeReport() },
    say.rejected("busy"),
    say.failed("engine-error", 1),
    say.aborted(usage),
    say.done(1, usage),
    {
      kind: "hello",
      protocolVersion: 1,
      node: asNodeId("node_studio"),
      signature: "s",
      nonce: "n".repeat(16),
      machine: buildMachine(),
      report: buildNodeReport(),
      running: [say.running(1)],
    },
  ];
}

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(...AWKWARD_VALUES, 1, 2, Number.MAX_SAFE_INTEGER, "job_1", "node_studio"),
);

/** Which frame, which of its places, and what comes there: mostly something of the kind that was there. */
const mutation = fc.record({
  frame: fc.nat(),
  place: fc.nat(),
  put: fc.record({
    number: fc.oneof(fc.nat(3), fc.constantFrom(0, 0.5, 1e9, 2 ** 53 - 1, 1e308, -1)),
    string: fc.constantFrom("", "x", "job_1", "job_999", "node_studio", "shutdown", "length", "content"),
    boolean: fc.boolean(),
    other: fc.option(junk, { nil: undefined }),
    kept: fc.integer({ min: 0, max: 9 }).map((die) => die < 8),
  }),
});
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

function mutated(frames: readonly unknown[], { frame: at, place, put }: Mutation): string {
  const frame = frames[at % frames.length];
  const paths = pathsIn(frame);
  const path = paths[place % paths.length] ?? [];
  const was = typeof valueAt(frame, path);
  const keeps = put.kept && (was === "number" || was === "string" || was === "boolean");
  return JSON.stringify(replaceAt(frame, path, keeps ? put[was] : put.other)) ?? "";
}

const valueAt = (value: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>(
    (at, key) =>
      typeof at === "object" && at !== null ? Object.entries(at).find(([k]) => k === key)?.[1] : at,
    value,
  );

/** Resolves when the scheduler has read all that was sent before, or the connection is gone. */
async function readUpToHere(agent: ScriptedAgent): Promise<void> {
  const job = asJobId("job_unknown");
  agent.send({ kind: "accepted", job, epoch: 1 });
  await Promise.race([agent.take("cancel", job).catch(() => undefined), agent.gone]);
}

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + 10_000;
  while (!(await holds())) {
    assert(performance.now() < untilMs, `in time: ${what}; ${JSON.stringify(server.scheduler.state())}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Lets a job be assigned and its node say what it will; then cancels it if that did not end it. */
async function play(agent: ScriptedAgent, mutations: readonly Mutation[]): Promise<number> {
  const job: JobId = await coop.submit();
  const frames = framesOf(await agent.take("assign", job));
  const texts = mutations.map((change) => mutated(frames, change));
  // A frame that is none ends the connection: first those that are some.
  const isBad = (text: string): boolean => decodeAgentFrame(text).kind === "bad";
  const good = texts.filter((text) => !isBad(text));
  for (const text of [...good, ...texts.filter(isBad)]) agent.sendText(text);
  await readUpToHere(agent);
  await agent.drop();
  if (!isTerminal((await coop.record(job)).state))
    await coop.ports.desk.cancel(job, null, "member", Date.now());
  return good.length;
}

test(
  "no mutation of a good frame breaks the scheduler, and none leaves a hold or an attempt",
  { timeout: 60_000 },
  async () => {
    const key: NodeKey = await coop.register("studio");
    let heard = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(mutation, { minLength: FRAMES_A_RUN, maxLength: FRAMES_A_RUN }),
        async (mutations) => {
          heard += await play(await join(server, key), mutations);
          const after = await join(server, key);
          await eventually("nothing is held and nothing runs", async () => {
            const state = server.scheduler.state();
            assert(state.kind === "leading", "the scheduler leads on");
            const held = [
              await coop.account(),
              (await coop.ports.attempts.nodeAccount(key.node, new Date().toISOString().slice(0, 10))).day,
            ];
            const isSettled = held.every(({ heldTokens }) => heldTokens === 0);
            return isSettled && state.runningAttempts === 0 && state.pendingJobs === 0;
          });
          await after.drop();
        },
      ),
      { numRuns: RUNS },
    );
    expect(heard).toBeGreaterThan((RUNS * FRAMES_A_RUN) / 4);
    expect(server.logged.filter((line) => line.startsWith("error"))).toEqual([]);
  },
);

test("what is read as a frame is written and read as the same frame", () => {
  const assign = { kind: "assign", job: asJobId("job_1"), epoch: 1, model: "m" } as const;
  const frames = framesOf({
    ...assign,
    request: { kind: "embed", inputs: [] },
    deadlineMs: 0,
    remainingMs: 0,
    privacy: "coop",
    allowedNodes: [],
    promptTokensMax: 0,
  });
  fc.assert(
    fc.property(mutation, (change) => {
      const decoded = decodeAgentFrame(mutated(frames, change));
      if (decoded.kind !== "frame") return;
      expect(decodeAgentFrame(encodeFrame(decoded.frame))).toEqual(decoded);
    }),
    { numRuns: 10_000 },
  );
});
