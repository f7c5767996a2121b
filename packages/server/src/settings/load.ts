import { readFile } from "node:fs/promises";
import { OperationalError } from "@coop/core";
import type { CoopSettings } from "@coop/core";
import { isMissing } from "../file-errors.ts";
import { readOrCreate } from "../secrets.ts";
import { parseSettings } from "./parse.ts";
import type { SettingsProblem } from "./parse.ts";
import { settingsTemplate } from "./template.ts";

/** Name of the settings' file in the co-op's home. */
export const SETTINGS_FILE = "coop.yaml";

/**
 * The settings of the file at `path`, which is written with the defaults where there is none, and never changed.
 * @param machineTimeZone goes into a new file, and stands in where an older one names none
 * @throws OperationalError `bad-settings` that names each line, field and what it takes
 */
export async function loadSettings(path: string, machineTimeZone: string): Promise<CoopSettings> {
  return readOrThrow(
    path,
    await readOrCreate(path, () => settingsTemplate(machineTimeZone)),
    machineTimeZone,
  );
}

/**
 * Reads a file as the server would at its start, and writes none.
 * @throws OperationalError `bad-settings`
 */
export async function checkSettings(path: string, machineTimeZone: string): Promise<CoopSettings> {
  try {
    return readOrThrow(path, await readFile(path, "utf8"), machineTimeZone);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new OperationalError(
      "bad-settings",
      `There is no file ${path}. The server writes one with the defaults when it first starts.`,
      { cause: error },
    );
  }
}

function readOrThrow(path: string, text: string, machineTimeZone: string): CoopSettings {
  const parsed = parseSettings(text, machineTimeZone);
  if (parsed.kind === "settings") return parsed.settings;
  throw new OperationalError("bad-settings", describe(path, parsed.problems));
}

const PROBLEMS_SHOWN = 20;

function describe(path: string, problems: readonly SettingsProblem[]): string {
  const shown = problems
    .slice(0, PROBLEMS_SHOWN)
    .map(({ line, field, message }) => `  ${path}:${line}: ${field === "" ? "" : `${field} `}${message}`);
  const more = problems.length > PROBLEMS_SHOWN ? [`  and ${problems.length - PROBLEMS_SHOWN} more`] : [];
  return ["The co-op's settings cannot be read:", ...shown, ...more].join("\n");
}
