import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { OperationalError, type Log } from "@coop/core";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { obtainRedis } from "./obtain-redis.ts";

const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "coop-obtain-"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Puts a program that only says its version on PATH, first. */
async function install(name: string, version: string): Promise<string> {
  const bin = join(folder, "bin");
  await mkdir(bin, { recursive: true });
  const path = join(bin, name);
  await writeFile(path, `#!/bin/sh\necho "Redis server v=${version} sha=00000000:0"\n`);
  await chmod(path, 0o755);
  vi.stubEnv("PATH", [bin, process.env["PATH"]].join(delimiter));
  return path;
}

test("a Redis on PATH is used as it is", async () => {
  const path = await install("redis-server", "7.2.4");
  expect(await obtainRedis(join(folder, "cache"), log)).toEqual({ path, libraryPath: null });
});

test("where nothing can be found or fetched, the message says what to install", async () => {
  vi.stubEnv("PATH", join(folder, "nothing-here"));
  const missing = obtainRedis(join(folder, "cache"), log);
  await expect(missing).rejects.toThrow(OperationalError);
  await expect(missing).rejects.toThrow(
    /sudo apt-get install redis-server.*brew install redis.*REDIS_URL.*apt-get.*ENOENT/s,
  );
});

test("a Redis that is too old counts as none", async () => {
  await install("redis-server", "6.0.16");
  const found = await obtainRedis(join(import.meta.dirname, "..", "..", "..", ".tools", "redis"), log);
  expect(found.path).not.toContain(folder);
});
