import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { OperationalError } from "@coop/core";
import { writeHomeText } from "../agent-home.ts";
import { SETTINGS_FILE, SETTINGS_TEMPLATE, settingsSchema } from "./settings.ts";
import type { AgentSettings } from "./settings.ts";
import type { ParsedSettings, SettingsChange } from "./settings-yaml.ts";
import { isMissing } from "../missing-file.ts";

/** What the text of an `agent.yaml` says. One that was never changed is known: reading YAML takes 6 MB to load. */
export async function understandSettings(text: string): Promise<ParsedSettings> {
  if (text === SETTINGS_TEMPLATE) return { kind: "settings", settings: settingsSchema.parse({}) };
  const { parseSettings } = await import("./settings-yaml.ts");
  return parseSettings(text);
}

/**
 * The text of the owner's settings, null when there are none.
 * @throws OperationalError `file-unreadable`
 */
export async function readSettingsText(home: string): Promise<string | null> {
  const path = join(home, SETTINGS_FILE);
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return null;
    const why = error instanceof Error ? error.message : String(error);
    throw new OperationalError("file-unreadable", `${path} cannot be read (${why}).`, { cause: error });
  }
}

/**
 * The owner's settings; the defaults when nothing was written.
 * @throws OperationalError `bad-setting` that names line and setting, `file-unreadable`
 */
export async function readSettings(home: string): Promise<AgentSettings> {
  const parsed = await understandSettings((await readSettingsText(home)) ?? SETTINGS_TEMPLATE);
  if (parsed.kind === "settings") return parsed.settings;
  throw new OperationalError("bad-setting", `${parsed.problem}\nThe file is ${join(home, SETTINGS_FILE)}.`);
}

/** Writes the file with the defaults, where there is none. */
export async function ensureSettingsFile(home: string): Promise<void> {
  if ((await readSettingsText(home)) === null)
    await writeHomeText(join(home, SETTINGS_FILE), SETTINGS_TEMPLATE);
}

/**
 * Writes settings into the file and leaves the rest of it, remarks included, as it is.
 * @throws OperationalError `bad-setting`: the file has a mistake already, or would have one; nothing is written
 */
export async function changeSettings(
  home: string,
  changes: readonly SettingsChange[],
): Promise<AgentSettings> {
  await readSettings(home);
  const { changeText, parseSettings } = await import("./settings-yaml.ts");
  const text = changeText((await readSettingsText(home)) ?? SETTINGS_TEMPLATE, changes);
  const parsed = parseSettings(text);
  if (parsed.kind === "problem") throw new OperationalError("bad-setting", parsed.problem);
  await writeHomeText(join(home, SETTINGS_FILE), text);
  return parsed.settings;
}
