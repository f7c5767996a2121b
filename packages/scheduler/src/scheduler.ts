import { randomUUID } from "node:crypto";
import { createCalendar } from "@coop/core";
import type { ResolvedDeps, SchedulerDeps } from "./deps.ts";
import { createGateway } from "./gateway.ts";
import type { Gateway } from "./gateway.ts";
import { createLeaderLoop } from "./leader-loop.ts";
import type { TermState } from "./term.ts";
import { DEFAULT_TIMING } from "./timing.ts";

/** What this scheduler is doing now. */
export type SchedulerState =
  | { readonly kind: "following"; readonly leader: string | null }
  | ({ readonly kind: "leading"; readonly fence: number } & TermState);

export interface Scheduler {
  readonly gateway: Gateway;
  /**
   * Leads whenever it can, until the signal aborts; then sends agents away and resigns. Rejects on a bug:
   * the program is to end, and the next one finds everything in the store.
   */
  run(signal: AbortSignal): Promise<void>;
  state(): SchedulerState;
}

/**
 * Builds a scheduler. It does nothing before `run`; until it leads, its gateway refuses agents.
 * @throws OperationalError `unknown-time-zone`
 */
export function createScheduler(deps: SchedulerDeps): Scheduler {
  const { timeZone, ...rest } = deps;
  const resolved: ResolvedDeps = {
    ...rest,
    timing: { ...DEFAULT_TIMING, ...deps.timing },
    calendar: createCalendar(timeZone),
  };
  const loop = createLeaderLoop(resolved, `scheduler_${randomUUID()}`);
  const gateway = createGateway(resolved, loop.role);
  return {
    gateway,
    async run(signal) {
      try {
        await loop.run(signal);
      } finally {
        gateway.close();
      }
    },
    state() {
      const role = loop.role();
      if (role.kind === "following") return role;
      return { kind: "leading", fence: role.term.fence, ...role.term.state() };
    },
  };
}
