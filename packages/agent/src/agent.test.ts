import { describe, expect, test } from "vitest";
import { asJobId } from "@coop/core";
import type { AgentFrame } from "@coop/protocol";
import { assignOf, nextRound, startBench } from "./testing/bench.ts";
import type { Bench } from "./testing/bench.ts";
import type { FakeConnection } from "./testing/fake-scheduler.ts";

const connect = async (bench: Bench): Promise<FakeConnection> => {
  const connection = await bench.scheduler.accept();
  await connection.welcome();
  await until(() => bench.lines.includes("connected"));
  return connection;
};

const until = async (condition: () => boolean): Promise<void> => {
  for (let round = 0; round < 5_000 && !condition(); round += 1) await nextRound();
  expect(condition(), "what was waited for").toBe(true);
};

/** Cuts the connection and brings the agent back on a new one. */
const reconnect = async (bench: Bench, connection: FakeConnection): Promise<FakeConnection> => {
  const { connections } = bench.scheduler;
  connection.cut();
  await bench.advanceUntil(100, () => bench.scheduler.connections > connections);
  return bench.scheduler.accept();
};

const ref = (job: string, epoch = 1) => ({ job: asJobId(job), epoch });

const outputs = (frames: readonly AgentFrame[]) => frames.filter((frame) => frame.kind === "output");
const textOf = (frames: readonly AgentFrame[]): string =>
  outputs(frames)
    .flatMap((frame) => frame.deltas)
    .map((delta) => (delta.kind === "content" ? delta.text : ""))
    .join("");

describe("an attempt", () => {
  test("is accepted, streams numbered output and ends; nothing of the prompt is logged", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    connection.send(assignOf("job_1"));
    expect(await connection.next("accepted")).toMatchObject(ref("job_1"));
    const generation = await bench.engine.nextGeneration();
    expect(generation.request).toMatchObject({ model: "small", contextTokens: 4096, maxOutputTokens: 100 });

    generation.emit({ kind: "loading" });
    expect(await connection.next("progress")).toMatchObject({ ...ref("job_1"), phase: "loading" });
    generation.say("Hello");
    expect(await connection.next("output")).toMatchObject({
      seq: 1,
      tokens: 1,
      deltas: [{ kind: "content", text: "Hello" }],
    });
    generation.say(", ");
    generation.say("world");
    await until(() => generation.unread === 0);
    bench.timing.advance(30);
    expect(await connection.next("output")).toMatchObject({
      seq: 2,
      tokens: 2,
      deltas: [{ kind: "content", text: ", world" }],
    });
    generation.finish();
    expect(await connection.next("done")).toMatchObject({
      ...ref("job_1"),
      lastSeq: 2,
      finishReason: "stop",
      usage: { promptTokens: 10, outputTokens: 3 },
    });
    connection.send({ kind: "settled", ...ref("job_1") });
    await until(() => bench.agent.status(1).running.length === 0);
    expect(bench.lines).toContain("outcome small done");
    expect(bench.lines.join("\n")).not.toContain("secret");
  });

  test("is refused where it may not run", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    const cases = [
      { assign: assignOf("job_1", { allowedNodes: [] }), reason: "not-allowed" },
      { assign: assignOf("job_2", { model: "far" }), reason: "not-allowed" },
      { assign: assignOf("job_3", { model: "far", privacy: "own" }), reason: "not-allowed" },
      { assign: assignOf("job_4", { model: "absent" }), reason: "model-missing" },
    ];
    for (const { assign, reason } of cases) {
      connection.send(assign);
      expect(await connection.next("rejected")).toMatchObject({ ...ref(assign.job), reason });
    }
    expect(bench.engine.generations).toBe(0);

    connection.send(assignOf("job_5", { model: "far", privacy: "any" }));
    connection.send(assignOf("job_6"));
    connection.send(assignOf("job_7"));
    expect(await connection.next("rejected")).toMatchObject({ ...ref("job_7"), reason: "busy" });
    expect(bench.engine.generations).toBe(2);
  });

  test("runs once however often it is assigned", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    connection.send(assignOf("job_1"));
    await connection.next("accepted");
    connection.send(assignOf("job_1"));
    await connection.next("accepted");
    const generation = await bench.engine.nextGeneration();
    generation.finish();
    await connection.next("done");
    connection.send(assignOf("job_1"));
    await connection.next("done");
    connection.send({ kind: "settled", ...ref("job_1") });
    connection.send(assignOf("job_1"));
    connection.send(assignOf("job_1", { epoch: 2 }));
    expect(await connection.next("accepted")).toMatchObject(ref("job_1", 2));
    expect(bench.engine.generations).toBe(2);
    expect(bench.lines.join("\n")).toContain("dropped an assign of an attempt that was settled");
  });

  test.for(["before its first event", "loading", "prefill", "decode", "ended, not settled"] as const)(
    "is cancelled %s and answers aborted without any time passing",
    async (phase) => {
      await using bench = await startBench();
      const connection = await connect(bench);
      connection.send(assignOf("job_1"));
      await connection.next("accepted");
      const generation = await bench.engine.nextGeneration();
      if (phase === "loading" || phase === "prefill") {
        generation.emit({ kind: phase });
        await connection.next("progress");
      } else if (phase === "decode") {
        generation.say("a");
        await connection.next("output");
        generation.say("b");
        await until(() => generation.unread === 0);
      } else if (phase === "ended, not settled") {
        generation.finish();
        await connection.next("done");
      }
      connection.send({ kind: "cancel", ...ref("job_1") });
      expect(await connection.next("aborted")).toMatchObject({
        ...ref("job_1"),
        usage: { promptTokens: 10 },
      });
      expect(textOf(connection.frames)).toBe(phase === "decode" ? "a" : "");
      expect(generation.signal.aborted).toBe(phase !== "ended, not settled");
      connection.send({ kind: "settled", ...ref("job_1") });
      connection.send(assignOf("job_2"));
      connection.send(assignOf("job_3"));
      await connection.next("accepted");
      await connection.next("accepted");
    },
  );

  test("is cancelled while its output waits for credit", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    connection.send(assignOf("job_1"));
    const generation = await bench.engine.nextGeneration();
    generation.say("a");
    await connection.next("output");
    connection.send({ kind: "ack", ...ref("job_1"), seq: 1, creditBytes: 0 });
    connection.send(assignOf("job_1"));
    await connection.next("accepted");
    await connection.next("accepted");
    generation.say("b");
    generation.finish();
    await until(() => bench.lines.includes("outcome small done"));
    expect(connection.frames.some((frame) => frame.kind === "done")).toBe(false);
    connection.send({ kind: "cancel", ...ref("job_1") });
    await connection.next("aborted");
    expect(textOf(connection.frames)).toBe("a");
  });

  test("is cancelled while it runs and its output waits for credit", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    connection.send(assignOf("job_1"));
    const generation = await bench.engine.nextGeneration();
    generation.say("x".repeat(70_000));
    generation.say("y");
    await connection.next("output");
    await until(() => generation.unread === 0);
    bench.timing.advance(30);
    connection.send({ kind: "cancel", ...ref("job_1") });
    await connection.next("aborted");
    expect(textOf(connection.frames)).not.toContain("y");
  });

  test("fences itself at the deadline, by the time that passed here", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    connection.send(assignOf("job_1", { remainingMs: 5_000, deadlineMs: 1 }));
    const generation = await bench.engine.nextGeneration();
    expect(generation.limits.totalMs).toBe(5_000);
    generation.say("half");
    await connection.next("output");
    bench.timing.advance(4_999);
    expect(generation.signal.aborted).toBe(false);
    bench.timing.advance(1);
    expect(await connection.next("failed")).toMatchObject({ class: "total-timeout", lastSeq: 1 });
  });

  test("fails as its engine says", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    connection.send(assignOf("job_1"));
    const generation = await bench.engine.nextGeneration();
    const usage = { promptTokens: 0, outputTokens: 0 };
    generation.emit({ kind: "failed", class: "truncated", message: "no end", usage, phase: "decode" });
    expect(await connection.next("failed")).toMatchObject({
      class: "truncated",
      message: "no end",
      lastSeq: 0,
    });
  });
});

describe("output", () => {
  test("waits for credit, and the engine for the outbox", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    connection.send(assignOf("job_1"));
    const generation = await bench.engine.nextGeneration();
    const piece = "x".repeat(100_000);
    for (let count = 0; count < 60; count += 1) generation.say(piece);
    generation.finish();
    await connection.next("output");
    await until(() => generation.unread < 60);
    for (let round = 0; round < 200; round += 1) {
      bench.timing.advance(30);
      await nextRound();
    }
    expect(generation.unread, "what the engine has left").toBeGreaterThan(10);
    expect(outputs(connection.frames), "frames within the first credit").toHaveLength(1);

    let seen = 0;
    await bench.advanceUntil(30, () => {
      const { length } = outputs(connection.frames);
      if (length > seen) connection.send({ kind: "ack", ...ref("job_1"), seq: length, creditBytes: 65_536 });
      seen = length;
      return connection.frames.some((frame) => frame.kind === "done");
    });
    expect(outputs(connection.frames).map((frame) => frame.seq)).toEqual(
      outputs(connection.frames).map((_, index) => index + 1),
    );
    expect(textOf(connection.frames)).toBe(piece.repeat(60));
  });

  test("of one piece is cut to frames, whole characters only", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    connection.send(assignOf("job_1"));
    const generation = await bench.engine.nextGeneration();
    const text = `.${"🙂".repeat(200_000)}\u0001`;
    generation.say(text);
    generation.finish();
    let seen = 0;
    await bench.advanceUntil(30, () => {
      const { length } = outputs(connection.frames);
      if (length > seen) connection.send({ kind: "ack", ...ref("job_1"), seq: length, creditBytes: 65_536 });
      seen = length;
      return connection.frames.some((frame) => frame.kind === "done");
    });
    expect(textOf(connection.frames)).toBe(text);
    const pieces = outputs(connection.frames).flatMap((frame) => frame.deltas);
    expect(pieces.every((delta) => delta.kind === "content" && delta.text.isWellFormed())).toBe(true);
  });

  test("that no frame can hold fails the attempt", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    connection.send(assignOf("job_1"));
    const generation = await bench.engine.nextGeneration();
    const call = { id: "1", name: "write", arguments: "x".repeat(1_100_000) };
    generation.emit({ kind: "delta", delta: { kind: "tool-call", index: 0, call }, tokens: 1 });
    expect(await connection.next("failed")).toMatchObject({ class: "model-output" });
  });
});

describe("a connection that breaks", () => {
  test("mid-generation: the engine runs on and the output goes on where it was, nothing lost or doubled", async () => {
    await using bench = await startBench();
    const first = await connect(bench);
    first.send(assignOf("job_1"));
    const generation = await bench.engine.nextGeneration();
    generation.say("one ");
    await first.next("output");
    first.send({ kind: "ack", ...ref("job_1"), seq: 1, creditBytes: 65_536 });
    await until(() => generation.unread === 0);
    bench.timing.advance(30);
    generation.say("two ");
    await first.next("output");

    first.cut();
    await until(() => bench.lines.some((line) => line.startsWith("not connected")));
    generation.say("three ");
    await until(() => generation.unread === 0);
    bench.timing.advance(30);
    generation.say("four");
    await until(() => generation.unread === 0);
    expect(generation.signal.aborted).toBe(false);
    await bench.advanceUntil(100, () => bench.scheduler.connections === 2);
    const second = await bench.scheduler.accept();
    const hello = await second.welcome([{ verdict: "resume", ...ref("job_1"), fromSeq: 2 }]);
    expect(hello.running).toMatchObject([{ ...ref("job_1"), model: "small", outputTokens: 4 }]);
    generation.finish();
    const { lastSeq } = await second.next("done");
    expect(outputs(second.frames).map((frame) => frame.seq)).toEqual(
      Array.from({ length: lastSeq - 1 }, (_, index) => index + 2),
    );
    expect(textOf(second.frames)).toBe("two three four");
  });

  test("after the end: the end is repeated on each connection until it is settled", async () => {
    await using bench = await startBench();
    const first = await connect(bench);
    first.send(assignOf("job_1"));
    (await bench.engine.nextGeneration()).finish();
    await first.next("done");
    const second = await reconnect(bench, first);
    const hello = await second.welcome([{ verdict: "resume", ...ref("job_1"), fromSeq: 1 }]);
    expect(hello.running).toHaveLength(1);
    await second.next("done");
    second.send({ kind: "settled", ...ref("job_1") });
    second.send({ kind: "drain" });
    await second.next("report");
    const third = await reconnect(bench, second);
    expect((await third.welcome()).running).toEqual([]);
  });

  test.for(["abandon", "no verdict"] as const)("and a scheduler that wants no more: %s", async (verdict) => {
    await using bench = await startBench();
    const first = await connect(bench);
    first.send(assignOf("job_1"));
    const generation = await bench.engine.nextGeneration();
    generation.say("a");
    await first.next("output");
    const second = await reconnect(bench, first);
    await second.welcome(verdict === "abandon" ? [{ verdict, ...ref("job_1") }] : []);
    expect(await second.next("aborted")).toMatchObject({
      ...ref("job_1"),
      usage: { promptTokens: 10, outputTokens: 1 },
    });
    expect(outputs(second.frames)).toEqual([]);
    expect(generation.signal.aborted).toBe(true);
  });

  test("and a scheduler that lost what it had acknowledged", async () => {
    await using bench = await startBench();
    const first = await connect(bench);
    first.send(assignOf("job_1"));
    const generation = await bench.engine.nextGeneration();
    generation.say("a");
    await first.next("output");
    first.send({ kind: "ack", ...ref("job_1"), seq: 1, creditBytes: 65_536 });
    first.send(assignOf("job_2", { model: "absent" }));
    await first.next("rejected");
    const second = await reconnect(bench, first);
    await second.welcome([
      { verdict: "resume", ...ref("job_1"), fromSeq: 1 },
      { verdict: "resume", ...ref("job_2"), fromSeq: 1 },
    ]);
    expect(await second.next("failed")).toMatchObject({ ...ref("job_1"), class: "node-lost", lastSeq: 0 });
    expect(await second.next("rejected")).toMatchObject(ref("job_2"));
    expect(outputs(second.frames)).toEqual([]);
  });

  test("half-open: it is given up after two unanswered pings and dialled anew", async () => {
    await using bench = await startBench();
    const first = await connect(bench);
    first.freeze();
    bench.timing.advance(10_000);
    bench.timing.advance(10_000);
    await nextRound();
    expect(bench.lines.some((line) => line.includes("does not answer"))).toBe(false);
    bench.timing.advance(10_000);
    await first.closed;
    expect(bench.lines.some((line) => line.includes("does not answer"))).toBe(true);
    await bench.advanceUntil(100, () => bench.scheduler.connections === 2);
    await (await bench.scheduler.accept()).welcome();
  });

  test("is not given up while anything arrives", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    for (let beat = 0; beat < 8; beat += 1) {
      bench.timing.advance(9_999);
      connection.send({ kind: "ack", ...ref("job_x"), seq: 1, creditBytes: 1 });
      for (let round = 0; round < 20; round += 1) await nextRound();
    }
    expect(bench.scheduler.connections).toBe(1);
    expect(bench.agent.status(1).connection.state).toBe("connected");
  });

  test("because the machine slept: attempts are given up and it dials anew", async () => {
    await using bench = await startBench();
    const first = await connect(bench);
    first.send(assignOf("job_1"));
    const generation = await bench.engine.nextGeneration();
    generation.say("a");
    await first.next("output");
    bench.timing.sleep(31_000);
    bench.timing.advance(5_000);
    await first.closed;
    expect(generation.signal.aborted).toBe(true);
    await bench.advanceUntil(100, () => bench.scheduler.connections === 2);
    const second = await bench.scheduler.accept();
    await second.welcome([{ verdict: "resume", ...ref("job_1"), fromSeq: 2 }]);
    expect(await second.next("failed")).toMatchObject({ class: "node-lost", lastSeq: 1 });
  });
});

describe("stopping", () => {
  test("finishes what runs, takes nothing new, and says so", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    connection.send(assignOf("job_1"));
    const generation = await bench.engine.nextGeneration();
    bench.drain.abort();
    expect((await connection.next("report")).report.draining).toBe(true);
    connection.send(assignOf("job_2"));
    expect(await connection.next("rejected")).toMatchObject({ ...ref("job_2"), reason: "shutdown" });
    connection.send({ kind: "settled", ...ref("job_2") });
    generation.say("all of it");
    generation.finish();
    await connection.next("done");
    expect(generation.signal.aborted).toBe(false);
    connection.send({ kind: "settled", ...ref("job_1") });
    expect(await bench.ended).toEqual({ kind: "stopped" });
  });

  test("twice stops at once, and the scheduler hears why", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    connection.send(assignOf("job_1"));
    await bench.engine.nextGeneration();
    bench.drain.abort();
    await connection.next("report");
    bench.abort.abort();
    expect(await connection.next("failed")).toMatchObject({ ...ref("job_1"), class: "shutdown" });
    connection.send({ kind: "settled", ...ref("job_1") });
    expect(await bench.ended).toEqual({ kind: "stopped" });
  });

  test("waits for an attempt that does not end only so long", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    connection.send(assignOf("job_1"));
    const generation = await bench.engine.nextGeneration();
    bench.drain.abort();
    await connection.next("report");
    await bench.advanceUntil(1_000, () => connection.frames.some((frame) => frame.kind === "failed"));
    expect(generation.signal.aborted).toBe(true);
  });

  test("at once when nothing runs, connected or not", async () => {
    await using bench = await startBench();
    await bench.scheduler.accept();
    bench.drain.abort();
    expect(await bench.ended).toEqual({ kind: "stopped" });
  });
});

describe("the scheduler", () => {
  test("gets a report every 10 s, and at once when something changed", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    bench.timing.advance(10_000);
    await connection.next("report");
    bench.snapshot = { ...bench.snapshot, report: { ...bench.snapshot.report, pressure: "warning" } };
    connection.send(assignOf("job_1"));
    (await bench.engine.nextGeneration()).finish();
    await connection.next("done");
    bench.timing.advance(1_000);
    expect((await connection.next("report")).report.pressure).toBe("warning");
  });

  test("learns of another engine by a new hello", async () => {
    await using bench = await startBench();
    const first = await connect(bench);
    bench.snapshot = { ...bench.snapshot, machine: { ...bench.snapshot.machine, engine: "scripted 2" } };
    bench.timing.advance(10_000);
    await first.closed;
    await bench.advanceUntil(100, () => bench.scheduler.connections === 2);
    const hello = await (await bench.scheduler.accept()).welcome();
    expect(hello.machine.engine).toBe("scripted 2");
  });

  test("can warm a model that the node has, never a cloud's, and have it drain", async () => {
    await using bench = await startBench();
    const connection = await connect(bench);
    for (const model of ["small", "far", "absent"]) connection.send({ kind: "warm", model });
    connection.send({ kind: "drain" });
    expect((await connection.next("report")).report.draining).toBe(true);
    expect(bench.engine.warmed).toEqual(["small"]);
  });
});
