import { asMemberId, DEFAULT_LIMITS, type KeyRecord, type Member } from "@coop/core";
import { createManualClock } from "@coop/core/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contractStores, type ContractStore } from "./stores.ts";

const ada: Member = {
  id: asMemberId("mem_ada"),
  name: "Ada",
  role: "operator",
  limits: DEFAULT_LIMITS,
  weight: 1,
  defaultTier: "local-small",
  createdAtMs: 1_000,
  disabledAtMs: null,
};
const bo: Member = {
  ...ada,
  id: asMemberId("mem_bo"),
  name: "Bo",
  role: "member",
  limits: { ...DEFAULT_LIMITS, tokensPerMonth: { kind: "tokens", tokens: 5_000 }, jobsAtOnce: 2 },
  weight: 0.5,
  createdAtMs: 2_000,
};
const adasKey: KeyRecord = {
  id: "k1",
  member: ada.id,
  digest: "ab".repeat(32),
  defaultPrivacy: "coop",
  createdAtMs: 1_700_000_000_123,
  expiresAtMs: null,
  lastUsedAtMs: null,
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
    for (const name of [ada.name.toUpperCase(), ada.name.toLowerCase()])
      expect(await members.addMember({ ...bo, name })).toBe(false);
    expect(await members.members()).toEqual([ada]);
    const rush = await Promise.all(
      Array.from(
        { length: 10 },
        async (_, index) => await members.addMember({ ...bo, id: asMemberId(`mem_${index}`) }),
      ),
    );
    expect(rush.filter(Boolean)).toHaveLength(1);
  });

  test("changes what was named of a member, all or nothing", async () => {
    await using ports = await store.open(createManualClock());
    const { members } = ports;
    await members.addMember(ada);
    await members.addMember(bo);
    expect(await members.setMember(asMemberId("mem_nobody"), { weight: 2 })).toBe("unknown");
    expect(await members.setMember(bo.id, { name: ada.name, weight: 2 })).toBe("name-taken");
    expect(await members.member(bo.id)).toEqual(bo);
    const limits = {
      ...DEFAULT_LIMITS,
      tokensPerMonth: { kind: "unlimited" as const },
      tierTokensPerMonth: { "local-large": 12_345_678_901 },
    };
    const change = { limits, weight: 0.125, defaultTier: "edge" as const, name: "Bodil" };
    expect(await members.setMember(bo.id, change)).toBe("set");
    expect(await members.member(bo.id)).toEqual({ ...bo, ...change });
    expect(await members.setMember(bo.id, { name: "Bodil", weight: 1 })).toBe("set");
    expect(await members.setMember(bo.id, { limits: DEFAULT_LIMITS })).toBe("set");
    expect(await members.member(bo.id)).toEqual({ ...bo, ...change, weight: 1, limits: DEFAULT_LIMITS });
    // Another case of the own name is the member's own, and no other's.
    expect(await members.setMember(bo.id, { name: "BODIL" })).toBe("set");
    expect(await members.setMember(ada.id, { name: "bodil" })).toBe("name-taken");
    expect(await members.setMember(bo.id, { name: "Bodil" })).toBe("set");
    // The old name is free again, the new one taken.
    expect(await members.addMember({ ...bo, id: asMemberId("mem_other"), name: "Bodil" })).toBe(false);
    expect(await members.addMember({ ...bo, id: asMemberId("mem_other") })).toBe(true);
    const rush = await Promise.all(
      [ada.id, bo.id, asMemberId("mem_other")].map((id) => members.setMember(id, { name: "Wanted" })),
    );
    expect(rush.toSorted()).toEqual(["name-taken", "name-taken", "set"]);
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

  test("remembers since when a member is disabled, until it is enabled", async () => {
    await using ports = await store.open(createManualClock());
    const { members } = ports;
    await members.addMember(ada);
    await members.addMember(bo);
    await members.addKey({ ...adasKey, member: bo.id });
    expect(await members.disableMember(bo.id, 5_000)).toBe("disabled");
    expect(await members.disableMember(bo.id, 6_000)).toBe("disabled");
    const disabled = { ...bo, disabledAtMs: 5_000 };
    expect(await members.member(bo.id)).toEqual(disabled);
    expect(await members.members()).toEqual([ada, disabled]);
    expect((await members.key("k1"))?.member).toEqual(disabled);
    expect(await members.enableMember(bo.id)).toBe(true);
    expect(await members.member(bo.id)).toEqual(bo);
    expect((await members.key("k1"))?.member).toEqual(bo);
    expect(await members.disableMember(asMemberId("mem_no"), 5_000)).toBe("unknown");
    expect(await members.enableMember(asMemberId("mem_no"))).toBe(false);
    expect(await members.member(asMemberId("mem_no"))).toBeNull();
  });

  test("keeps an operator who is not disabled, also when all are to go at once", async () => {
    await using ports = await store.open(createManualClock());
    const { members } = ports;
    const operators = Array.from({ length: 5 }, (_, index) => ({
      ...ada,
      id: asMemberId(`mem_${index}`),
      name: `Operator ${index}`,
    }));
    for (const operator of [...operators, bo]) await members.addMember(operator);
    const outcomes = await Promise.all(operators.map(({ id }) => members.disableMember(id, 5_000)));
    expect(outcomes.toSorted()).toEqual([...Array.from({ length: 4 }, () => "disabled"), "last-operator"]);
    const left = (await members.members()).filter(({ disabledAtMs }) => disabledAtMs === null);
    expect(left.map(({ role }) => role).toSorted()).toEqual(["member", "operator"]);
  });

  test("lets a key expire at the earliest time that it was given", async () => {
    await using ports = await store.open(createManualClock());
    const { members } = ports;
    await members.addMember(ada);
    await members.addKey(adasKey);
    await members.addKey({ ...adasKey, id: "k2", expiresAtMs: 9_000 });
    const expiries = async () => (await members.keys(ada.id)).map(({ expiresAtMs }) => expiresAtMs);
    expect(await expiries()).toEqual([null, 9_000]);
    expect(await members.limitKey("k1", 8_000)).toBe(true);
    expect(await members.limitKey("k2", 10_000)).toBe(true);
    expect(await expiries()).toEqual([8_000, 9_000]);
    expect(await members.limitKey("k2", 7_000)).toBe(true);
    expect(await expiries()).toEqual([8_000, 7_000]);
    expect(await members.limitKey("k3", 7_000)).toBe(false);
    expect(await members.key("k3")).toBeNull();
  });

  test("writes the use of a key down at most once a minute", async () => {
    await using ports = await store.open(createManualClock());
    const { members } = ports;
    await members.addMember(ada);
    await members.addKey(adasKey);
    const lastUse = async () => (await members.key("k1"))?.key.lastUsedAtMs;
    expect(await lastUse()).toBeNull();
    for (const [nowMs, written] of [
      [100_000, 100_000],
      [100_001, 100_000],
      [159_999, 100_000],
      [160_000, 160_000],
    ] as const) {
      await members.keyUsed("k1", nowMs);
      expect(await lastUse()).toBe(written);
    }
    await members.keyUsed("k3", 1_000);
    expect(await members.key("k3")).toBeNull();
  });
});
