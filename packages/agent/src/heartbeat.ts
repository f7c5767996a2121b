import type { CancelTimer, Timing } from "./timing.ts";

/** Intervals without any sign of life after which a peer counts as gone. */
const missesMax = 2;

/**
 * Tells a peer that is gone from one that is quiet: asks every interval, and counts the intervals in which
 * nothing at all arrived.
 */
export class Heartbeat {
  readonly #timing: Timing;
  readonly #intervalMs: number;
  readonly #ping: () => void;
  readonly #onDead: () => void;
  #heard = true;
  #misses = 0;
  #timer: CancelTimer;

  constructor(timing: Timing, intervalMs: number, ping: () => void, onDead: () => void) {
    this.#timing = timing;
    this.#intervalMs = intervalMs;
    this.#ping = ping;
    this.#onDead = onDead;
    this.#timer = timing.after(intervalMs, () => this.#beat());
  }

  /** Something arrived from the peer. */
  heard(): void {
    this.#heard = true;
  }

  stop(): void {
    this.#timer();
  }

  #beat(): void {
    this.#misses = this.#heard ? 0 : this.#misses + 1;
    this.#heard = false;
    if (this.#misses >= missesMax) {
      this.#onDead();
      return;
    }
    this.#timer = this.#timing.after(this.#intervalMs, () => this.#beat());
    this.#ping();
  }
}
