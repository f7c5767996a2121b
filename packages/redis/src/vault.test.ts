import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createManualClock } from "@coop/core/testing";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createVault } from "./vault.ts";

const noon = Date.UTC(2026, 10, 20, 12);
const dayMs = 24 * 3600 * 1000;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "coop-vault-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe("the vault", () => {
  test("opens what it sealed, whatever it is, and never shows it", () => {
    const vault = createVault({ directory, clock: createManualClock(noon) });
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const sealed = vault.seal(text);
        expect(vault.open(sealed)).toBe(text);
        expect(sealed).toMatch(/^[\w.+/=-]+$/);
      }),
    );
    expect(vault.seal("a canary")).not.toContain("canary");
    expect(vault.seal("same")).not.toBe(vault.seal("same"));
  });

  test("refuses what was altered anywhere", () => {
    const clock = createManualClock(noon);
    const vault = createVault({ directory, clock });
    const sealed = vault.seal("a prompt");
    clock.set(noon + dayMs);
    vault.seal("makes the next day's key");
    const body = Buffer.from(sealed.slice(14), "base64");
    for (let index = 0; index < body.length; index += 1) {
      const altered = Buffer.from(body);
      altered[index] = (altered[index] ?? 0) ^ 1;
      expect(() => vault.open(`c1.2026-11-20.${altered.toString("base64")}`)).toThrow(/altered/);
    }
    expect(() => vault.open(sealed.replace("2026-11-20", "2026-11-21"))).toThrow(/altered/);
    expect(() => vault.open(`c1.2026-11-20.${body.subarray(0, 20).toString("base64")}`)).toThrow(/altered/);
    expect(() => vault.open("plain")).toThrow(/altered/);
  });

  test("cannot open what was shredded, in this process or another, and keeps the rest", () => {
    const clock = createManualClock(noon);
    const scheduler = createVault({ directory, clock });
    const api = createVault({ directory, clock });
    const old = scheduler.seal("old");
    expect(api.open(old)).toBe("old");
    clock.set(noon + dayMs);
    const fresh = api.seal("fresh");
    expect(scheduler.shred("2026-11-21")).toEqual(["2026-11-20"]);
    expect(scheduler.open(old)).toBeNull();
    expect(api.open(old)).toBeNull();
    expect(scheduler.open(fresh)).toBe("fresh");
    expect(scheduler.shred("2026-11-21")).toEqual([]);
  });

  test("keeps its keys to the owner and leaves nothing else behind", async () => {
    createVault({ directory, clock: createManualClock(noon) }).seal("x");
    expect(await readdir(directory)).toEqual(["2026-11-20.key"]);
    const { mode } = await stat(join(directory, "2026-11-20.key"));
    expect(mode & 0o777).toBe(0o600);
  });

  test("agrees on one key with processes that start at the same moment", async () => {
    const program = `
      const { createVault } = await import(${JSON.stringify(join(import.meta.dirname, "vault.ts"))});
      const vault = createVault({ directory: ${JSON.stringify(directory)}, clock: { now: () => ${noon} } });
      process.stdout.write("ready");
      process.stdin.once("data", () => { process.stdout.write(vault.seal("from " + process.pid)); process.stdin.destroy(); });
    `;
    const processes = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ["--input-type=module", "--eval", program], {
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
    await Promise.all(processes.map(async ({ stdout }) => await once(stdout, "data")));
    const sealed = processes.map(async ({ stdout }) => String((await once(stdout, "data"))[0]));
    const exits = processes.map(async (process) => await once(process, "exit"));
    for (const { stdin } of processes) stdin.write("go");
    const vault = createVault({ directory, clock: createManualClock(noon) });
    for (const [index, text] of (await Promise.all(sealed)).entries()) {
      expect(vault.open(text)).toBe(`from ${processes[index]?.pid}`);
    }
    await Promise.all(exits);
  });
});
