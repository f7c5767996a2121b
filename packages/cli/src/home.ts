import { readFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { CliError } from "./cli-error.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a co-op keeps everything: `COOP_HOME`, else `coop` in the platform's folder for the user's own data. */
export function coopHome(environment: Environment, platform: string, userHome: string): string {
  const { COOP_HOME, XDG_DATA_HOME } = environment;
  if (COOP_HOME !== undefined && COOP_HOME !== "") return COOP_HOME;
  if (platform === "darwin") return join(userHome, "Library", "Application Support", "coop");
  const data =
    XDG_DATA_HOME !== undefined && isAbsolute(XDG_DATA_HOME)
      ? XDG_DATA_HOME
      : join(userHome, ".local", "share");
  return join(data, "coop");
}

/** The file in a co-op's home that its server writes the operator's key to. */
export const operatorKeyPath = (home: string): string => join(home, "operator.key");

/** A key, and in words where it comes from. */
export interface KeySource {
  readonly key: string | null;
  readonly place: string;
}

/**
 * The key to send: `COOP_API_KEY`, else the operator's on the machine that runs the server.
 * @throws CliError `file-unreadable`
 */
export async function findKey(environment: Environment, home: string): Promise<KeySource> {
  const given = environment["COOP_API_KEY"]?.trim();
  if (given !== undefined && given !== "") return { key: given, place: "COOP_API_KEY" };
  const path = operatorKeyPath(home);
  const key = await readIfThere(path);
  return { key: key === null ? null : key.trim(), place: path };
}

/**
 * A file's text; null when there is none.
 * @throws CliError `file-unreadable`
 */
export async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw new CliError("file-unreadable", `${path} cannot be read: ${String(error)}`, error);
  }
}
