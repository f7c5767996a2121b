import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { OperationalError } from "@coop/core";
import type { z } from "zod";
import { isMissing } from "./missing-file.ts";

/**
 * Reads a JSON file of the agent's home; null when there is none.
 * @throws OperationalError `file-unreadable` when it cannot be read or holds something else
 */
export async function readHomeFile<T>(path: string, schema: z.ZodType<T>, remedy: string): Promise<T | null> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return null;
    throw unreadable(path, error, remedy);
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw unreadable(path, error, remedy);
  }
}

function unreadable(path: string, cause: unknown, remedy: string): OperationalError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new OperationalError("file-unreadable", `${path} cannot be read (${why}). ${remedy}`, { cause });
}

/**
 * Writes a value as JSON, as `writeHomeText` does.
 * @throws OperationalError `file-unwritable`
 */
export const writeHomeFile = (path: string, value: unknown): Promise<void> =>
  writeHomeText(path, `${JSON.stringify(value, null, 2)}\n`);

/**
 * Writes a file that only its owner may read, whole or not at all: a reader, or a crash, never meets half of it.
 * @throws OperationalError `file-unwritable`
 */
export async function writeHomeText(path: string, text: string): Promise<void> {
  const draft = `${path}.${process.pid}.draft`;
  try {
    await mkdir(join(path, ".."), { recursive: true, mode: 0o700 });
    const file = await open(draft, "w", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    const why = error instanceof Error ? error.message : String(error);
    throw new OperationalError(
      "file-unwritable",
      `${path} cannot be written (${why}). Check the folder's owner and the disk's space.`,
      {
        cause: error,
      },
    );
  }
}
