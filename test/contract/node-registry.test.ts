import { asMemberId, asNodeId, type JoinToken, type Wake } from "@coop/core";
import { createManualClock } from "@coop/core/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contractStores, type ContractPorts, type ContractStore } from "./stores.ts";

const ada = asMemberId("mem_ada");
const bo = asMemberId("mem_bo");
const nowMs = Date.now();
const token = (id: string, member = ada): JoinToken => ({
  id,
  digest: `digest-${id}`,
  member,
  expiresAtMs: nowMs + 900_000,
});
const unspoiled = { revokedAtMs: null, drainedAtMs: null, offer: null };
const node = (id: string, name = "studio") => ({ id: asNodeId(id), name, publicKey: `key-${id}` });

describe.each(contractStores)("the node registry %s", (_, start) => {
  let store: ContractStore;
  beforeAll(async () => void (store = await start()));
  afterAll(async () => await store[Symbol.asyncDispose]());

  test("registers a node for the token's member", async () => {
    await using ports = await store.open(createManualClock());
    const { nodes } = ports;
    await nodes.addJoinToken(token("t1"));
    const registration = { ...node("node_1"), owner: ada, joinedAtMs: nowMs, ...unspoiled };
    expect(await nodes.redeem("t1", "digest-t1", node("node_1"), nowMs)).toEqual({
      kind: "joined",
      node: registration,
    });
    expect(await nodes.node(asNodeId("node_1"))).toEqual(registration);
    expect(await nodes.nodes()).toEqual([registration]);
    expect(await nodes.node(asNodeId("node_2"))).toBeNull();
  });

  test("tells apart tokens that are unknown, mistyped, used and expired", async () => {
    await using ports = await store.open(createManualClock());
    const { nodes } = ports;
    await nodes.addJoinToken(token("t1"));
    await nodes.addJoinToken(token("t2"));
    expect(await nodes.redeem("t9", "digest-t9", node("node_1"), nowMs)).toEqual({ kind: "unknown" });
    expect(await nodes.redeem("t1", "wrong", node("node_1"), nowMs)).toEqual({ kind: "unknown" });
    expect(await nodes.redeem("t1", "digest-t1", node("node_1"), nowMs + 900_000)).toEqual({
      kind: "expired",
    });
    expect((await nodes.redeem("t1", "digest-t1", node("node_1"), nowMs + 899_999)).kind).toBe("joined");
    expect(await nodes.redeem("t1", "digest-t1", node("node_2"), nowMs)).toEqual({ kind: "used" });
    expect(await nodes.nodes()).toHaveLength(1);
  });

  test("spends a token once, however many try at the same moment", async () => {
    await using ports = await store.open(createManualClock());
    const { nodes } = ports;
    await nodes.addJoinToken(token("t1"));
    const outcomes = await Promise.all(
      Array.from(
        { length: 20 },
        async (_, index) => await nodes.redeem("t1", "digest-t1", node(`node_${index}`), nowMs),
      ),
    );
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual([
      "joined",
      ...Array.from({ length: 19 }, () => "used"),
    ]);
    expect(await nodes.nodes()).toHaveLength(1);
  });

  test("numbers a name that the member uses already, and gives it free with its node", async () => {
    await using ports = await store.open(createManualClock());
    const { nodes } = ports;
    const join = async (id: string, member = ada) => {
      await nodes.addJoinToken(token(id, member));
      const outcome = await nodes.redeem(id, `digest-${id}`, node(`node_${id}`), nowMs);
      return outcome.kind === "joined" ? outcome.node.name : outcome.kind;
    };
    expect(await join("1")).toBe("studio");
    expect(await join("2")).toBe("studio-2");
    expect(await join("3")).toBe("studio-3");
    expect(await join("4", bo)).toBe("studio");
    await nodes.revokeNode(asNodeId("node_2"), nowMs);
    expect(await join("5")).toBe("studio-2");
    await nodes.revokeNode(asNodeId("node_2"), nowMs);
    expect(await join("6")).toBe("studio-4");
  });

  test("keeps what a node last offered", async () => {
    await using ports = await store.open(createManualClock());
    const { nodes } = ports;
    await nodes.addJoinToken(token("t1"));
    await nodes.redeem("t1", "digest-t1", node("node_1"), nowMs);
    const offer = {
      tokensPerMonth: 1_234_567_890,
      servingSecondsPerDay: 86_400,
      machineProfile: null,
      simulated: true,
      atMs: nowMs,
    };
    expect(await nodes.recordOffer(asNodeId("node_9"), offer)).toBe(false);
    expect(await nodes.recordOffer(asNodeId("node_1"), { ...offer, tokensPerMonth: 1 })).toBe(true);
    expect(await nodes.recordOffer(asNodeId("node_1"), offer)).toBe(true);
    expect((await nodes.node(asNodeId("node_1")))?.offer).toEqual(offer);
    expect((await nodes.nodes()).map((known) => known.offer)).toEqual([offer]);
  });

  /** Every wake-up from now on, until the function that comes with it is called. */
  async function heard({ wakeUps }: Pick<ContractPorts, "wakeUps">) {
    const wakes: Wake[] = [];
    const ending = new AbortController();
    const subscribed = Promise.withResolvers<void>();
    const subscription = wakeUps.subscribe(
      (wake) => void wakes.push(wake),
      subscribed.resolve,
      ending.signal,
    );
    await subscribed.promise;
    return {
      wakes,
      async [Symbol.asyncDispose]() {
        ending.abort();
        await subscription;
      },
    };
  }

  test("remembers since when a node is drained until it no longer is, and wakes the scheduler each time", async () => {
    await using ports = await store.open(createManualClock());
    await using listening = await heard(ports);
    const { nodes } = ports;
    await nodes.addJoinToken(token("t1"));
    await nodes.redeem("t1", "digest-t1", node("node_1"), nowMs);
    const id = asNodeId("node_1");
    const since = async () => (await nodes.node(id))?.drainedAtMs;
    expect(await nodes.drainNode(asNodeId("node_9"), 5)).toBe(false);
    expect(await nodes.drainNode(id, 5)).toBe(true);
    expect(await nodes.drainNode(id, 6)).toBe(true);
    expect(await since()).toBe(5);
    expect(await nodes.drainNode(id, null)).toBe(true);
    expect(await since()).toBeNull();
    const wake = { kind: "node-drained", node: "node_1" };
    await expect.poll(() => listening.wakes).toEqual([wake, wake, wake]);
  });

  test("remembers when a node was first revoked, and wakes the scheduler each time", async () => {
    await using ports = await store.open(createManualClock());
    await using listening = await heard(ports);
    const { nodes } = ports;
    await nodes.addJoinToken(token("t1"));
    await nodes.redeem("t1", "digest-t1", node("node_1"), nowMs);
    expect(await nodes.revokeNode(asNodeId("node_9"), 5)).toBe(false);
    expect(await nodes.revokeNode(asNodeId("node_1"), 5)).toBe(true);
    expect(await nodes.revokeNode(asNodeId("node_1"), 6)).toBe(true);
    expect((await nodes.node(asNodeId("node_1")))?.revokedAtMs).toBe(5);
    const wake = { kind: "node-revoked", node: "node_1" };
    await expect.poll(() => listening.wakes).toEqual([wake, wake]);
  });
});
