import type {
  AttemptStore,
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
  readonly log: Log;
  readonly metrics: Metrics;
  /** Departures from the design's times. */
  readonly timing?: Partial<SchedulerTiming>;
  /** Called after each change that the queue's mirror is to follow; returns at once. */
  readonly pokeProjector: () => void;
}

export type ResolvedDeps = Omit<SchedulerDeps, "timing"> & { readonly timing: SchedulerTiming };
