import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { OperationalError } from "@coop/core";
import type { z } from "zod";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the agent keeps its key, settings and status: `COOP_AGENT_HOME`, else the platform's data directory. */
export function agentHome(env: Environment, platform: NodeJS.Platform): string {
  if (env["COOP_AGENT_HOME"]) return env["COOP_AGENT_HOME"];
  const home = homedir();
  switch (platform) {
    case "darwin":
      return join(home, "Library", "Application Support", "coop-agent");
    case "win32":
      return join(env["LOCALAPPDATA"] ?? join(home, "AppData", "Local"), "coop-agent");
    default:
      return join(env["XDG_DATA_HOME"] ?? join(home, ".local", "share"), "coop-agent");
  }
}

/**
 * Reads a JSON file of the agent's home; null when there is none.
 * @throws OperationalError `file-unreadable` when it cannot be read or holds something else
 */
export async function readHomeFile<T>(path: string, schema: z.ZodType<T>, remedy: string): Promise<T | null> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
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
 * Writes a file that only its owner may read, whole or not at all: a reader, or a crash, never meets half of it.
 * @throws OperationalError `file-unwritable`
 */
export async function writeHomeFile(path: string, value: unknown): Promise<void> {
  const draft = `${path}.${process.pid}.draft`;
  try {
    await mkdir(join(path, ".."), { recursive: true, mode: 0o700 });
    const file = await open(draft, "w", 0o600);
    try {
      await file.writeFile(`${JSON.stringify(value, null, 2)}\n`);
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
