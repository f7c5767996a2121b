import type { Log, Random } from "@coop/core";
import type { SessionEnd } from "./session.ts";
import { pause } from "./timing.ts";
import type { Timing } from "./timing.ts";
import { transportTo } from "./transport.ts";

/** The first pause is drawn from up to this, each further one from up to twice as much, ms. */
const firstPauseMs = 500;
const longestPauseMs = 30_000;
/** A connection that served this long shows that the way is good again, ms. */
const goodAfterMs = 10_000;
/** Longest pause that a server can ask for, ms. */
const longestAskedPauseMs = 300_000;

export type SupervisionEnd =
  | { readonly kind: "stopped" }
  /** Trying again without a change is useless; `message` says what happened and what to do. */
  | { readonly kind: "final"; readonly message: string };

export interface SupervisorDeps {
  readonly serverUrl: string;
  readonly plaintextAllowed: boolean;
  readonly timing: Timing;
  readonly random: Random;
  readonly log: Log;
  /** Runs one connection until it ends. */
  readonly connect: (socketUrl: string, signal: AbortSignal) => Promise<SessionEnd>;
  /** A connection ended; the next begins after the pause. */
  readonly onPause: (reason: string, pauseMs: number) => void;
}

/**
 * Keeps this node connected for as long as the signal lets it.
 *
 * V1. It tries for ever, but for a refusal that says that trying is useless or a server that is another one.
 * V2. Pauses are drawn anew each time from zero up to a bound that doubles (full jitter), so that a fleet does
 *     not come back at once; a longer pause that the server asks for comes before it.
 * V3. The bound falls back only after a connection that served for a while.
 */
export async function superviseConnection(
  deps: SupervisorDeps,
  signal: AbortSignal,
): Promise<SupervisionEnd> {
  let failures = 0;
  let target = deps.serverUrl;
  const stopped = (): boolean => signal.aborted;
  while (!stopped()) {
    const transport = transportTo(target, deps.plaintextAllowed);
    if (transport.kind === "refused") {
      if (target === deps.serverUrl) return { kind: "final", message: transport.message };
      deps.log.warn({ leader: target }, "the server names a leader that cannot be used");
      target = deps.serverUrl;
      continue;
    }
    const end = await deps.connect(transport.socketUrl, signal);
    if (stopped()) break;
    if (end.kind === "wrong-server") return { kind: "final", message: end.message };
    if (end.kind === "refused" && end.retryAfterMs === null && end.leader === null) {
      return { kind: "final", message: `${end.message}${refusalRemedy(end.reason)}` };
    }
    failures = end.kind === "ended" && (end.servedMs ?? 0) >= goodAfterMs ? 1 : failures + 1;
    target =
      end.kind === "refused" && end.leader !== null && target === deps.serverUrl
        ? end.leader
        : deps.serverUrl;
    const pauseMs = pauseBefore(failures, end.retryAfterMs ?? 0, deps.random);
    deps.onPause(end.kind === "refused" ? end.message : end.reason, pauseMs);
    await pause(deps.timing, pauseMs, signal);
  }
  return { kind: "stopped" };
}

/** How long to wait before the next try, ms. `failures` counts from 1. Pure but for the draw. */
export function pauseBefore(failures: number, askedMs: number, random: Random): number {
  const bound = Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - 1));
  return Math.min(longestAskedPauseMs, Math.max(0, askedMs)) + random.next() * bound;
}

function refusalRemedy(reason: string): string {
  switch (reason) {
    case "revoked":
      return " This node was revoked. To serve again, ask for a join token and run `agent start --join TOKEN`.";
    case "unknown-node":
    case "bad-signature":
      return " Ask for a join token and run `agent start --join TOKEN`.";
    case "replaced":
      return " Another agent uses this node's identity; only one may run.";
    default:
      return "";
  }
}
