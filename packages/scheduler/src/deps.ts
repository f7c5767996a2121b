import type {
  AttemptStore,
  Calendar,
  Clock,
  FleetBoard,
  Leadership,
  Log,
  NodeRegistry,
  Random,
  ServerIdentity,
  WakeUps,
} from "@coop/core";
import type { Metrics } from "@coop/metrics";
import type { SchedulerTiming } from "./timing.ts";

/** Moves the queue that operators see after the jobs. One runs at a time: the leader's. */
export interface Projector {
  /** Says that something changed; returns at once. */
  poke(): void;
  run(signal: AbortSignal): Promise<void>;
}

/** What the scheduler is given. */
export interface SchedulerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly leadership: Leadership;
  readonly attempts: AttemptStore;
  readonly wakeUps: WakeUps;
  readonly nodes: NodeRegistry;
  readonly board: FleetBoard;
  readonly serverIdentity: ServerIdentity;
  /** Where agents reach this scheduler, such as `http://127.0.0.1:7070`. */
  readonly address: () => string;
  /** IANA name; days and months of token budgets are this zone's. */
  readonly timeZone: string;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Departures from the design's times. */
  readonly timing?: Partial<SchedulerTiming>;
  readonly projector: Projector;
}

export type ResolvedDeps = Omit<SchedulerDeps, "timing" | "timeZone"> & {
  readonly timing: SchedulerTiming;
  readonly calendar: Calendar;
};
