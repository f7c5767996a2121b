import type { FleetSnapshot } from "@coop/core";
import type { FleetView } from "../fleet-view.ts";
import { liveFleet } from "./live-fleet.ts";
import type { LiveFleet } from "./live-fleet.ts";

/** What the page's charts begin with: rates and queue of the last minutes, oldest first. */
export type PulseHistory = readonly Pick<LiveFleet, "atMs" | "outputRate" | "possibleRate" | "waiting">[];

/** Watches the fleet while anybody looks at the page: one reading a beat, however many look. */
export interface Pulse {
  /** The fleet now, and then at each beat until the signal aborts. */
  watch(signal: AbortSignal): AsyncGenerator<LiveFleet, void>;
  /** The fleet as it is; null before a scheduler has reported. */
  now(): Promise<LiveFleet | null>;
  history(): PulseHistory;
}

export interface PulseDeps {
  readonly fleet: FleetView;
  /** Of the agent that the server hands out, null when it hands out none. */
  readonly agentVersion: string | null;
}

const BEAT_MS = 1_000;
/** Ten minutes. */
const HISTORY_BEATS = 600;

export function createPulse({ fleet, agentVersion }: PulseDeps): Pulse {
  let last: FleetSnapshot | null = null;
  let shown: LiveFleet | null = null;
  const history: PulseHistory[number][] = [];
  let beating: Promise<void> | null = null;

  const look = async (): Promise<LiveFleet | null> => {
    const snapshot = await fleet.latest();
    if (snapshot === null || (shown !== null && snapshot.atMs === last?.atMs)) return shown;
    shown = liveFleet(snapshot, last, agentVersion);
    last = snapshot;
    const { atMs, outputRate, possibleRate, waiting } = shown;
    history.push({ atMs, outputRate, possibleRate, waiting });
    if (history.length > HISTORY_BEATS) history.shift();
    return shown;
  };

  /** The end of the beat that everybody who looks waits for. */
  const beat = async (): Promise<void> => {
    const current = (beating ??= new Promise((resolve) => {
      setTimeout(resolve, BEAT_MS).unref();
    }));
    await current;
    if (beating === current) beating = null;
  };

  return {
    now: look,
    history: () => history,
    async *watch(signal) {
      while (!signal.aborted) {
        const fleetNow = await look();
        if (fleetNow !== null) yield fleetNow;
        await beat();
      }
    },
  };
}
