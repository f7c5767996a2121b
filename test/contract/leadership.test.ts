import { createManualClock } from "@coop/core/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contractStores, type ContractStore } from "./stores.ts";

describe.each(contractStores)("leadership %s", (_, start) => {
  let store: ContractStore;
  beforeAll(async () => void (store = await start()));
  afterAll(async () => await store[Symbol.asyncDispose]());

  test("the first to campaign leads, others learn where", async () => {
    await using ports = await store.open(createManualClock());
    const { leadership } = ports;
    expect(await leadership.campaign("a", "http://a", 10_000)).toEqual({ kind: "leading", fence: 1 });
    expect(await leadership.campaign("b", "http://b", 10_000)).toEqual({
      kind: "following",
      leader: "http://a",
    });
    expect(await leadership.campaign("a", "http://a2", 10_000)).toEqual({ kind: "leading", fence: 1 });
    expect(await leadership.campaign("b", "http://b", 10_000)).toEqual({
      kind: "following",
      leader: "http://a2",
    });
  });

  test("the fence grows with every change of leader", async () => {
    await using ports = await store.open(createManualClock());
    const { leadership } = ports;
    const fences: number[] = [];
    for (const candidate of ["a", "b", "a", "c"]) {
      const outcome = await leadership.campaign(candidate, candidate, 10_000);
      if (outcome.kind === "leading") fences.push(outcome.fence);
      await leadership.resign(candidate);
    }
    expect(fences).toEqual([1, 2, 3, 4]);
  });

  test("only the leader can resign", async () => {
    await using ports = await store.open(createManualClock());
    const { leadership } = ports;
    await leadership.campaign("a", "http://a", 10_000);
    await leadership.resign("b");
    expect(await leadership.campaign("b", "http://b", 10_000)).toEqual({
      kind: "following",
      leader: "http://a",
    });
  });

  test("of many at once one leads", async () => {
    await using ports = await store.open(createManualClock());
    const outcomes = await Promise.all(
      Array.from(
        { length: 20 },
        async (_, index) => await ports.leadership.campaign(`c${index}`, `c${index}`, 10_000),
      ),
    );
    expect(outcomes.filter(({ kind }) => kind === "leading")).toHaveLength(1);
  });

  test("a lead that is not renewed lapses, and coming back counts as a change", async () => {
    const clock = createManualClock();
    await using ports = await store.open(clock);
    const { leadership } = ports;
    await leadership.campaign("a", "http://a", 50);
    // Redis measures the time to live itself; the memory twin by its clock.
    clock.advance(60);
    await expect
      .poll(async () => await leadership.campaign("b", "http://b", 10_000))
      .toEqual({ kind: "leading", fence: 2 });
    expect(await leadership.campaign("a", "http://a", 50)).toEqual({ kind: "following", leader: "http://b" });
  });
});
