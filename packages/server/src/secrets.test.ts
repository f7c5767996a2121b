import { createHash, createPublicKey, verify } from "node:crypto";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadSecrets } from "./secrets.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "coop-secrets-"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("loadSecrets", () => {
  it("gives every process of one folder the same secrets, however many start at once", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => loadSecrets(join(directory, "server"))));
    expect(new Set(all.map((secrets) => secrets.identity.serverId)).size).toBe(1);
    expect(new Set(all.map((secrets) => Buffer.from(secrets.pepper).toString("hex"))).size).toBe(1);
    expect(new Set(all.map((secrets) => Buffer.from(secrets.auditKey).toString("hex"))).size).toBe(1);
    expect((await readdir(join(directory, "server"))).toSorted()).toEqual([
      "audit-key",
      "identity.pem",
      "pepper",
    ]);
  });

  it("keeps them from other users", async () => {
    await loadSecrets(directory);
    for (const name of ["pepper", "audit-key", "identity.pem"])
      expect((await stat(join(directory, name))).mode & 0o077, name).toBe(0);
  });

  it("signs so that the published key verifies, under an id that is the key's hash", async () => {
    const { identity } = await loadSecrets(directory);
    const der = Buffer.from(identity.publicKey, "base64");
    const key = createPublicKey({ key: der, type: "spki", format: "der" });
    expect(createHash("sha256").update(der).digest("hex")).toBe(identity.serverId);
    expect(verify(null, Buffer.from("hello"), key, Buffer.from(identity.sign("hello"), "base64"))).toBe(true);
    expect(verify(null, Buffer.from("other"), key, Buffer.from(identity.sign("hello"), "base64"))).toBe(
      false,
    );
  });
});
