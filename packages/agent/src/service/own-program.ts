import { cp, mkdir, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { readHomeFile } from "../agent-home.ts";
import { isMissing } from "../missing-file.ts";

/** Where an agent that was installed as a service lives, below the agent's home. */
export const programFolder = (home: string): string => join(home, "program");

/** Version of the bundled agent in the agent's home; null when none is there. */
export async function settledVersion(home: string): Promise<string | null> {
  const path = join(programFolder(home), "package.json");
  const remedy = "Remove the folder and install the agent again.";
  return (await readHomeFile(path, z.object({ version: z.string() }), remedy))?.version ?? null;
}

/**
 * A program that stays where it is. A bundled agent that npx fetched lies in a cache that anybody may empty, so it is
 * copied to the agent's home; one that runs from its sources stays there.
 * @param main the script that runs now
 * @returns the script that a service is to run
 */
export async function settledProgram(main: string, home: string): Promise<string> {
  const script = await realpath(main);
  const folder = dirname(script);
  if (basename(script) !== "main.js" || folder === (await realpathIfThere(programFolder(home))))
    return script;
  await replaceProgram(folder, home);
  return join(programFolder(home), "main.js");
}

/** Puts another bundled agent in place of the one in the agent's home, whole or not at all. */
export async function replaceProgram(folder: string, home: string): Promise<void> {
  const place = programFolder(home);
  const draft = `${place}.new`;
  const old = `${place}.old`;
  await mkdir(home, { recursive: true, mode: 0o700 });
  await rm(draft, { recursive: true, force: true });
  await cp(folder, draft, { recursive: true });
  await rm(old, { recursive: true, force: true });
  if ((await realpathIfThere(place)) !== null) await rename(place, old);
  await rename(draft, place);
  await rm(old, { recursive: true, force: true });
}

async function realpathIfThere(path: string): Promise<string | null> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}
