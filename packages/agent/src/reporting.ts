import type { Machine, NodeReport } from "@coop/core";
import type { CancelTimer, Timing } from "./timing.ts";

/** Longest time between two reports, ms. */
export const REPORT_INTERVAL_MS = 10_000;
/** Shortest time between two looks at the machine, ms. */
const restMs = 1_000;
/** Time between looks for an engine that is away, ms. */
const searchIntervalMs = 3_000;
/** A look that takes longer is told to stop, ms. */
const lookLimitMs = 8_000;

/** The node at one moment. */
export interface NodeSnapshot {
  readonly machine: Machine;
  readonly report: NodeReport;
  /** Why the engine cannot serve and what to do, null while it can. */
  readonly engineProblem: string | null;
  readonly memory: NodeMemory;
  /** Models that are installed and that the owner does not let the co-op use. */
  readonly notAllowed: readonly string[];
}

/** What fills the node's memory. */
export interface NodeMemory {
  /** Free on the machine, bytes; null where models live elsewhere: on a graphics card, or a simulated machine. */
  readonly freeBytes: number | null;
  /** How much of it the owner wants to stay free, bytes. */
  readonly keepFreeBytes: number;
  readonly residents: readonly Resident[];
}

/** A model in the engine's memory. */
export interface Resident {
  readonly name: string;
  readonly bytes: number;
  /** When the engine drops it unless it is used again; each use moves it. Null when the engine does not say. */
  readonly keptUntilMs: number | null;
}

export interface ReportingDeps {
  readonly timing: Timing;
  /** Looks at machine and engine; an engine that is away is part of the answer. */
  readonly look: (signal: AbortSignal) => Promise<NodeSnapshot>;
  /** A look is done. */
  readonly onLook: (snapshot: NodeSnapshot) => void;
}

/** Looks at the node every 10 s (every 3 s while its engine is away), and soon after something changed; never twice at once. */
export class Reporting {
  readonly #deps: ReportingDeps;
  readonly #stop = new AbortController();
  #timer: CancelTimer | null = null;
  #looking: Promise<void> | null = null;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #again = false;

  constructor(deps: ReportingDeps) {
    this.#deps = deps;
  }

  /** Looks now and keeps looking. Resolves after the first look. */
  start(): Promise<void> {
    this.#look();
    return this.#looking ?? Promise.resolve();
  }

  /** Something changed: looks as soon as the last look is old enough. */
  soon(): void {
    if (this.#stop.signal.aborted) return;
    if (this.#looking !== null) this.#again = true;
    else this.#lookAfter(Math.max(0, this.#lookedAtMs + restMs - this.#deps.timing.monotonicMs()));
  }

  /** Stops looking. Resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#timer?.();
    await this.#looking;
  }

  #lookAfter(delayMs: number): void {
    this.#timer?.();
    this.#timer = this.#deps.timing.after(delayMs, () => this.#look());
  }

  #look(): void {
    this.#again = false;
    this.#lookedAtMs = this.#deps.timing.monotonicMs();
    this.#looking = this.#lookAndTell();
  }

  async #lookAndTell(): Promise<void> {
    const snapshot = await this.#lookOnce();
    this.#looking = null;
    if (this.#stop.signal.aborted) return;
    const usualMs = snapshot.engineProblem === null ? REPORT_INTERVAL_MS : searchIntervalMs;
    this.#lookAfter(this.#again ? restMs : usualMs);
    this.#deps.onLook(snapshot);
  }

  async #lookOnce(): Promise<NodeSnapshot> {
    const limit = new AbortController();
    const cancel = this.#deps.timing.after(lookLimitMs, () => limit.abort());
    try {
      return await this.#deps.look(AbortSignal.any([this.#stop.signal, limit.signal]));
    } finally {
      cancel();
    }
  }
}
