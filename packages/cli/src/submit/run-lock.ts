import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { CliError } from "../cli-error.ts";

/**
 * Keeps two programs from writing the same results. The lock of a program that was killed is taken over.
 * @throws CliError `in-use`
 */
export function lockRun(path: string, results: string): Disposable {
  const own = `${path}.${process.pid}`;
  writeFileSync(own, String(process.pid));
  try {
    while (!isTaken(own, path)) {
      const holder = holderOf(path);
      if (holder !== null && holder !== process.pid && isAlive(holder)) {
        const message = `${results} is being written by another coop, process ${holder}. If that is none, remove ${path}.`;
        throw new CliError("in-use", message);
      }
      rmSync(path, { force: true });
    }
  } finally {
    rmSync(own, { force: true });
  }
  return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
}

/** A link comes to be whole and once, or not at all. */
function isTaken(own: string, path: string): boolean {
  try {
    linkSync(own, path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

function holderOf(path: string): number | null {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return null;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;
