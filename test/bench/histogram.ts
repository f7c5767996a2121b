/** Counts up to each upper bound, as Prometheus' text format has them. */
export type Histogram = readonly { readonly upTo: number; readonly count: number }[];

/**
 * A histogram, summed over its other labels.
 * @throws Error when the text has no such histogram
 */
export function histogramOf(text: string, name: string): Histogram {
  const line = new RegExp(`^${name}_bucket\\{(?:[^}]*,)?le="([^"]+)"[^}]*\\} (\\d+)$`, "gm");
  const counts = new Map<number, number>();
  for (const [, bound = "", count = ""] of text.matchAll(line)) {
    const upTo = bound === "+Inf" ? Infinity : Number(bound);
    counts.set(upTo, (counts.get(upTo) ?? 0) + Number(count));
  }
  if (counts.size === 0) throw new Error(`there is no histogram ${name}`);
  return Array.from(counts, ([upTo, count]) => ({ upTo, count })).toSorted((a, b) => a.upTo - b.upTo);
}

/** Quantile of what came between two readings; within a bucket in proportion, NaN when nothing came. */
export function quantileBetween(before: Histogram, after: Histogram, share: number): number {
  const grown = after.map(({ upTo, count }, index) => ({ upTo, count: count - (before[index]?.count ?? 0) }));
  const wanted = (grown.at(-1)?.count ?? 0) * share;
  let [below, from] = [0, 0];
  for (const { upTo, count } of grown) {
    if (count >= wanted && count > below) return from + ((upTo - from) * (wanted - below)) / (count - below);
    [below, from] = [count, upTo];
  }
  return Number.NaN;
}
