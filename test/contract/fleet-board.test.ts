import { buildNodeReport, buildNodeView, createManualClock } from "@coop/core/testing";
import { asMemberId } from "@coop/core";
import type { FleetSnapshot } from "@coop/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contractStores, type ContractStore } from "./stores.ts";

const snapshot = (atMs: number): FleetSnapshot => ({ atMs, pendingJobs: 3, nodes: [buildNodeView()] });

describe.each(contractStores)("the fleet board %s", (_, start) => {
  let store: ContractStore;
  beforeAll(async () => void (store = await start()));
  afterAll(async () => await store[Symbol.asyncDispose]());

  test("shows nothing before the first snapshot, then the latest, whole", async () => {
    await using ports = await store.open(createManualClock());
    const { board, leadership } = ports;
    expect(await board.read()).toBeNull();
    await leadership.campaign("a", "http://a", 10_000);
    await board.publish(1, snapshot(1));
    expect(await board.read()).toEqual(snapshot(1));
    await board.publish(1, snapshot(2));
    expect(await board.read()).toEqual(snapshot(2));
  });

  test("keeps what only the newer tell: queues, service, prices, agents", async () => {
    await using ports = await store.open(createManualClock());
    const { board, leadership } = ports;
    await leadership.campaign("a", "http://a", 10_000);
    const agent = { residentBytes: 6e7, eventLoopLagP99Ms: 1.5, reconnects: 2, unconfirmedBytes: 10 };
    const none = { jobs: 0, oldestMs: null };
    const told: FleetSnapshot = {
      atMs: 1,
      pendingJobs: 2,
      nodes: [buildNodeView({ report: buildNodeReport({ agent }), tokenPriceS: 0.003 })],
      queues: { edge: { jobs: 2, oldestMs: 1 }, "local-small": none, "local-large": none, frontier: none },
      service: [{ member: asMemberId("mem_ada"), referenceS: 1.5 }],
    };
    await board.publish(1, told);
    expect(await board.read()).toEqual(told);
  });

  test("ignores a leader of the past", async () => {
    await using ports = await store.open(createManualClock());
    const { board, leadership } = ports;
    await leadership.campaign("a", "http://a", 10_000);
    await board.publish(1, snapshot(1));
    await leadership.resign("a");
    await leadership.campaign("b", "http://b", 10_000);
    await board.publish(1, snapshot(2));
    expect(await board.read()).toEqual(snapshot(1));
    await board.publish(2, snapshot(3));
    expect(await board.read()).toEqual(snapshot(3));
  });
});
