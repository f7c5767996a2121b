import type { Clock } from "@coop/core";
import { outputOf } from "./output-of.ts";

/** How long ago someone touched the machine, as far as its system tells. */
export type Idleness =
  | { readonly kind: "idle"; readonly ms: number }
  /** Nobody is logged in at it. */
  | { readonly kind: "nobody" }
  /** The system does not tell. */
  | { readonly kind: "unknown" };

export type IdleProbe = () => Promise<Idleness>;

const UNKNOWN: Idleness = { kind: "unknown" };

/** Asks the system that this process runs on. macOS and Linux tell; what others do is not known here. */
export function createIdleProbe({
  clock,
  platform,
}: {
  readonly clock: Clock;
  readonly platform: NodeJS.Platform;
}): IdleProbe {
  switch (platform) {
    case "darwin":
      return async () => macIdleness(await outputOf("ioreg", ["-c", "IOHIDSystem", "-d", "4"]));
    case "linux":
      return async () => {
        const byScreen = screenIdleness(await outputOf("xprintidle", []));
        if (byScreen.kind === "idle") return byScreen;
        const seat = ["show-seat", "seat0", "--property=ActiveSession,IdleHint,IdleSinceHint"];
        return seatIdleness(await outputOf("loginctl", seat), clock.now());
      };
    default:
      return () => Promise.resolve(UNKNOWN);
  }
}

/** From macOS's `ioreg -c IOHIDSystem`: nanoseconds since the last key, click or touch. */
export function macIdleness(text: string): Idleness {
  const match = /"HIDIdleTime"\s*=\s*(\d+)/.exec(text);
  return match?.[1] === undefined ? UNKNOWN : { kind: "idle", ms: Math.floor(Number(match[1]) / 1e6) };
}

/** From `xprintidle`: milliseconds since the last input on the screen that the agent was started on. */
export function screenIdleness(text: string): Idleness {
  return /^\d+\s*$/.test(text) ? { kind: "idle", ms: Number(text) } : UNKNOWN;
}

/**
 * From `loginctl show-seat seat0`, where a desktop says by itself when it counts as idle, often after minutes:
 * until then somebody is taken to be there.
 */
export function seatIdleness(text: string, nowMs: number): Idleness {
  const values = new Map(
    text.split("\n").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1).trim()] as const;
    }),
  );
  const hint = values.get("IdleHint");
  if (hint === undefined) return UNKNOWN;
  if ((values.get("ActiveSession") ?? "") === "") return { kind: "nobody" };
  if (hint !== "yes") return { kind: "idle", ms: 0 };
  const sinceMs = Number(values.get("IdleSinceHint")) / 1000;
  return sinceMs > 0 ? { kind: "idle", ms: Math.max(0, nowMs - sinceMs) } : UNKNOWN;
}
