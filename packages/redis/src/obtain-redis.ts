import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { OperationalError, type Log } from "@coop/core";
import { unpackDebianPackage } from "./debian-packages.ts";
import { withExclusiveLock } from "./exclusive-lock.ts";
import { ProgramFailure, runProgram } from "./run-program.ts";

/** A Redis server program that this machine can run. */
export interface RedisProgram {
  /** Absolute. */
  readonly path: string;
  /** Where its shared libraries lie, joined by colons; null for the system's usual places. */
  readonly libraryPath: string | null;
}

/**
 * Finds a Redis on this machine, else fetches one without root: redis-server or valkey-server on PATH,
 * what an earlier call fetched into `cacheDirectory`, the distribution's package unpacked there, Homebrew.
 *
 * @throws OperationalError `redis-missing` when every way fails; its message says what to install.
 */
export async function obtainRedis(cacheDirectory: string, log: Log): Promise<RedisProgram> {
  await mkdir(cacheDirectory, { recursive: true });
  const installed = await onPath(cacheDirectory);
  if (installed !== null) return installed;
  const unpacked = join(cacheDirectory, "debian");
  if (existsSync(unpacked)) return await unpackedProgram(unpacked);
  return await withExclusiveLock(join(cacheDirectory, "lock"), async () => {
    if (existsSync(unpacked)) return await unpackedProgram(unpacked);
    log.info({ cacheDirectory }, "no Redis on PATH: fetching one (about 1.5 MB, once)");
    const failures: string[] = [];
    try {
      await unpackDebianPackage("redis-server", unpacked);
      return await unpackedProgram(unpacked);
    } catch (error) {
      failures.push(failureText(error));
    }
    try {
      await runProgram("brew", ["install", "--quiet", "redis"], cacheDirectory);
      const brewed = await onPath(cacheDirectory);
      if (brewed !== null) return brewed;
      failures.push("brew installed redis, but redis-server is not on PATH");
    } catch (error) {
      failures.push(failureText(error));
    }
    throw new OperationalError(
      "redis-missing",
      "No Redis on this machine, and none could be fetched. Install Redis 6.2 or newer so that redis-server is on PATH " +
        "(Debian, Ubuntu: sudo apt-get install redis-server; Fedora: sudo dnf install valkey; macOS: brew install redis), " +
        `or set REDIS_URL to one that runs, such as redis://127.0.0.1:6379. Tried: ${failures.join("; ")}`,
    );
  });
}

async function onPath(cwd: string): Promise<RedisProgram | null> {
  try {
    const found = await runProgram("sh", ["-c", "command -v redis-server || command -v valkey-server"], cwd);
    const path = found.trim();
    return (await runs({ path, libraryPath: null }, cwd)) ? { path, libraryPath: null } : null;
  } catch (error) {
    if (error instanceof ProgramFailure) return null;
    throw error;
  }
}

async function unpackedProgram(root: string): Promise<RedisProgram> {
  const libraries: string[] = [];
  for (const folder of [join(root, "usr", "lib"), join(root, "lib")]) {
    if (!existsSync(folder)) continue;
    for (const name of await readdir(folder)) {
      if (name.includes("-linux-")) libraries.push(join(folder, name));
    }
  }
  const program = { path: join(root, "usr", "bin", "redis-server"), libraryPath: libraries.join(":") };
  if (await runs(program, root)) return program;
  throw new OperationalError(
    "redis-unusable",
    `The Redis in ${root} does not run here. Remove that folder to fetch it again, or install Redis 6.2 or newer.`,
  );
}

/** Old versions lack commands that the scripts use: one before 6.2 counts as none. */
async function runs(program: RedisProgram, cwd: string): Promise<boolean> {
  try {
    const environment = program.libraryPath === null ? [] : [`LD_LIBRARY_PATH=${program.libraryPath}`];
    const said = await runProgram("env", [...environment, program.path, "--version"], cwd);
    const version = /v=(\d+)\.(\d+)/.exec(said);
    if (version === null) return false;
    const [major = 0, minor = 0] = version.slice(1).map(Number);
    return major > 6 || (major === 6 && minor >= 2);
  } catch (error) {
    if (error instanceof ProgramFailure) return false;
    throw error;
  }
}

const failureText = (error: unknown): string => (error instanceof Error ? error.message : String(error));
