import { hostname } from "node:os";
import { OperationalError } from "@coop/core";
import {
  readContext,
  readEngine,
  readFreeMemory,
  readMemory,
  readName,
  readSlots,
  readYesNo,
} from "./owner/settings.ts";
import type { OwnerSettings, ReadSetting } from "./owner/settings.ts";
import { readSettings } from "./owner/settings-file.ts";
import { read, takes } from "./owner/written.ts";

/** What the owner of the machine decided, as of the agent's start. */
export interface AgentConfig {
  readonly home: string;
  /** How the node would like to be called when it joins. */
  readonly name: string;
  /** Where the engine answers, in any form that Ollama takes. */
  readonly engineUrl: string;
  /** Concurrent generations that Ollama was set to run for each model; null where its settings are not known here. */
  readonly engineSlots: number | null;
  readonly plaintextAllowed: boolean;
  /** What the file says, and what goes before it. */
  readonly settings: OwnerSettings;
  /** Of the settings, those that the command line or the environment decide for as long as the agent runs. */
  readonly overrides: Partial<OwnerSettings>;
}

/** What the command line gives, as text. */
export interface ConfigFlags {
  readonly name?: string;
  readonly engine?: string;
  readonly slots?: string;
  readonly memory?: string;
  readonly context?: string;
  readonly allowPlaintext?: boolean;
  readonly freeMemory?: string;
  readonly pin?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** A setting that the command line and the environment may decide. */
interface Outside<T> {
  readonly flag: keyof ConfigFlags | null;
  readonly variable: string;
  readonly read: ReadSetting<T>;
}

const NAME: Outside<string> = { flag: "name", variable: "COOP_AGENT_NAME", read: readName };
const ENGINE: Outside<string> = { flag: "engine", variable: "OLLAMA_HOST", read: readEngine };
const SLOTS: Outside<number> = { flag: "slots", variable: "COOP_AGENT_SLOTS", read: readSlots };
const MEMORY = { flag: "memory", variable: "COOP_AGENT_MEMORY_GIB", read: readMemory } as const;
const FREE_MEMORY = {
  flag: "freeMemory",
  variable: "COOP_AGENT_FREE_MEMORY_GIB",
  read: readFreeMemory,
} as const;
const CONTEXT: Outside<number> = { flag: "context", variable: "COOP_AGENT_CONTEXT", read: readContext };
const PLAINTEXT: Outside<boolean> = { flag: null, variable: "COOP_AGENT_ALLOW_PLAINTEXT", read: readYesNo };
const PIN: Outside<readonly string[]> = {
  flag: "pin",
  variable: "COOP_AGENT_PIN",
  read(text) {
    const names = text.split(",").map((name) => name.trim());
    return names.every((name) => name !== "")
      ? read(names)
      : takes("names of models with commas between them", text);
  },
};
/** Ollama's own setting, for when the agent starts from the same environment; 0 leaves the choice to Ollama. */
const ENGINE_SLOTS: Outside<number> = {
  flag: null,
  variable: "OLLAMA_NUM_PARALLEL",
  read: (text) => (text === "0" ? read(0) : readSlots(text)),
};

const DEFAULT_ENGINE = "http://127.0.0.1:11434";

/**
 * Settings by precedence: command line, environment, `agent.yaml` in the agent's home, default.
 * @throws OperationalError `bad-setting` that names the setting and what it takes, or `file-unreadable`
 */
export async function readConfig(home: string, flags: ConfigFlags, env: Environment): Promise<AgentConfig> {
  const { owner, start } = await readSettings(home);
  const outside = <T>({ flag, variable, read }: Outside<T>): T | undefined => {
    const given = flag === null ? undefined : flags[flag];
    const fromFlag = typeof given === "string" ? valueOf(read, flagOf(flag), given) : undefined;
    return fromFlag ?? valueOf(read, variable, env[variable]);
  };
  const overrides = withoutUndefined({
    slots: outside(SLOTS),
    memory: outside(MEMORY),
    freeMemory: outside(FREE_MEMORY),
    contextTokens: outside(CONTEXT),
    pinnedModels: outside(PIN),
  });
  const engineSlots = outside(ENGINE_SLOTS) ?? 0;
  return {
    home,
    name: outside(NAME) ?? start.name ?? machineName(),
    engineUrl: outside(ENGINE) ?? start.engineUrl ?? DEFAULT_ENGINE,
    engineSlots: engineSlots === 0 ? null : engineSlots,
    plaintextAllowed: flags.allowPlaintext ?? outside(PLAINTEXT) ?? start.plaintextAllowed,
    settings: { ...owner, ...overrides },
    overrides,
  };
}

/** An empty text is as if nothing were given. */
function valueOf<T>(readText: ReadSetting<T>, source: string, text: string | undefined): T | undefined {
  if (text === undefined || text === "") return undefined;
  const understood = readText(text);
  if (understood.kind === "read") return understood.value;
  throw new OperationalError("bad-setting", `${source} ${understood.problem}.`);
}

const flagOf = (key: string | null): string =>
  `--${(key ?? "").replaceAll(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`)}`;

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };
function withoutUndefined<T extends object>(values: T): Defined<T> {
  const found: Defined<T> = {};
  for (const key in values) {
    const value = values[key];
    if (value !== undefined) Object.assign(found, { [key]: value });
  }
  return found;
}

/** The machine's own name, without its domain. */
function machineName(): string {
  const [name] = hostname().split(".");
  return name === undefined || name === "" ? "node" : name.slice(0, 60);
}
