import { expect, test } from "vitest";
import { createSessions, SESSION_MS } from "./session.ts";

const pepper = new Uint8Array(32).fill(7);
const sessions = createSessions(pepper);

test("a session names its key until it ends", () => {
  const session = sessions.seal("key1", 1_000);
  expect(sessions.open(session, 1_000)).toBe("key1");
  expect(sessions.open(session, 1_000 + SESSION_MS - 1)).toBe("key1");
  expect(sessions.open(session, 1_000 + SESSION_MS)).toBeNull();
});

test("nobody can make one, lengthen one, or give it to another key", () => {
  const session = sessions.seal("key1", 1_000);
  const [keyId = "", endsAtMs = "", seal = ""] = session.split(".");
  const others = [
    "",
    "key1",
    `${keyId}.${endsAtMs}`,
    `${keyId}.${endsAtMs}.`,
    `key2.${endsAtMs}.${seal}`,
    `${keyId}.${Number(endsAtMs) + 1}.${seal}`,
    `${keyId}.${endsAtMs}.${seal.slice(1)}`,
    createSessions(new Uint8Array(32).fill(8)).seal("key1", 1_000),
  ];
  for (const other of others) expect(sessions.open(other, 1_000), other).toBeNull();
});
