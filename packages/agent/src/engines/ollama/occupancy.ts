import type { Timing } from "../../timing.ts";

/** Counts the generations of each model that decode at once, as the learning of batch factors needs it. */
export interface Occupancy {
  enter(model: string): Stay;
}

/** One generation in its model's batch. */
export interface Stay {
  /** Ends the stay and answers the mean number of generations during it, this one included; again, the same. */
  leave(): number;
}

interface Batch {
  size: number;
  /** Generations x ms so far. */
  area: number;
  changedAtMs: number;
}

export function createOccupancy(timing: Timing): Occupancy {
  const batches = new Map<string, Batch>();

  const change = (batch: Batch, by: number): number => {
    const nowMs = timing.monotonicMs();
    batch.area += batch.size * (nowMs - batch.changedAtMs);
    batch.changedAtMs = nowMs;
    batch.size += by;
    return batch.area;
  };

  return {
    enter(model) {
      const nowMs = timing.monotonicMs();
      const batch = batches.get(model) ?? { size: 0, area: 0, changedAtMs: nowMs };
      batches.set(model, batch);
      const areaAtEntry = change(batch, 1);
      let mean: number | null = null;
      return {
        leave() {
          if (mean !== null) return mean;
          const sizeBefore = batch.size;
          const area = change(batch, -1) - areaAtEntry;
          if (batch.size === 0) batches.delete(model);
          const stayedMs = batch.changedAtMs - nowMs;
          mean = Math.max(1, stayedMs > 0 ? area / stayedMs : sizeBefore);
          return mean;
        },
      };
    },
  };
}
