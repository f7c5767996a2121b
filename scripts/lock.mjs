// One set-up at a time: a lock file that names the process that holds it.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const pollMs = 250;

/**
 * Runs `work` while no other process holds the lock at `path`. A lock whose holder died is taken over.
 * @template T
 * @param {string} path
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(path, work) {
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    let told = false;
    while (!tryLink(mine, path)) {
      const holder = readHolder(path);
      if (holder === undefined) continue;
      if (!isAlive(holder)) {
        breakLock(path, mine, holder);
        continue;
      }
      if (!told) console.error(`Waiting for the set-up that process ${holder} runs (${path}) ...`);
      told = true;
      await delay(pollMs);
    }
    try {
      return await work();
    } finally {
      rmSync(path, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/**
 * A link appears with its content, and fails when the name is taken.
 * @param {string} from
 * @param {string} to
 */
function tryLink(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** @param {string} path */
function readHolder(path) {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

/**
 * Moves a dead holder's lock aside. Another process may have done so and locked meanwhile: then what we
 * moved is a living lock, and goes back.
 * @param {string} path
 * @param {string} mine
 * @param {number} deadHolder
 */
function breakLock(path, mine, deadHolder) {
  const aside = `${mine}.broken`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  if (readHolder(aside) !== deadHolder) tryLink(aside, path);
  rmSync(aside, { force: true });
}

/** @param {unknown} error */
function codeOf(error) {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
