/** Longest loop that is looked for, pieces of output. */
const PERIOD_MAX = 128;
/** A loop is cut when it has gone on for this many pieces, and this many rounds. */
const RUN_MIN = 512;
const ROUNDS_MIN = 8;

/** Watches output for a model that has fallen into a loop. */
export interface RepetitionWatch {
  /** True once the output has repeated itself for long enough that nothing else is to be expected. */
  sees(piece: string): boolean;
}

/**
 * Counts, for each period up to 128 pieces, for how many pieces on end the output has equalled itself one
 * period before. Some 130 comparisons a piece; a legitimate table or list differs from row to row.
 */
export function createRepetitionWatch(): RepetitionWatch {
  const recent: string[] = [];
  const runs = new Uint32Array(PERIOD_MAX + 1);
  let next = 0;
  return {
    sees(piece) {
      let looping = false;
      for (let period = 1; period <= PERIOD_MAX; period += 1) {
        const before = recent[(next - period + PERIOD_MAX) % PERIOD_MAX];
        const run = before === piece ? (runs[period] ?? 0) + 1 : 0;
        runs[period] = run;
        if (run >= Math.max(RUN_MIN, ROUNDS_MIN * period)) looping = true;
      }
      recent[next] = piece;
      next = (next + 1) % PERIOD_MAX;
      return looping;
    },
  };
}
