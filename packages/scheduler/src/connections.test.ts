import { createTestCoop, dialAs, join } from "./testing/test-coop.ts";
import type { TestCoop } from "./testing/test-coop.ts";
import { createNodeKey, wordsOf } from "./testing/scripted-agent.ts";
import { leads, startTestScheduler } from "./testing/test-scheduler.ts";
import type { TestScheduler } from "./testing/test-scheduler.ts";
import type { Fate } from "./testing/unreliable-store.ts";
import { MAX_AGENT_FRAME_BYTES, PROTOCOL_VERSION, proofText } from "@coop/protocol";
import { createPublicKey, verify } from "node:crypto";
import { buildMachine, buildNodeReport } from "@coop/core/testing";
import { asJobId, asNodeId } from "@coop/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let coop: TestCoop;
let server: TestScheduler;

beforeEach(async () => {
  coop = createTestCoop();
  server = await startTestScheduler(coop.ports);
  await leads(server);
});
afterEach(() => server.stop());

describe("a node that connects", () => {
  test("is welcomed with the server's proof over the nonce that it chose", async () => {
    const key = await coop.register("studio");
    const agent = dialAs(server, key);
    await agent.hello({ nonce: "a nonce of the agent's" });
    const { signature, heartbeatMs, leaseMs } = await agent.take("welcome");
    const { serverId, publicKey } = server.identity;
    const text = proofText("server", "a nonce of the agent's", serverId, key.node, PROTOCOL_VERSION);
    const serverKey = createPublicKey({ key: Buffer.from(publicKey, "base64"), format: "der", type: "spki" });
    expect(verify(null, Buffer.from(text), serverKey, Buffer.from(signature, "base64"))).toBe(true);
    expect({ heartbeatMs, leaseMs }).toEqual({ heartbeatMs: 10_000, leaseMs: 30_000 });
  });

  test("is refused when it speaks an older version, even one whose hello looks different", async () => {
    const key = await coop.register("studio");
    const sameShape = dialAs(server, key);
    await sameShape.hello({ protocolVersion: PROTOCOL_VERSION - 1 });
    const refused = await sameShape.take("refused");
    expect(refused).toMatchObject({ reason: "protocol-version", retryAfterMs: null });
    expect(refused.message).toContain(`version ${PROTOCOL_VERSION - 1}, this server ${PROTOCOL_VERSION}`);

    const otherShape = dialAs(server, key);
    await otherShape.take("challenge");
    otherShape.sendText(JSON.stringify({ kind: "hello", protocolVersion: 0, name: "an ancestor" }));
    expect(await otherShape.take("refused")).toMatchObject({ reason: "protocol-version" });
    await otherShape.gone;
  });

  test("is refused when nobody knows it, when another signed, and when it was revoked", async () => {
    const key = await coop.register("studio");
    const stranger = dialAs(server, createNodeKey("node_stranger"));
    await stranger.hello();
    expect(await stranger.take("refused")).toMatchObject({ reason: "unknown-node", retryAfterMs: null });

    const thief = dialAs(server, createNodeKey(key.node));
    await thief.hello();
    expect(await thief.take("refused")).toMatchObject({ reason: "bad-signature", retryAfterMs: null });

    const replayer = dialAs(server, key);
    await replayer.hello({ signature: Buffer.alloc(64).toString("base64") });
    expect(await replayer.take("refused")).toMatchObject({ reason: "bad-signature" });

    await coop.ports.nodes.revokeNode(key.node, Date.now());
    const revoked = dialAs(server, key);
    await revoked.hello();
    expect(await revoked.take("refused")).toMatchObject({ reason: "revoked", retryAfterMs: null });
    await revoked.gone;
    expect(server.scheduler.state()).toMatchObject({ connectedNodes: 0 });
  });

  test("replaces its older connection", async () => {
    const key = await coop.register("studio");
    const older = await join(server, key);
    const newer = await join(server, key);
    expect(await older.take("refused")).toMatchObject({ reason: "replaced" });
    await older.gone;
    const job = await coop.submit();
    expect((await newer.take("assign")).job).toBe(job);
    expect(server.scheduler.state()).toMatchObject({ connectedNodes: 1 });
  });

  test("is told when too many connect at once, and when to come back", async () => {
    await using busy = await startTestScheduler(createTestCoop().ports, {
      handshakeBurst: 1,
      handshakesPerSecond: 0.5,
    });
    await leads(busy);
    const key = await coop.register("studio");
    const first = dialAs(busy, key);
    await first.take("challenge");
    const second = dialAs(busy, key);
    const { reason, retryAfterMs } = await second.take("refused");
    expect(reason).toBe("overloaded");
    expect(retryAfterMs).toBeGreaterThan(1_000);
    await first.drop();
  });

  test("is dropped when it says no hello in time", async () => {
    await using impatient = await startTestScheduler(createTestCoop().ports, { handshakeMs: 50 });
    await leads(impatient);
    const agent = dialAs(impatient, createNodeKey("node_mute"));
    await agent.take("challenge");
    await agent.gone;
    expect(impatient.logged.join("\n")).toContain("no hello in time");
  });

  test("is dropped when it gives no sign of life, and not while it answers pings", async () => {
    const ports = createTestCoop();
    await using watchful = await startTestScheduler(ports.ports, { heartbeatMs: 60 });
    await leads(watchful);
    const lively = await join(watchful, await ports.register("lively"));
    const frozen = await join(watchful, await ports.register("frozen"));
    frozen.freeze();
    await expect.poll(() => watchful.scheduler.state()).toMatchObject({ connectedNodes: 1 });
    expect(watchful.logged.join("\n")).toContain("no sign of life");
    const job = await ports.submit();
    expect((await lively.take("assign")).job).toBe(job);
    await frozen.drop();
  });
});

describe("a standby", () => {
  test("sends agents to the leader, and leads when the leader is gone", async () => {
    await using standby = await startTestScheduler(coop.ports);
    await expect
      .poll(() => standby.scheduler.state())
      .toEqual({ kind: "following", leader: server.url.replace("ws", "http") });
    const key = await coop.register("studio");
    const agent = dialAs(standby, key);
    expect(await agent.take("refused")).toMatchObject({
      reason: "not-leader",
      leader: server.url.replace("ws", "http"),
    });
    await agent.gone;

    await server.stop();
    await leads(standby);
    await join(standby, key);
    expect(standby.scheduler.state()).toMatchObject({ kind: "leading", fence: 2, connectedNodes: 1 });
  });

  test("that takes over behind the leader's back makes it step down at its next write, which changes nothing", async () => {
    const other = createTestCoop();
    await using old = await startTestScheduler(other.ports, {
      campaignEveryMs: 600_000,
      sweepEveryMs: 600_000,
      renewEveryMs: 600_000,
    });
    await leads(old);
    const agent = await join(old, await other.register("studio"));
    const job = await other.submit();
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.accepted());
    agent.send(say.output(1, "from the first leader"));
    await agent.take("ack");

    other.usurp();
    agent.send(say.output(2, "too late"));
    expect(await agent.take("refused")).toMatchObject({ reason: "not-leader" });
    await expect.poll(() => old.scheduler.state().kind).toBe("following");
    expect((await other.record(job)).lastSeq).toBe(1);
    expect(agent.untaken("cancel")).toEqual([]);
  });
});

describe("a frame", () => {
  test("of an unknown kind is dropped, and the connection goes on", async () => {
    const agent = await join(server, await coop.register("studio"));
    agent.sendText(JSON.stringify({ kind: "weather", sunny: true }));
    const job = await coop.submit();
    expect((await agent.take("assign")).job).toBe(job);
    await expect.poll(() => server.logged.join("\n")).toContain("weather");
  });

  test.for([
    ["no JSON", "{"],
    ["no object", "7"],
    ["a number where text belongs", JSON.stringify({ kind: "accepted", job: 7, epoch: 1 })],
    ["an epoch below one", JSON.stringify({ kind: "accepted", job: "job_1", epoch: 0 })],
    ["binary", Buffer.from(JSON.stringify({ kind: "accepted", job: "job_1", epoch: 1 }))],
    ["a second hello", null],
  ] as const)("that is %s ends the connection with the reason", async ([, text]) => {
    const agent = await join(server, await coop.register("studio"));
    if (text === null)
      agent.send({
        kind: "hello",
        protocolVersion: 1,
        node: createNodeKey("node_x").node,
        signature: "",
        nonce: "0123456789abcdef",
        machine: buildMachine(),
        report: buildNodeReport(),
        running: [],
      });
    else agent.sendText(text);
    expect(await agent.take("refused")).toMatchObject({ reason: "bad-frame" });
    await agent.gone;
    await expect.poll(() => server.scheduler.state()).toMatchObject({ connectedNodes: 0 });
  });

  test("before the hello ends the connection", async () => {
    const agent = dialAs(server, await coop.register("studio"));
    await agent.take("challenge");
    agent.send({ kind: "accepted", job: asJobId("job_1"), epoch: 1 });
    expect(await agent.take("refused")).toMatchObject({ reason: "bad-frame" });
  });

  test("beyond the limit ends the connection, and the server lives on", async () => {
    const key = await coop.register("studio");
    const agent = await join(server, key);
    agent.sendText("x".repeat(MAX_AGENT_FRAME_BYTES + 1));
    await agent.gone;
    await join(server, key);
    expect(server.scheduler.state()).toMatchObject({ kind: "leading", connectedNodes: 1 });
  });
});

describe("a revoked node", () => {
  test("is cut off at once, and what it ran goes elsewhere", async () => {
    const agent = await join(server, await coop.register("studio"));
    const job = await coop.submit();
    const say = wordsOf(await agent.take("assign"));
    agent.send(say.accepted());
    const other = await coop.register("other");
    await coop.ports.nodes.revokeNode(asNodeId("node_studio"), Date.now());
    expect(await agent.take("refused")).toMatchObject({ reason: "revoked" });
    const second = await join(server, other);
    expect(await second.take("assign")).toMatchObject({ job, epoch: 2 });
    const known = async () => (await coop.ports.board.read())?.nodes.map(({ identity }) => identity.name);
    await expect.poll(known).toEqual(["other"]);
  });

  test("is cut off when wake-ups come back, if word of it was lost", async () => {
    const agent = await join(server, await coop.register("studio"));
    const stays = await join(server, await coop.register("other"));
    coop.muteWakeUps();
    await coop.ports.nodes.revokeNode(asNodeId("node_studio"), Date.now());
    coop.unmuteWakeUps();
    expect(await agent.take("refused")).toMatchObject({ reason: "revoked" });
    expect(server.scheduler.state()).toMatchObject({ connectedNodes: 1 });
    const job = await coop.submit();
    expect((await stays.take("assign")).job).toBe(job);
  });

  test("is not welcomed when it was revoked during its handshake", async () => {
    const key = await coop.register("studio");
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Fate>();
    coop.fate = (call) => {
      if (call !== "settleAbsent") return "works";
      asked.resolve();
      return answer.promise;
    };
    const agent = dialAs(server, key);
    await agent.hello();
    await asked.promise;
    await coop.ports.nodes.revokeNode(key.node, Date.now());
    answer.resolve("works");
    expect(await agent.take("refused")).toMatchObject({ reason: "revoked", retryAfterMs: null });
    expect(agent.untaken("welcome")).toEqual([]);
    expect(server.scheduler.state()).toMatchObject({ connectedNodes: 0 });
  });
});
