import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAuditTrail, createIds, parseKey } from "@coop/api";
import { asMemberId, assert } from "@coop/core";
import type { KeyRecord, Member } from "@coop/core";
import { createManualClock, createMemoryAuditLog, createMemoryMemberStore } from "@coop/core/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ensureOperatorKey, OPERATOR_KEY_FILE } from "./operator.ts";

let home: string;
beforeEach(async () => void (home = await mkdtemp(join(tmpdir(), "coop-operator-"))));
afterEach(() => rm(home, { recursive: true }));

function setUp() {
  const clock = createManualClock();
  const members = createMemoryMemberStore();
  const audit = createAuditTrail({ log: createMemoryAuditLog(), key: randomBytes(32), clock });
  const ensure = () =>
    ensureOperatorKey({ members, ids: createIds(clock), clock, pepper: randomBytes(32), home, audit });
  const known = async (): Promise<{ readonly key: KeyRecord; readonly member: Member }> => {
    const text = (await readFile(join(home, OPERATOR_KEY_FILE), "utf8")).trim();
    const found = await members.key(parseKey(text)?.id ?? "");
    assert(found !== null, "the file has a key of the co-op");
    return found;
  };
  return { audit, clock, members, ensure, known };
}

test("the first start writes an operator's key, readable by its user only; later ones leave it", async () => {
  const { audit, ensure, known } = setUp();
  const path = join(home, OPERATOR_KEY_FILE);
  expect(await ensure()).toBe(path);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const first = await known();
  expect(first.member).toMatchObject({ name: "operator", role: "operator" });
  expect(await ensure()).toBeNull();
  expect(await known()).toEqual(first);
  expect(
    (await audit.page(0, 10)).map(({ actor, act, target, phase }) => [actor, act, target, phase]),
  ).toEqual([
    ["server", "keys.create", first.member.id, "asked"],
    ["server", "keys.create", first.key.id, "done"],
  ]);
});

test("a key that was revoked or has expired gets a successor", async () => {
  const { clock, members, ensure, known } = setUp();
  await ensure();
  const first = await known();
  await members.revokeKey(first.key.id, clock.now());
  expect(await ensure()).not.toBeNull();
  const second = await known();
  expect(second.key.id).not.toBe(first.key.id);
  await members.limitKey(second.key.id, clock.now() + 1);
  expect(await ensure()).toBeNull();
  clock.advance(1);
  expect(await ensure()).not.toBeNull();
  expect((await known()).member.id).toBe(first.member.id);
});

test("a disabled operator gets none: it is made for one who may use it", async () => {
  const { clock, members, ensure, known } = setUp();
  await ensure();
  const first = await known();
  const olga = { ...first.member, id: asMemberId("mem_olga"), name: "olga" };
  await members.addMember(olga);
  await members.disableMember(first.member.id, clock.now());
  await rm(join(home, OPERATOR_KEY_FILE));
  await ensure();
  expect((await known()).member.name).toBe("olga");
});
