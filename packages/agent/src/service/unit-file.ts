import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { OperationalError } from "@coop/core";
import { isMissing } from "../missing-file.ts";

/** The file that describes a service, `null` when there is none. */
export async function readUnitFile(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return null;
    throw unusable(path, error);
  }
}

export async function writeUnitFile(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, { mode: 0o644 });
  } catch (error) {
    throw unusable(path, error);
  }
}

export async function removeUnitFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, cause: unknown): OperationalError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new OperationalError(
    "service-file",
    `The service's file ${path} cannot be used (${why}). Check who owns the folder; for all users of the machine run this as root.`,
    { cause },
  );
}
