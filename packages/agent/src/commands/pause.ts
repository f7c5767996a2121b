import { OperationalError } from "@coop/core";
import { isPaused, readPause, removePause, writePause } from "../owner/pause.ts";
import { readDuration } from "../owner/written.ts";
import { localTime } from "./local-time.ts";
import { agentHere } from "./owner.ts";
import type { OwnerCommandDeps } from "./owner.ts";

/**
 * Has the machine take nothing new; what runs is finished.
 * @throws OperationalError `bad-setting`; nothing is changed then
 */
export async function pause(deps: OwnerCommandDeps, time: string | undefined): Promise<void> {
  const { home, nowMs, say } = deps;
  const forMs = time === undefined ? null : readDuration(time);
  if (time !== undefined && forMs === null)
    throw new OperationalError("bad-setting", `--for takes a time such as 30m, 2h or 1d, not "${time}".`);
  const untilMs = forMs === null ? null : nowMs + forMs;
  await writePause(home, { sinceMs: nowMs, untilMs });
  say(untilMs === null ? "Paused until `agent resume`." : `Paused until ${localTime(untilMs, nowMs)}.`);
  const here = (await agentHere(deps)) !== null;
  say(
    here
      ? "What runs is finished; nothing new is taken."
      : "No agent runs here now; one that starts takes nothing either.",
  );
}

/** Ends a pause. Serving hours and the rest of the settings still hold. */
export async function resume({ home, nowMs, say }: OwnerCommandDeps): Promise<void> {
  const wasPaused = await isPausedHere(home, nowMs);
  await removePause(home);
  say(wasPaused ? "Resumed: it takes jobs again, within its hours and budget." : "It was not paused.");
}

/** A file that cannot be read was taken for a pause; it goes, too. */
async function isPausedHere(home: string, nowMs: number): Promise<boolean> {
  try {
    return isPaused(await readPause(home), nowMs);
  } catch (error) {
    if (error instanceof OperationalError) return true;
    throw error;
  }
}
