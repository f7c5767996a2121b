/** One concurrent generation, taken. */
export interface Slot {
  /** Gives the slot back; a second call changes nothing. */
  release(): void;
}

/**
 * The node's own count of concurrent generations. Engines queue what they cannot run, unbounded and
 * unseen, so the agent never sends one more than this.
 */
export interface Slots {
  readonly total: number;
  readonly free: number;
  /** Null when all are taken. */
  tryTake(): Slot | null;
  /** Changes the total, such as when the engine turns out to run another number; running ones go on. */
  resize(total: number): void;
}

export function createSlots(initialTotal: number): Slots {
  let total = initialTotal;
  let taken = 0;
  return {
    get total() {
      return total;
    },
    get free() {
      return Math.max(0, total - taken);
    },
    tryTake() {
      if (taken >= total) return null;
      taken += 1;
      let held = true;
      return {
        release() {
          if (!held) return;
          held = false;
          taken -= 1;
        },
      };
    },
    resize(next) {
      total = next;
    },
  };
}
