import type { Timing } from "../../timing.ts";

/**
 * Counts what works on the machine at once, as the learning of speeds needs it: each prompt that is processed takes
 * its turns, and so does each model's batch of decoding generations.
 */
export interface Occupancy {
  /** A prompt begins to be processed; answers, at the end, how many took turns. */
  read(): Stay<number>;
  /** A generation begins to decode in its model's batch. */
  decode(model: string): Stay<Batched>;
}

/** One piece of work on the machine. */
export interface Stay<Mean> {
  /** Ends the stay and answers the means over it; again, the same. */
  leave(): Mean;
}

export interface Batched {
  /** Mean number of generations in the batch, this one included. */
  readonly occupancy: number;
  /** Mean number of prompts and batches that took turns, this batch included. */
  readonly sharers: number;
}

/** A number that changes with time. */
interface Level {
  value: number;
  /** Value x ms so far. */
  area: number;
  changedAtMs: number;
}

export function createOccupancy(timing: Timing): Occupancy {
  const turns: Level = { value: 0, area: 0, changedAtMs: timing.monotonicMs() };
  const batches = new Map<string, Level>();

  const change = (level: Level, by: number): number => {
    const nowMs = timing.monotonicMs();
    level.area += level.value * (nowMs - level.changedAtMs);
    level.changedAtMs = nowMs;
    level.value += by;
    return level.area;
  };
  /** Raises a level until the stay is over, and answers its mean over the stay. */
  const enter = (level: Level, by: number): (() => number) => {
    const areaAtEntry = change(level, by);
    const enteredAtMs = level.changedAtMs;
    return () => {
      const atEnd = level.value;
      const area = change(level, -by) - areaAtEntry;
      const stayedMs = level.changedAtMs - enteredAtMs;
      return Math.max(1, stayedMs > 0 ? area / stayedMs : atEnd);
    };
  };
  const once = <Mean>(leave: () => Mean): Stay<Mean> => {
    let mean: { readonly value: Mean } | null = null;
    return { leave: () => (mean ??= { value: leave() }).value };
  };

  return {
    read: () => once(enter(turns, 1)),
    decode(model) {
      const batch = batches.get(model) ?? { value: 0, area: 0, changedAtMs: timing.monotonicMs() };
      batches.set(model, batch);
      const leaveBatch = enter(batch, 1);
      if (batch.value === 1) change(turns, 1);
      const leaveTurns = enter(turns, 0);
      return once(() => {
        const sharers = leaveTurns();
        const occupancy = leaveBatch();
        if (batch.value === 0) {
          change(turns, -1);
          batches.delete(model);
        }
        return { occupancy, sharers };
      });
    },
  };
}
