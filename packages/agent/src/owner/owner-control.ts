import { OperationalError } from "@coop/core";
import type { Log, OwnersAvailability } from "@coop/core";
import type { IdleProbe, Idleness } from "../probe/idle.ts";
import type { CancelTimer, Timing } from "../timing.ts";
import { allowsModel } from "./allowed-models.ts";
import { isPaused, PAUSE_FILE, readPause } from "./pause.ts";
import type { Pause } from "./pause.ts";
import { isServing, localWeekMinute, nextChangeMs } from "./serving-hours.ts";
import { readSettingsText, understandSettings } from "./settings-file.ts";
import { SETTINGS_FILE } from "./settings.ts";
import type { OwnerSettings } from "./settings.ts";

/** What the owner wants of the machine now, kept up with their file and their pauses while the agent runs. */
export interface OwnerControl {
  readonly settings: OwnerSettings;
  /** What is wrong with the settings' file now, with the line; the settings of before stand. Null: nothing. */
  readonly problem: string | null;
  /** How long ago the owner touched the machine; null while they do not ask to come first. */
  readonly idleness: Idleness | null;
  /** Whether the owner lets the machine take anything new. */
  availability(): OwnersAvailability;
  /** What the owner has against running a model now; null: nothing. */
  refusal(model: string): string | null;
  /** Reads again what the owner may have changed, and looks whether they are at the machine. */
  look(): Promise<void>;
  /** Takes in that a file of the agent's home may have changed. */
  fileChanged(name: string): void;
  close(): Promise<void>;
}

export interface OwnerControlDeps {
  readonly home: string;
  readonly settings: OwnerSettings;
  /** What was asked for when the agent was started goes before the file. */
  readonly overrides: Partial<OwnerSettings>;
  readonly timing: Timing;
  readonly log: Log;
  readonly idleProbe: IdleProbe;
  /** Another answer than before is due. */
  readonly onChange: () => void;
  /** Minutes since Monday 00:00 by the machine's clock; tests have their own. */
  readonly weekMinuteOf?: (atMs: number) => number;
}

/** An editor may write in several steps; what it leaves after so long is read, ms. */
const SETTLING_MS = 200;

/** @throws OperationalError when the owner's pause cannot be read */
export async function startOwnerControl(deps: OwnerControlDeps): Promise<OwnerControl> {
  const { home, timing, log, idleProbe, overrides, onChange, weekMinuteOf = localWeekMinute } = deps;
  let settings: OwnerSettings = { ...deps.settings, ...overrides };
  let pause: Pause | null = await readPause(home);
  let text = await readSettingsText(home);
  let problem: string | null = null;
  let idleness: Idleness | null = null;
  let reading: CancelTimer | null = null;
  let reads: Promise<void> = Promise.resolve();
  let turning: CancelTimer | null = null;
  /** When the serving hours next begin or end; found anew whenever they did. */
  let hoursTurnMs: number | null = null;
  let closed = false;

  /** @returns what is wrong with the file, null for nothing */
  const readSettings = async (): Promise<string | null> => {
    const latest = await readSettingsText(home);
    if (latest === text) return null;
    if (latest === null) return `${SETTINGS_FILE} is gone`;
    const parsed = await understandSettings(latest);
    if (parsed.kind === "problem") return parsed.problem;
    text = latest;
    settings = { ...parsed.settings.owner, ...overrides };
    log.info({}, `took over ${SETTINGS_FILE}`);
    return null;
  };

  const readPauseAgain = async (): Promise<null> => {
    pause = await readPause(home);
    return null;
  };

  /** A file that cannot be read takes nothing from the owner: what it said before stands. */
  const orProblem = async (work: Promise<string | null>): Promise<string | null> => {
    try {
      return await work;
    } catch (error) {
      if (error instanceof OperationalError) return error.message;
      throw error;
    }
  };

  const tellProblem = (found: string | null): void => {
    if (found !== null && found !== problem) log.warn({}, `${found}; what was set before stands`);
    if (found === null && problem !== null) log.info({}, "the owner's settings can be read again");
    problem = found;
  };

  const readAgain = async (): Promise<void> => {
    if (closed) return;
    const stateOf = (): string => JSON.stringify([settings, pause, problem]);
    const before = stateOf();
    const found = [await orProblem(readSettings()), await orProblem(readPauseAgain())];
    tellProblem(found.filter((one) => one !== null).join("\n") || null);
    if (closed) return;
    const changed = stateOf() !== before;
    if (changed || (hoursTurnMs !== null && hoursTurnMs <= timing.now())) turnLater();
    if (changed) onChange();
  };
  /** One reading at a time. */
  const readNext = (): Promise<void> => (reads = reads.then(readAgain));

  /** Says so when the pause or the hours end or begin. */
  const turnLater = (): void => {
    turning?.();
    const nowMs = timing.now();
    const pauseEndsMs = isPaused(pause, nowMs) ? (pause?.untilMs ?? null) : null;
    hoursTurnMs = nextChangeMs(settings.hours, nowMs, weekMinuteOf);
    const turns = [pauseEndsMs, hoursTurnMs].filter((atMs) => atMs !== null);
    turning =
      turns.length === 0
        ? null
        : timing.after(Math.min(...turns) - nowMs, () => {
            turnLater();
            onChange();
          });
  };

  const availability = (): OwnersAvailability => {
    const nowMs = timing.now();
    if (isPaused(pause, nowMs)) return { kind: "closed", reason: "paused", untilMs: pause?.untilMs ?? null };
    if (!isServing(settings.hours, weekMinuteOf(nowMs)))
      return { kind: "closed", reason: "outside-hours", untilMs: hoursTurnMs };
    const { pauseWhenActiveMs } = settings;
    const isActive =
      pauseWhenActiveMs !== null && idleness?.kind === "idle" && idleness.ms < pauseWhenActiveMs;
    return isActive ? { kind: "closed", reason: "owner-active", untilMs: null } : { kind: "open" };
  };

  turnLater();
  return {
    get settings() {
      return settings;
    },
    get problem() {
      return problem;
    },
    get idleness() {
      return idleness;
    },
    availability,
    refusal(model) {
      const now = availability();
      if (now.kind === "closed") return CLOSED_WORDS[now.reason];
      return allowsModel(settings.models, model) ? null : `this node's owner does not allow "${model}"`;
    },
    async look() {
      await readNext();
      idleness = settings.pauseWhenActiveMs === null ? null : await idleProbe();
    },
    fileChanged(name) {
      if (closed || (name !== SETTINGS_FILE && name !== PAUSE_FILE)) return;
      reading?.();
      reading = timing.after(SETTLING_MS, () => void readNext());
    },
    async close() {
      closed = true;
      reading?.();
      turning?.();
      await reads;
    },
  };
}

const CLOSED_WORDS = {
  paused: "this node is paused by its owner",
  "outside-hours": "this node has no serving hours now",
  "owner-active": "this node's owner is at the machine",
} as const;
