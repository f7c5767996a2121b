import { asJobId, asNodeId } from "@coop/core";
import { AWKWARD_VALUES, pathsIn, replaceAt } from "@coop/core/testing";
import { decodeSchedulerFrame } from "@coop/protocol";
import type { SchedulerFrame } from "@coop/protocol";
import fc from "fast-check";
import { expect, test } from "vitest";
import { assignOf, nextRound, startBench } from "./testing/bench.ts";
import type { Bench } from "./testing/bench.ts";
import type { FakeConnection } from "./testing/fake-scheduler.ts";

/** Frames that were right before something happened to them, from the scheduler that the node joined. */

const RUNS = 250;
const FRAMES_A_RUN = 40;

/** One of each kind that a scheduler may send at any time, but for `drain`, which has nothing to change. */
const frames: readonly SchedulerFrame[] = [
  assignOf("job_1"),
  assignOf("job_2", {
    request: {
      kind: "chat",
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "What?", images: ["AAAA"] },
        { role: "assistant", content: "", toolCalls: [{ id: "c", name: "f", arguments: "{}" }] },
        { role: "tool", content: "x", toolCallId: "c", toolName: "f" },
      ],
      tools: [{ name: "f", description: "d", parameters: { type: "object" } }],
      sampling: { temperature: 1, stop: ["a"] },
      maxOutputTokens: 10,
    },
  }),
  assignOf("job_3", { request: { kind: "embed", inputs: ["a", "b"] } }),
  { kind: "ack", job: asJobId("job_1"), epoch: 1, seq: 1, creditBytes: 1_000 },
  { kind: "settled", job: asJobId("job_1"), epoch: 1 },
  { kind: "cancel", job: asJobId("job_1"), epoch: 1 },
  { kind: "warm", model: "small" },
  { kind: "unload", model: "small" },
];

const junk = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(...AWKWARD_VALUES, "job_1", "job_2", "small", "far", asNodeId("node_1")),
);
const alike = {
  number: fc.oneof(fc.nat(3), fc.constantFrom(0, 0.5, 1e9, 2 ** 53 - 1, 1e308, -1)),
  string: fc.constantFrom("", "x", "job_1", "job_2", "small", "far", "own", "user", "node_1"),
  boolean: fc.boolean(),
};

const valueAt = (value: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>(
    (at, key) =>
      typeof at === "object" && at !== null ? Object.entries(at).find(([k]) => k === key)?.[1] : at,
    value,
  );

/** A frame with one place changed or taken away: mostly to something of the kind that was there. */
const mutated = fc.constantFrom(...frames).chain((frame) =>
  fc.constantFrom(...pathsIn(frame)).chain((path) => {
    const was = typeof valueAt(frame, path);
    const other = fc.option(junk, { nil: undefined });
    const put =
      was === "number" || was === "string" || was === "boolean"
        ? fc.oneof({ weight: 4, arbitrary: alike[was] }, { weight: 1, arbitrary: other })
        : other;
    return put.map((value) => JSON.stringify(replaceAt(frame, path, value)) ?? "");
  }),
);

const isBad = (text: string): boolean => decodeSchedulerFrame(text).kind === "bad";

async function connect(bench: Bench): Promise<FakeConnection> {
  const connection = await bench.scheduler.accept();
  await connection.welcome();
  await bench.advanceUntil(0, () => bench.agent.status(1).connection.state === "connected");
  return connection;
}

/** Ends what is left of the connection and brings the agent back on a new one, where nothing runs any more. */
async function reconnect(bench: Bench, connection: FakeConnection): Promise<FakeConnection> {
  connection.cut();
  await bench.advanceUntil(1_000, () => bench.scheduler.connections === 2);
  const next = await connect(bench);
  await bench.advanceUntil(0, () => bench.agent.status(1).running.length === 0);
  return next;
}

/** As many jobs as the node has slots are answered, whatever the engine began before. */
async function serve(bench: Bench, connection: FakeConnection, jobs: readonly string[]): Promise<void> {
  for (const job of jobs) connection.send(assignOf(job));
  for (let served = 0; served < jobs.length;) {
    const generation = await bench.engine.nextGeneration();
    if (generation.signal.aborted) continue;
    generation.say("ok");
    generation.finish();
    served += 1;
  }
  const done = (): string[] => connection.frames.flatMap((f) => (f.kind === "done" ? [f.job] : []));
  await bench.advanceUntil(50, () => jobs.every((job) => done().includes(job)));
  for (const job of jobs) connection.send({ kind: "settled", job: asJobId(job), epoch: 1 });
}

test(
  "no mutation of a good frame breaks the agent, and none leaves a slot taken",
  { timeout: 60_000 },
  async () => {
    const heard = { good: 0, bad: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(mutated, { minLength: FRAMES_A_RUN, maxLength: FRAMES_A_RUN }),
        async (texts) => {
          await using bench = await startBench();
          const first = await connect(bench);
          first.send(assignOf("job_1"));
          await first.next("accepted");
          // A frame that is none ends the connection: first those that are some.
          const good = texts.filter((text) => !isBad(text));
          for (const text of [...good, ...texts.filter(isBad)]) first.sendText(text);
          heard.good += good.length;
          heard.bad += texts.length - good.length;
          for (let round = 0; round < 20; round += 1) await nextRound();
          const second = await reconnect(bench, first);
          await serve(bench, second, ["job_8", "job_9"]);
        },
      ),
      { numRuns: RUNS },
    );
    expect(Math.min(heard.good, heard.bad)).toBeGreaterThan((RUNS * FRAMES_A_RUN) / 5);
  },
);
