import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";

const pollMs = 50;
const sqliteBusy = 5;

/**
 * Runs `work` while no other process, and no other caller in this one, holds the lock at `path`. The
 * operating system releases it with its holder, however that ends: SQLite's file lock is the only such
 * lock that Node brings on every platform.
 */
export async function withExclusiveLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  using lock = new DatabaseSync(path);
  while (!tryLock(lock)) await delay(pollMs);
  return await work();
}

function tryLock(lock: DatabaseSync): boolean {
  try {
    lock.exec("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (error instanceof Error && "errcode" in error && error.errcode === sqliteBusy) return false;
    throw error;
  }
}
