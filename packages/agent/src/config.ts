import { hostname } from "node:os";
import { join } from "node:path";
import { OperationalError } from "@coop/core";
import { z } from "zod";
import { readHomeFile } from "./agent-home.ts";

/** What the owner of the machine decided. Read once. */
export interface AgentConfig {
  readonly home: string;
  /** How the node would like to be called when it joins. */
  readonly name: string;
  /** Where the engine answers, in any form that Ollama takes. */
  readonly engineUrl: string;
  /** Most concurrent generations; null: as many as the engine runs well. */
  readonly slots: number | null;
  /** Concurrent generations that Ollama was set to run for each model; null where its settings are not known here. */
  readonly engineSlots: number | null;
  /** Memory that models may use in all, bytes; null: 70 % of the machine's. */
  readonly modelMemoryBytes: number | null;
  /** Longest context a generation gets, tokens; null: as the machine's memory allows. */
  readonly contextTokens: number | null;
  /** Most tokens served a day; null for no limit. */
  readonly tokensPerDay: number | null;
  readonly plaintextAllowed: boolean;
  /** Memory of the machine that is to stay free, bytes; null: 10 % of it. */
  readonly keepFreeBytes: number | null;
  /** Models that are never unloaded to free memory. */
  readonly pinnedModels: readonly string[];
}

/** What the command line gives, as text. */
export interface ConfigFlags {
  readonly name?: string;
  readonly engine?: string;
  readonly slots?: string;
  readonly memory?: string;
  readonly context?: string;
  readonly tokensPerDay?: string;
  readonly allowPlaintext?: boolean;
  readonly freeMemory?: string;
  readonly pin?: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** One setting, wherever its value comes from. */
interface Setting<T> {
  readonly flag: string;
  readonly variable: string;
  readonly schema: z.ZodType<T>;
  /** For the message when a value does not fit. */
  readonly takes: string;
}

const nameSetting: Setting<string> = {
  flag: "--name",
  variable: "COOP_AGENT_NAME",
  schema: z.string().trim().min(1).max(60),
  takes: "1 to 60 characters",
};
const engineSetting: Setting<string> = {
  flag: "--engine",
  variable: "OLLAMA_HOST",
  schema: z.string(),
  takes: "an address",
};
const slotsSetting: Setting<number> = {
  flag: "--slots",
  variable: "COOP_AGENT_SLOTS",
  schema: z.coerce.number().int().min(1).max(256),
  takes: "a whole number from 1 to 256",
};
/** Ollama's own setting, for when the agent starts from the same environment; 0 leaves the choice to Ollama. */
const engineSlotsSetting: Setting<number> = {
  flag: "",
  variable: "OLLAMA_NUM_PARALLEL",
  schema: z.coerce.number().int().min(0).max(256),
  takes: "a whole number from 0 to 256",
};
const memorySetting: Setting<number> = {
  flag: "--memory",
  variable: "COOP_AGENT_MEMORY_GIB",
  schema: z.coerce.number().positive().max(16_384),
  takes: "GiB above 0",
};
const contextSetting: Setting<number> = {
  flag: "--context",
  variable: "COOP_AGENT_CONTEXT",
  schema: z.coerce.number().int().min(512).max(4_194_304),
  takes: "a whole number of tokens from 512 to 4194304",
};
const tokensPerDaySetting: Setting<number> = {
  flag: "--tokens-per-day",
  variable: "COOP_AGENT_TOKENS_PER_DAY",
  schema: z.coerce.number().int().min(1),
  takes: "a whole number of tokens from 1 on",
};
const plaintextSetting: Setting<boolean> = {
  flag: "--allow-plaintext",
  variable: "COOP_AGENT_ALLOW_PLAINTEXT",
  schema: z.stringbool(),
  takes: "yes or no",
};

const freeMemorySetting: Setting<number> = {
  flag: "--free-memory",
  variable: "COOP_AGENT_FREE_MEMORY_GIB",
  schema: z.coerce.number().min(0).max(16_384),
  takes: "GiB from 0 on",
};
const pinSetting: Setting<readonly string[]> = {
  flag: "--pin",
  variable: "COOP_AGENT_PIN",
  schema: z
    .string()
    .transform((names) => names.split(",").map((name) => name.trim()))
    .pipe(z.array(z.string().min(1))),
  takes: "names of models with commas between them",
};

const fileSchema = z.strictObject({
  name: nameSetting.schema.optional(),
  engine: engineSetting.schema.optional(),
  slots: slotsSetting.schema.optional(),
  memoryGib: memorySetting.schema.optional(),
  context: contextSetting.schema.optional(),
  tokensPerDay: tokensPerDaySetting.schema.optional(),
  allowPlaintext: z.boolean().optional(),
  freeMemoryGib: freeMemorySetting.schema.optional(),
  pin: z.array(z.string().min(1)).optional(),
});

const defaultEngineUrl = "http://127.0.0.1:11434";

/**
 * Settings by precedence: command line, environment, `agent.json` in the agent's home, default.
 * @throws OperationalError `bad-setting` that names the setting and what it takes, or `file-unreadable`
 */
export async function readConfig(home: string, flags: ConfigFlags, env: Environment): Promise<AgentConfig> {
  const remedy = `Correct it; it takes ${Object.keys(fileSchema.shape).join(", ")}.`;
  const file = (await readHomeFile(join(home, "agent.json"), fileSchema, remedy)) ?? {};
  const choose = <T>(setting: Setting<T>, flag: string | undefined, fromFile: T | undefined): T | null =>
    parse(setting, setting.flag, flag) ??
    parse(setting, setting.variable, env[setting.variable]) ??
    fromFile ??
    null;
  const engineSlots = choose(engineSlotsSetting, undefined, undefined);
  const memoryGib = choose(memorySetting, flags.memory, file.memoryGib);
  const freeMemoryGib = choose(freeMemorySetting, flags.freeMemory, file.freeMemoryGib);
  return {
    home,
    name: choose(nameSetting, flags.name, file.name) ?? machineName(),
    engineUrl: choose(engineSetting, flags.engine, file.engine) ?? defaultEngineUrl,
    slots: choose(slotsSetting, flags.slots, file.slots),
    engineSlots: engineSlots === 0 ? null : engineSlots,
    modelMemoryBytes: memoryGib === null ? null : memoryGib * 2 ** 30,
    contextTokens: choose(contextSetting, flags.context, file.context),
    tokensPerDay: choose(tokensPerDaySetting, flags.tokensPerDay, file.tokensPerDay),
    plaintextAllowed:
      flags.allowPlaintext ?? choose(plaintextSetting, undefined, file.allowPlaintext) ?? false,
    keepFreeBytes: freeMemoryGib === null ? null : freeMemoryGib * 2 ** 30,
    pinnedModels: choose(pinSetting, flags.pin, file.pin) ?? [],
  };
}

function parse<T>({ schema, takes }: Setting<T>, source: string, text: string | undefined): T | null {
  if (text === undefined || text === "") return null;
  const parsed = schema.safeParse(text);
  if (!parsed.success) throw new OperationalError("bad-setting", `${source} takes ${takes}, not "${text}".`);
  return parsed.data;
}

/** The machine's own name, without its domain. */
function machineName(): string {
  const [name] = hostname().split(".");
  return name === undefined || name === "" ? "node" : name.slice(0, 60);
}
