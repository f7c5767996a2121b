import { describe, expect, test } from "vitest";
import { keepLines, machine, nextRound, report, startBench } from "./testing/bench.ts";
import type { Bench } from "./testing/bench.ts";
import { createFakeScheduler } from "./testing/fake-scheduler.ts";
import type { FakeConnection } from "./testing/fake-scheduler.ts";
import { createManualTiming } from "./testing/manual-timing.ts";
import { runSession } from "./session.ts";

const logged = (bench: Bench, words: string): boolean => bench.lines.some((line) => line.includes(words));

const until = async (condition: () => boolean): Promise<void> => {
  for (let round = 0; round < 5_000 && !condition(); round += 1) await nextRound();
  expect(condition(), "what was waited for").toBe(true);
};

/** What the server does wrong, and how the agent names it before it dials again. */
const misbehaviours: readonly [
  what: string,
  act: (connection: FakeConnection) => Promise<void>,
  logged: string,
][] = [
  ["speaks out of turn", async (connection) => connection.send({ kind: "drain" }), "out of turn"],
  [
    "welcomes twice",
    async (connection) => {
      await connection.welcome();
      connection.send({ kind: "welcome", signature: "", heartbeatMs: 1, leaseMs: 1, running: [] });
    },
    "out of turn",
  ],
  [
    "sends what is not JSON",
    async (connection) => {
      await connection.welcome();
      connection.sendText("{");
    },
    "not JSON",
  ],
  [
    "sends a frame of a wrong shape",
    async (connection) => {
      await connection.welcome();
      connection.sendText(`{"kind":"cancel","job":7}`);
    },
    "bad frame: cancel: job",
  ],
  [
    "sends binary",
    async (connection) => {
      await connection.welcome();
      connection.socket.send(Buffer.from("{}"), { binary: true });
    },
    "binary",
  ],
  [
    "sends a frame beyond the limit",
    async (connection) => {
      await connection.welcome();
      connection.sendText(`{"kind":"warm","model":"${"x".repeat(9_000_000)}"}`);
    },
    "Max payload size exceeded",
  ],
  [
    "refuses for now",
    async (connection) =>
      connection.send({
        kind: "refused",
        reason: "overloaded",
        message: "too many at once",
        retryAfterMs: 0,
        leader: null,
      }),
    "too many at once",
  ],
  [
    "closes",
    async (connection) => {
      await connection.welcome();
      connection.socket.close(1001, "restart");
    },
    "closed by the server (1001 restart)",
  ],
];

describe("a server that", () => {
  test.for(misbehaviours)("%s is left, and dialled again", async ([, act, words]) => {
    await using bench = await startBench();
    const first = await bench.scheduler.accept();
    await act(first);
    await first.closed;
    await until(() => logged(bench, words));
    await bench.advanceUntil(100, () => bench.scheduler.connections === 2);
    await (await bench.scheduler.accept()).welcome();
    await until(() => bench.agent.status(1).connection.state === "connected");
    expect(bench.scheduler.connections).toBe(2);
  });

  test("is newer may send kinds of frames that are not known here", async () => {
    await using bench = await startBench();
    const connection = await bench.scheduler.accept();
    await connection.welcome();
    connection.sendText(`{"kind":"rearrange","furniture":true}`);
    connection.sendText(`{"kind":"drain","gently":true}`);
    await connection.next("report");
    expect(logged(bench, "unknown kind")).toBe(true);
    expect(bench.scheduler.connections).toBe(1);
  });

  test("asks for a pause gets it", async () => {
    await using bench = await startBench();
    const first = await bench.scheduler.accept();
    first.send({
      kind: "refused",
      reason: "overloaded",
      message: "later",
      retryAfterMs: 20_000,
      leader: null,
    });
    await first.closed;
    await until(() => logged(bench, "later"));
    bench.timing.advance(19_999);
    await nextRound();
    expect(bench.scheduler.connections).toBe(1);
    bench.timing.advance(1);
    await bench.scheduler.accept();
  });

  test("declines the upgrade is asked again, after its Retry-After", async () => {
    await using bench = await startBench();
    const first = await bench.scheduler.accept();
    bench.scheduler.decline(503, { "retry-after": "7" });
    first.cut();
    await until(() => logged(bench, "closed by the server"));
    await bench.advanceUntil(1, () => logged(bench, "HTTP 503"));
    expect(logged(bench, `"retryInMs":7000`)).toBe(true);
  });

  test.for([
    ["never sends a challenge", false, "did not send a challenge"],
    ["never sends a welcome", true, "did not send a welcome"],
  ] as const)("%s is left", async ([, challenged, words]) => {
    await using bench = await startBench();
    const connection = await bench.scheduler.accept();
    if (challenged) {
      connection.challenge();
      await connection.next("hello");
    }
    await bench.advanceUntil(1_000, () => logged(bench, words));
    await connection.closed;
    expect(bench.agent.status(1).connection).toMatchObject({ problem: expect.stringContaining(words) });
  });
});

describe("for good ends", () => {
  test.for(["revoked", "unknown-node", "bad-signature", "protocol-version", "replaced"] as const)(
    "a node that is refused as %s",
    async (reason) => {
      await using bench = await startBench();
      const connection = await bench.scheduler.accept();
      connection.send({ kind: "refused", reason, message: "Because.", retryAfterMs: null, leader: null });
      const remedy = {
        revoked: "--join TOKEN",
        "unknown-node": "--join TOKEN",
        "bad-signature": "--join TOKEN",
        "protocol-version": "",
        replaced: "only one may run",
      }[reason];
      const message = expect.stringMatching(new RegExp(`^Because\\..*${remedy}`));
      expect(await bench.ended).toEqual({ kind: "final", message });
    },
  );

  test("a node whose server has another identity: it says nothing of itself", async () => {
    await using bench = await startBench();
    const connection = await bench.scheduler.accept();
    connection.challenge({ serverId: "0".repeat(64) });
    expect(await bench.ended).toMatchObject({
      kind: "final",
      message: expect.stringContaining("not the server"),
    });
    expect(connection.frames).toEqual([]);
  });

  test("a node whose server claims the identity and cannot prove it", async () => {
    await using bench = await startBench();
    const connection = await bench.scheduler.accept();
    connection.challenge();
    const hello = await connection.next("hello");
    const impostor = await createFakeScheduler();
    const signature = impostor.signature(hello.nonce, hello.node);
    await impostor.close();
    connection.send({ kind: "welcome", signature, heartbeatMs: 10_000, leaseMs: 30_000, running: [] });
    expect(await bench.ended).toMatchObject({
      kind: "final",
      message: expect.stringContaining("not the server"),
    });
  });

  test("a node that is too old", async () => {
    await using bench = await startBench();
    const connection = await bench.scheduler.accept();
    connection.challenge({ protocolVersion: 2 });
    const message =
      "The server speaks version 2 of the node protocol, this agent version 1. Update the agent.";
    expect(await bench.ended).toEqual({ kind: "final", message });
  });
});

test("an older server is asked again later: it may be updated", async () => {
  await using bench = await startBench();
  const connection = await bench.scheduler.accept();
  connection.challenge({ protocolVersion: 0 });
  await until(() => logged(bench, "The server needs an update"));
  expect(logged(bench, `"retryInMs":60000`)).toBe(true);
});

test("a server that is not the leader sends the agent to the one that is", async () => {
  await using bench = await startBench();
  const leader = await createFakeScheduler();
  const first = await bench.scheduler.accept();
  first.send({
    kind: "refused",
    reason: "not-leader",
    message: "not me",
    retryAfterMs: null,
    leader: leader.url,
  });
  await first.closed;
  await bench.advanceUntil(100, () => leader.connections === 1);
  await leader.close();
  await bench.advanceUntil(100, () => bench.scheduler.connections === 2);
  expect(leader.connections).toBe(1);
});

test("a leader without TLS elsewhere is not dialled", async () => {
  await using bench = await startBench();
  const first = await bench.scheduler.accept();
  const leader = "http://192.0.2.1:7070";
  first.send({ kind: "refused", reason: "not-leader", message: "not me", retryAfterMs: null, leader });
  await bench.advanceUntil(100, () => bench.scheduler.connections === 2);
  expect(logged(bench, "leader that cannot be used")).toBe(true);
});

test("a server that does not read is left before its unsent bytes fill the memory", async () => {
  const scheduler = await createFakeScheduler();
  const timing = createManualTiming();
  let flooded = 0;
  const ended = runSession(
    {
      identity: scheduler.identity(),
      timing,
      log: keepLines([]),
      announce: () => ({ machine, report, running: [] }),
      onWelcome(link) {
        for (; flooded < 200; flooded += 1) link.send("x".repeat(1_000_000));
      },
      onFrame: () => undefined,
    },
    `${scheduler.url.replace("http", "ws")}/nodes/connect`,
    new AbortController().signal,
  );
  const connection = await scheduler.accept();
  await connection.welcome();
  connection.freeze();
  expect(await ended).toMatchObject({ kind: "ended", reason: "the server does not read any more" });
  expect(timing.pending).toBe(0);
  await scheduler.close();
});
