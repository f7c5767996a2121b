import { buildNodeView, createManualClock } from "@coop/core/testing";
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
