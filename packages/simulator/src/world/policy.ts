import type {
  DispatchEvent,
  JobId,
  JobSpec,
  MemoryWish,
  ModelCapacity,
  NodeId,
  Random,
  Tier,
} from "@coop/core";

/**
 * A policy decides which waiting job starts where. Every policy lives in the same world: it hears the events that
 * the production dispatcher hears, and knows no more than it does: reported speeds, estimated prompts, expected
 * outputs, never the truth.
 *
 * P1. A job may start only on a node that is present, with a free slot, on a model of the tier that it asks for
 *     or better, within the model's context and the node's token budget. The world refuses anything else as a
 *     broken invariant.
 * P2. A job that started leaves the policy's queue; it comes again (`job-pending`) when its node is lost.
 * P3. A policy keeps its own queues. After every event it answers with all that starts now.
 */
export interface Policy {
  readonly step: (event: DispatchEvent) => readonly Start[];
  /** Models to load or unload ahead of jobs. Left out: loads happen when jobs start. */
  readonly wishes?: () => readonly MemoryWish[];
}

export interface Start {
  readonly job: JobId;
  readonly node: NodeId;
  /** The engine's name of the model. */
  readonly model: string;
}

/** How a policy is made for one run. */
export interface PolicyMaker {
  readonly name: string;
  /** Who goes where by what rule, in one sentence for a report. */
  readonly summary: string;
  /**
   * `jobs`: hears `job-pending`, `job-gone`, `attempt-ended`, `node-joined` and `node-left`, and sees the rest in
   * the world's view. `all`: hears reports, progress and a `tick` a second while jobs wait, too.
   */
  readonly hears: "jobs" | "all";
  readonly create: (world: PolicyWorld) => Policy;
}

export interface PolicyWorld {
  readonly fleet: FleetView;
  /** For choices by chance; seeded, and no other part of the world draws from it. */
  readonly random: Random;
}

/** The fleet as reported: one object whose fields change as the world goes on. */
export interface FleetView {
  readonly nowMs: () => number;
  /** In the order of the fleet; a node keeps its place while it is away. */
  readonly nodes: readonly NodeState[];
  /** Node and model of every place whose tier, capabilities and context suit the job; present or not, free or not. */
  readonly placesFor: (job: JobSpec) => readonly Place[];
  /** Whether the job could start at a place now: present, a slot free, tokens left. */
  readonly canStart: (job: JobSpec, place: Place) => boolean;
  /** Output tokens that are expected of a job: learned by member, model and endpoint as the dispatcher learns it. */
  readonly expectedOutputTokens: (job: JobSpec, model: string) => number;
  /** Expected time of a job on a place that has nothing else to do, by reported speeds, loading aside, seconds. */
  readonly aloneS: (job: JobSpec, place: Place) => number;
  /** Reported time to load the model of a place, seconds; 0 when it is in memory. */
  readonly loadS: (place: Place) => number;
}

export interface NodeState {
  readonly index: number;
  readonly id: NodeId;
  readonly name: string;
  readonly present: boolean;
  readonly slots: number;
  /** Attempts that it runs. */
  readonly running: number;
  /** Tokens of its budget that are neither used nor held; null for no limit. */
  readonly tokensLeft: number | null;
  readonly models: readonly ModelState[];
}

export interface ModelState {
  readonly index: number;
  readonly name: string;
  readonly tier: Tier;
  /** In memory, or on its way in. */
  readonly loaded: boolean;
  /** Attempts of it that the node runs. */
  readonly running: number;
  /** As reported: measured after some jobs, before that the catalogue's. */
  readonly capacity: ModelCapacity;
}

/** A model on a node. */
export interface Place {
  readonly node: NodeState;
  readonly model: ModelState;
}
