import { asMemberId, type KeyRecord, type Member } from "@coop/core";
import { createManualClock } from "@coop/core/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contractStores, type ContractStore } from "./stores.ts";

const ada: Member = {
  id: asMemberId("mem_ada"),
  name: "Ada",
  role: "operator",
  quotaTokens: null,
  weight: 1,
  defaultTier: "local-small",
  createdAtMs: 1_000,
};
const bo: Member = {
  ...ada,
  id: asMemberId("mem_bo"),
  name: "Bo",
  role: "member",
  quotaTokens: 5_000,
  weight: 0.5,
  createdAtMs: 2_000,
};
const adasKey: KeyRecord = {
  id: "k1",
  member: ada.id,
  digest: "ab".repeat(32),
  defaultPrivacy: "coop",
  createdAtMs: 1_700_000_000_123,
  revokedAtMs: null,
};

describe.each(contractStores)("the member store %s", (_, start) => {
  let store: ContractStore;
  beforeAll(async () => void (store = await start()));
  afterAll(async () => await store[Symbol.asyncDispose]());

  test("keeps members as they are, oldest first", async () => {
    await using ports = await store.open(createManualClock());
    const { members } = ports;
    expect(await members.member(ada.id)).toBeNull();
    expect(await members.addMember(bo)).toBe(true);
    expect(await members.addMember(ada)).toBe(true);
    expect(await members.member(bo.id)).toEqual(bo);
    expect(await members.members()).toEqual([ada, bo]);
  });

  test("refuses a taken id and a taken name, also when they come at once", async () => {
    await using ports = await store.open(createManualClock());
    const { members } = ports;
    await members.addMember(ada);
    expect(await members.addMember({ ...bo, id: ada.id })).toBe(false);
    expect(await members.addMember({ ...bo, name: ada.name })).toBe(false);
    expect(await members.members()).toEqual([ada]);
    const rush = await Promise.all(
      Array.from(
        { length: 10 },
        async (_, index) => await members.addMember({ ...bo, id: asMemberId(`mem_${index}`) }),
      ),
    );
    expect(rush.filter(Boolean)).toHaveLength(1);
  });

  test("finds a key with its member, and a member's keys", async () => {
    await using ports = await store.open(createManualClock());
    const { members } = ports;
    await members.addMember(ada);
    await members.addMember(bo);
    const later = { ...adasKey, id: "k2", createdAtMs: adasKey.createdAtMs + 1 };
    await members.addKey(later);
    await members.addKey(adasKey);
    expect(await members.key("k1")).toEqual({ key: adasKey, member: ada });
    expect(await members.key("k3")).toBeNull();
    expect(await members.keys(ada.id)).toEqual([adasKey, later]);
    expect(await members.keys(bo.id)).toEqual([]);
    await expect(members.addKey({ ...adasKey, digest: "other" })).rejects.toThrow(/k1 exists already/);
    expect(await members.key("k1")).toEqual({ key: adasKey, member: ada });
  });

  test("remembers when a key was first revoked", async () => {
    await using ports = await store.open(createManualClock());
    const { members } = ports;
    await members.addMember(ada);
    await members.addKey(adasKey);
    expect(await members.revokeKey("k1", 5_000)).toBe(true);
    expect(await members.revokeKey("k1", 6_000)).toBe(true);
    expect((await members.key("k1"))?.key.revokedAtMs).toBe(5_000);
    expect(await members.revokeKey("unknown", 5_000)).toBe(false);
    expect(await members.key("unknown")).toBeNull();
  });
});
