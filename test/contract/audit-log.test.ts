import { createHmac } from "node:crypto";
import { chainEntry, createChainCheck } from "@coop/core";
import type { AuditEntry, AuditLog } from "@coop/core";
import { createManualClock } from "@coop/core/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { contractStores } from "./stores.ts";
import type { ContractStore } from "./stores.ts";

const mac = (text: string): string => createHmac("sha256", "key").update(text).digest("hex");

const next = (last: AuditEntry | null, target: string | null = null): AuditEntry =>
  chainEntry(
    last,
    {
      atMs: 1,
      actor: "mem_olga",
      key: "key00001",
      act: "members.add",
      target,
      phase: "asked",
      of: null,
      detail: '{"name":"(text)","weight":1.5}',
    },
    mac,
  );

async function fill(log: AuditLog, amount: number): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for (let index = 0; index < amount; index++) {
    const entry = next(entries.at(-1) ?? null);
    expect(await log.append(entry)).toBe("appended");
    entries.push(entry);
  }
  return entries;
}

describe.each(contractStores)("the audit log %s", (_name, start) => {
  let store: ContractStore;
  beforeAll(async () => void (store = await start()));
  afterAll(async () => store[Symbol.asyncDispose]());

  it("begins empty and keeps entries as they were written, in their order", async () => {
    await using ports = await store.open(createManualClock());
    expect(await ports.audit.last()).toBeNull();
    expect(await ports.audit.page(0, 10)).toEqual([]);
    const entries = await fill(ports.audit, 5);
    expect(await ports.audit.last()).toEqual(entries[4]);
    expect(await ports.audit.page(0, 3)).toEqual(entries.slice(0, 3));
    expect(await ports.audit.page(3, 3)).toEqual(entries.slice(3));
    expect(await ports.audit.page(5, 3)).toEqual([]);
    const check = createChainCheck(mac, null);
    for (const entry of await ports.audit.page(0, 10)) check.take(entry);
    expect(check.result().findings).toEqual([]);
  });

  it("refuses an entry that does not continue it, and changes nothing", async () => {
    await using ports = await store.open(createManualClock());
    const [first, second] = await fill(ports.audit, 2);
    if (!first || !second) throw new Error("two entries");
    for (const stale of [next(null), next(first), second])
      expect(await ports.audit.append(stale)).toBe("stale");
    expect(await ports.audit.page(0, 10)).toEqual([first, second]);
  });

  it("takes one of two entries that come at once", async () => {
    await using ports = await store.open(createManualClock());
    const [first] = await fill(ports.audit, 1);
    const outcomes = await Promise.all(
      ["a", "b", "c"].map(async (target) => ports.audit.append(next(first ?? null, target))),
    );
    expect(outcomes.toSorted()).toEqual(["appended", "stale", "stale"]);
  });
});
