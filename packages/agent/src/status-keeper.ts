import { OperationalError } from "@coop/core";
import type { Log } from "@coop/core";
import { removeStatus, writeStatus } from "./status.ts";
import type { AgentStatus } from "./status.ts";
import type { CancelTimer, Timing } from "./timing.ts";

/** Shortest time between two writes, ms. */
const restMs = 1_000;
/** A status that did not change is written again after this, to show that the agent lives, ms. */
export const STATUS_RENEWAL_MS = 60_000;

export interface StatusKeeperDeps {
  readonly home: string;
  readonly timing: Timing;
  readonly log: Log;
  readonly status: () => AgentStatus;
}

/** Keeps the status file true, sparing the disk: machines such as a Raspberry Pi write to a memory card. */
export class StatusKeeper {
  readonly #deps: StatusKeeperDeps;
  #timer: CancelTimer | null = null;
  #writing: Promise<void> = Promise.resolve();
  #written = { text: "", atMs: 0 };
  #closed = false;

  constructor(deps: StatusKeeperDeps) {
    this.#deps = deps;
  }

  /** Writes the first status: from here on, another agent would find this one. */
  async open(): Promise<void> {
    this.#writing = this.#write();
    await this.#writing;
  }

  /** The status may be another one now. */
  changed(): void {
    if (this.#closed || this.#timer !== null) return;
    this.#timer = this.#deps.timing.after(restMs, () => {
      this.#timer = null;
      this.#writing = this.#write(this.#writing);
    });
  }

  /** Removes the file: the agent is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.();
    await this.#writing;
    await removeStatus(this.#deps.home);
  }

  async #write(last?: Promise<void>): Promise<void> {
    const { home, log, timing } = this.#deps;
    await last;
    const status = this.#deps.status();
    const text = JSON.stringify({ ...status, updatedAtMs: 0 });
    const atMs = timing.monotonicMs();
    if (text === this.#written.text && atMs - this.#written.atMs < STATUS_RENEWAL_MS) return;
    this.#written = { text, atMs };
    try {
      await writeStatus(home, status);
    } catch (error) {
      if (!(error instanceof OperationalError)) throw error;
      log.warn({ problem: error.message }, "`agent status` will not know how this agent is");
    }
  }
}
