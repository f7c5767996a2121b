import type { Row } from "../run/rows.ts";
import { change, duration, times } from "./figures.ts";

/** How one policy's mean stands against the best of the others at a load. */
export interface Standing {
  readonly load: number;
  readonly measure: "mean latency" | "mean slowdown";
  readonly ours: number;
  readonly best: { readonly policy: string; readonly value: number };
  /** How far ours is above the best other, as a share of that; below 0 when it is better. */
  readonly behind: number;
  /** What no policy goes below, and which bound that is. */
  readonly bound: { readonly value: number; readonly from: string };
  /** For people. */
  readonly text: (value: number) => string;
}

const MEASURES = [
  {
    measure: "mean latency",
    of: (row: Row) => row.meanLatencyS,
    boundOf: ({ bounds }: Row) => ({ value: bounds.meanLatencyS, from: bounds.meanLatencyFrom }),
    text: duration,
  },
  {
    measure: "mean slowdown",
    of: (row: Row) => row.meanSlowdown,
    boundOf: ({ bounds }: Row) => ({ value: bounds.meanSlowdown, from: bounds.meanSlowdownFrom }),
    text: times,
  },
] as const;

/** Two for each load at which there are others, in the order of the loads. */
export function standings(rows: readonly Row[], ours: string): readonly Standing[] {
  const loads = [...new Set(rows.map(({ load }) => load))];
  return loads.flatMap((load) => {
    const atLoad = rows.filter((row) => row.load === load);
    const own = atLoad.find(({ policy }) => policy === ours);
    if (own === undefined) return [];
    return MEASURES.flatMap(({ measure, of, boundOf, text }) => {
      const [best] = atLoad.filter((row) => row !== own).toSorted((one, other) => of(one) - of(other));
      if (best === undefined) return [];
      const value = of(best);
      return [
        {
          load,
          measure,
          ours: of(own),
          best: { policy: best.policy, value },
          behind: of(own) / value - 1,
          bound: boundOf(own),
          text,
        },
      ];
    });
  });
}

/** One line for every mean in which another policy is ahead; empty when none is. */
export const deficitLines = (rows: readonly Row[], ours: string): readonly string[] =>
  standings(rows, ours)
    .filter(({ behind }) => behind > 0)
    .map(
      ({ load, measure, ours: own, best, behind, bound, text }) =>
        `load ${load}: ${ours} has ${text(own)} ${measure}, ${change(behind)} above ${best.policy} (${text(best.value)}); ` +
        `the bound is ${text(bound.value)} (${bound.from}): ${times(own / bound.value)} and ${times(best.value / bound.value)} times that`,
    );
