import { rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readHomeFile, writeHomeFile } from "../agent-home.ts";

/** The owner's word that the machine is to take nothing new; it stands also while no agent runs. */
export interface Pause {
  readonly sinceMs: number;
  /** When it ends by itself; null: when the owner says so. */
  readonly untilMs: number | null;
}

/** Name of the file that says so. */
export const PAUSE_FILE = "pause.json";

const pauseSchema = z.object({ sinceMs: z.number(), untilMs: z.number().nullable() });

/**
 * The pause that was asked for last, also one that is over; null for none.
 * @throws OperationalError `file-unreadable`
 */
export const readPause = (home: string): Promise<Pause | null> =>
  readHomeFile(join(home, PAUSE_FILE), pauseSchema, "`agent resume` removes it.");

/** @throws OperationalError `file-unwritable` */
export const writePause = (home: string, pause: Pause): Promise<void> =>
  writeHomeFile(join(home, PAUSE_FILE), pause);

/** Ends the pause, if there is one. */
export const removePause = (home: string): Promise<void> => rm(join(home, PAUSE_FILE), { force: true });

export const isPaused = (pause: Pause | null, nowMs: number): boolean =>
  pause !== null && (pause.untilMs === null || pause.untilMs > nowMs);
