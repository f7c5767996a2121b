import { assert } from "@coop/core";
import type { LeadershipOutcome } from "@coop/core";
import type { ResolvedDeps } from "./deps.ts";
import { slept } from "./patience.ts";
import { createTerm } from "./term.ts";
import type { Term, TermEnd } from "./term.ts";

/** `following` names the leader's address, null while it is unknown. */
export type Role =
  | { readonly kind: "following"; readonly leader: string | null }
  | { readonly kind: "leading"; readonly term: Term; readonly untilMs: number };

export interface LeaderLoop {
  role(): Role;
  /** Campaigns until the signal aborts, then gives the lead up. Rejects when a term showed a bug. */
  run(signal: AbortSignal): Promise<void>;
}

/** Campaigns for the lead and holds a term while it lasts. A lead that cannot be renewed in time is given up. */
export function createLeaderLoop(deps: ResolvedDeps, candidate: string): LeaderLoop {
  const { clock, leadership, log, metrics, timing } = deps;
  let role: Role = { kind: "following", leader: null };

  const stepDown = async (leader: string | null): Promise<void> => {
    const was = role;
    role = { kind: "following", leader };
    if (was.kind !== "leading") return;
    log.warn({ fence: was.term.fence, leader }, "stepping down");
    metrics.leading(false);
    await was.term.close(leader);
  };

  const lead = (fence: number, untilMs: number): void => {
    if (role.kind === "leading") {
      role = { ...role, untilMs };
      return;
    }
    log.info({ fence }, "taking the lead");
    metrics.leading(true);
    role = { kind: "leading", term: createTerm(deps, fence), untilMs };
  };

  /** Null when no answer came before the next campaign is due. */
  const campaign = async (signal: AbortSignal): Promise<LeadershipOutcome | null> => {
    const asked = leadership.campaign(candidate, deps.address(), timing.leadTtlMs).catch((error: unknown) => {
      log.warn({ err: error }, "campaigning failed");
      return null;
    });
    return Promise.race([asked, slept(timing.campaignEveryMs, signal).then(() => null)]);
  };

  const round = async (signal: AbortSignal): Promise<void> => {
    const askedAtMs = clock.now();
    const outcome = await campaign(signal);
    if (signal.aborted) return;
    if (outcome === null) {
      if (role.kind === "leading" && clock.now() >= role.untilMs) await stepDown(null);
      return;
    }
    if (outcome.kind === "following") return stepDown(outcome.leader);
    if (role.kind === "leading" && role.term.fence !== outcome.fence) await stepDown(null);
    lead(outcome.fence, askedAtMs + timing.leadTtlMs);
  };

  /** Waits for the next campaign, or for the end of the term if that comes first. */
  const pause = async (signal: AbortSignal): Promise<TermEnd | null> => {
    if (role.kind === "following") {
      await slept(timing.campaignEveryMs, signal);
      return null;
    }
    await slept(timing.campaignEveryMs, AbortSignal.any([signal, role.term.over]));
    return role.term.end();
  };

  return {
    role: () => role,
    async run(signal) {
      try {
        while (!signal.aborted) {
          await round(signal);
          if (signal.aborted) break;
          const end = await pause(signal);
          if (end === null) continue;
          assert(end.kind !== "closed", "only this loop closes a term");
          await stepDown(null);
          if (end.kind === "broken") throw end.error;
        }
      } finally {
        await stepDown(null);
        await leadership
          .resign(candidate)
          .catch((error: unknown) => log.warn({ err: error }, "resigning failed"));
      }
    },
  };
}
