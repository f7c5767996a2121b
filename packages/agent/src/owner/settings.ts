import { z } from "zod";
import type { AllowedModels } from "./allowed-models.ts";
import type { BudgetLimit, OwnerBudget } from "./auto-budget.ts";
import { ALWAYS, readHours } from "./serving-hours.ts";
import type { ServingHours } from "./serving-hours.ts";
import { read, readDuration, readShare, readTokens, takes } from "./written.ts";
import type { Read } from "./written.ts";

/** An amount of memory: a share of what the machine has, or bytes. */
export type MemoryAmount =
  | { readonly kind: "share"; readonly share: number }
  | { readonly kind: "bytes"; readonly bytes: number };

/** What the owner lets the co-op have of the machine; it may change while the agent runs. Null: the agent decides. */
export interface OwnerSettings {
  readonly budget: OwnerBudget;
  readonly hours: ServingHours;
  readonly models: AllowedModels;
  /** From how long without input on the agent serves, ms; null: whoever is at the machine. */
  readonly pauseWhenActiveMs: number | null;
  /** Most concurrent generations. */
  readonly slots: number | null;
  /** Memory that models may use in all. */
  readonly memory: MemoryAmount | null;
  /** Memory that is to stay free. */
  readonly freeMemory: MemoryAmount | null;
  /** Longest context of a generation, tokens. */
  readonly contextTokens: number | null;
  /** Models that are never unloaded to free memory. */
  readonly pinnedModels: readonly string[];
}

/** What the agent reads only when it starts; null where nothing is written. */
export interface StartSettings {
  readonly name: string | null;
  readonly engineUrl: string | null;
  readonly plaintextAllowed: boolean;
}

/** One setting as text, wherever it is written. */
export type ReadSetting<T> = (text: string) => Read<T>;

const setting =
  <T>(what: string, understand: (text: string) => T | null): ReadSetting<T> =>
  (text) => {
    const value = understand(text.trim());
    return value === null ? takes(what, text) : read(value);
  };

const orAuto =
  <T>(of: ReadSetting<T>): ReadSetting<T | null> =>
  (text) =>
    text.trim() === "auto" ? read(null) : of(text);

function wholeNumber(least: number, most: number): (text: string) => number | null {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    return number >= least && number <= most ? number : null;
  };
}

const GIB = 2 ** 30;
const GIB_MOST = 16_384;
const memoryAmount = (text: string): MemoryAmount | null => {
  const share = text.endsWith("%") ? readShare(text) : null;
  if (share !== null) return { kind: "share", share };
  const gib = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  return gib <= GIB_MOST ? { kind: "bytes", bytes: gib * GIB } : null;
};

export const readBudgetLimit = setting(
  "a number of tokens (500000, 500k, 2M), auto or none",
  (text): BudgetLimit | null => {
    if (text === "none" || text === "auto") return { kind: text };
    const tokens = readTokens(text);
    return tokens === null ? null : { kind: "tokens", tokens };
  },
);
export const readBudgetShare = setting("a share above 0 and at most 1, such as 0.5 or 50%", readShare);
export const readName = setting("1 to 60 characters", (text) =>
  text.length >= 1 && text.length <= 60 ? text : null,
);
export const readEngine = setting("an address", (text) => (text === "" ? null : text));
export const readSlots = setting("a whole number from 1 to 256", wholeNumber(1, 256));
export const readMemory = setting(
  "GiB above 0 or a share of the machine's memory, such as 48 or 50%",
  (text) => {
    const amount = memoryAmount(text);
    return amount?.kind === "bytes" && amount.bytes === 0 ? null : amount;
  },
);
export const readFreeMemory = setting(
  "GiB from 0 on or a share of the machine's memory, such as 8 or 10%",
  memoryAmount,
);
export const readContext = setting(
  "a whole number of tokens from 512 to 4194304",
  wholeNumber(512, 4_194_304),
);
export const readYesNo = setting("yes or no", (text) => {
  if (["yes", "true", "on", "1"].includes(text)) return true;
  return ["no", "false", "off", "0"].includes(text) ? false : null;
});
const readPauseWhenActive = setting("off or a time without input, such as 5m", (text) =>
  text === "off" || text === "false" ? { ms: null } : wrapped(readDuration(text)),
);
const wrapped = (ms: number | null): { readonly ms: number } | null => (ms === null ? null : { ms });

/** A setting of the file; one that is left out, or has nothing behind it, is as if it were not written. */
function field<T>(of: ReadSetting<T>): z.ZodType<T | undefined> {
  return z
    .unknown()
    .transform((value, context) => {
      if (value === undefined || value === null) return undefined;
      const isText = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
      const understood = of(isText ? String(value) : JSON.stringify(value));
      if (understood.kind === "read") return understood.value;
      context.addIssue({ code: "custom", message: understood.problem });
      return z.NEVER;
    })
    .optional();
}

const names = z
  .array(
    z.string("takes names of models").trim().min(1, "takes names of models"),
    'takes a list of models, such as [llama3.2:3b, "qwen3:*"]',
  )
  .nullish()
  .transform((list) => list ?? []);

const group = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.preprocess((value) => value ?? {}, z.strictObject(shape, { error: groupError }));
const groupError = (issue: { readonly code?: string }): string | undefined =>
  issue.code === "invalid_type"
    ? "takes settings of its own, each on a line below, two spaces in"
    : undefined;

/** Name of the settings' file in the agent's home. */
export const SETTINGS_FILE = "agent.yaml";

/** The whole of `agent.yaml`. */
export const settingsSchema = z
  .strictObject(
    {
      budget: group({
        day: field(readBudgetLimit),
        month: field(readBudgetLimit),
        share: field(readBudgetShare),
      }),
      hours: field(readHours),
      models: group({ allow: names, forbid: names }),
      pauseWhenActive: field(readPauseWhenActive),
      slots: field(orAuto(readSlots)),
      memory: field(orAuto(readMemory)),
      freeMemory: field(orAuto(readFreeMemory)),
      context: field(orAuto(readContext)),
      pin: names,
      name: field(readName),
      engine: field(readEngine),
      allowPlaintext: field(readYesNo),
    },
    { error: groupError },
  )
  .transform(
    ({ budget, models, ...file }): { readonly owner: OwnerSettings; readonly start: StartSettings } => ({
      owner: {
        budget: {
          day: budget.day ?? { kind: "none" },
          month: budget.month ?? { kind: "none" },
          share: budget.share ?? USUAL_SHARE,
        },
        hours: file.hours ?? ALWAYS,
        models,
        pauseWhenActiveMs: file.pauseWhenActive?.ms ?? null,
        slots: file.slots ?? null,
        memory: file.memory ?? null,
        freeMemory: file.freeMemory ?? null,
        contextTokens: file.context ?? null,
        pinnedModels: file.pin,
      },
      start: {
        name: file.name ?? null,
        engineUrl: file.engine ?? null,
        plaintextAllowed: file.allowPlaintext ?? false,
      },
    }),
  );
export type AgentSettings = z.infer<typeof settingsSchema>;

/** Share of what the machine can make that `auto` gives to the co-op. */
const USUAL_SHARE = 0.5;

/** What a new `agent.yaml` says: the defaults, with what they mean. */
export const SETTINGS_TEMPLATE = `# What this machine does for the co-op. The agent reads this file while it runs: what you change takes effect within
# seconds, and a mistake changes nothing (\`agent status\` names its line). \`agent budget\`, \`agent hours\` and
# \`agent models allow|forbid\` write here too and leave your remarks alone.

# Most tokens, of prompts and outputs, that it serves: a number (500k, 2M), none, or auto: what the machine can make
# in its serving hours times the share. Days and months are the co-op's.
budget:
  day: none
  month: none
  share: ${USUAL_SHARE}

# When it serves, by this machine's clock: always, or such as: mon-fri 18:00-08:00, sat-sun all
hours: always

# Which models the co-op may use: names or patterns with *. Nothing under allow: every one that is not forbidden.
models:
  allow: []
  forbid: []

# Serves only when nobody has touched this machine for so long, such as 5m; off: whoever is at it.
pauseWhenActive: off

# Most generations at once; auto: what the engine runs well.
slots: auto

# Memory for models, GiB or a share of the machine's; auto: 70%. And what is to stay free; auto: 10%.
memory: auto
freeMemory: auto

# Longest context of a generation, tokens; auto: what suits the memory.
context: auto

# Models that are never unloaded to free memory.
pin: []

# Read when the agent starts: where the engine answers, what to call this node when it joins, and whether it may
# connect without TLS to a server on a network that is private itself.
# engine: http://127.0.0.1:11434
# name: studio
# allowPlaintext: no
`;
