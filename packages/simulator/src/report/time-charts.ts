import type { PolicyData } from "./data.ts";
import { duration, escaped, percent } from "./figures.ts";
import { coordinate, linearScale } from "./scale.ts";

/** What one policy did over the time of a run. */

const WIDTH = 500;
const NODE_HEIGHT = 18;
const NODE_LABELS = 120;
const NODES_MAX = 16;
const RIGHT = 46;

/** Each node a row, each bucket of time a cell: the darker, the more of it the node was in use. */
export function useChart({ use }: PolicyData): string {
  const nodes = use.nodes.slice(0, NODES_MAX);
  const height = nodes.length * NODE_HEIGHT + 26;
  const buckets = Math.max(1, ...nodes.map(({ shares }) => shares.length));
  const cell = (WIDTH - NODE_LABELS - RIGHT) / buckets;
  const rows = nodes.map(({ name, shares }, index) => {
    const y = index * NODE_HEIGHT;
    const mean = shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
    const cells = shares.map((share, bucket) =>
      share < 0.005
        ? ""
        : `<rect class="busy" x="${coordinate(NODE_LABELS + bucket * cell)}" y="${y + 1}" width="${coordinate(cell + 0.2)}" height="${NODE_HEIGHT - 2}" opacity="${share.toFixed(2)}"/>`,
    );
    return [
      `<text class="label" x="0" y="${y + 13}">${escaped(name)}</text>`,
      `<rect class="track" x="${NODE_LABELS}" y="${y + 1}" width="${WIDTH - NODE_LABELS - RIGHT}" height="${NODE_HEIGHT - 2}"/>`,
      ...cells,
      `<text class="tick" x="${WIDTH}" y="${y + 13}" text-anchor="end">${percent(mean)}</text>`,
    ].join("");
  });
  const hidden = use.nodes.length - nodes.length;
  const end = duration(buckets * use.bucketS);
  return [
    `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Use of each node over time">`,
    ...rows,
    `<text class="tick" x="${NODE_LABELS}" y="${height - 8}">0</text>`,
    `<text class="tick" x="${WIDTH - RIGHT}" y="${height - 8}" text-anchor="end">${end}</text>`,
    hidden > 0 ? `<text class="tick" x="0" y="${height - 8}">and ${hidden} more</text>` : "",
    "</svg>",
  ].join("\n");
}

const GAP_HEIGHT = 168;
const GAP_LABELS = 176;

/** A bound so many times above what was seen is left to the words. */
const BOUND_SHOWN = 2.5;

/** The largest gap in service so far, of every policy. What is far beyond the others runs along the top. */
export function gapChart(policies: readonly PolicyData[], ours: string): string {
  const finals = policies.map(({ gap }) => gap.at(-1)?.[1] ?? 0).toSorted((one, other) => one - other);
  const own = policies.find(({ row }) => row.policy === ours)?.gap.at(-1)?.[1] ?? 0;
  const usual = finals[Math.floor(finals.length / 2)] ?? 0;
  const seen = Math.max(1, Math.min(finals.at(-1) ?? 0, 1.6 * Math.max(own, usual)));
  const boundS = policies.find(({ row }) => row.policy === ours)?.row.fairnessBoundS ?? Infinity;
  const isShown = boundS <= BOUND_SHOWN * seen;
  const most = isShown ? Math.max(seen, 1.05 * boundS) : seen;
  const endS = shownS(policies);
  const plot = { left: 40, right: WIDTH - GAP_LABELS, top: 8, bottom: GAP_HEIGHT - 22 };
  const time = linearScale(endS, plot.left, plot.right);
  const gap = linearScale(most, plot.bottom, plot.top);
  const sorted = policies.toSorted(
    (one, other) => Number(one.row.policy === ours) - Number(other.row.policy === ours),
  );
  const lines = sorted.map(({ gap: points, row }) => {
    let path = `M${coordinate(time.at(0))} ${coordinate(gap.at(0))}`;
    for (const [atS, gapS] of points.filter(([pointS]) => pointS <= endS))
      path += `H${coordinate(time.at(atS))}V${coordinate(gap.at(Math.min(most, gapS)))}`;
    path += `H${plot.right}`;
    return `<path class="${row.policy === ours ? "line ours" : "line"}" d="${path}"/>`;
  });
  const labels = apart(
    policies.map(({ gap: points, row }) => ({
      text: `${row.policy} ${duration(points.at(-1)?.[1] ?? 0)}`,
      isOurs: row.policy === ours,
      y: gap.at(Math.min(most, points.at(-1)?.[1] ?? 0)),
    })),
    plot.top,
    plot.bottom,
  );
  return [
    `<svg viewBox="0 0 ${WIDTH} ${GAP_HEIGHT}" role="img" aria-label="Largest gap in service between two waiting members">`,
    ...gap.ticks.map(
      (tick) =>
        `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${coordinate(gap.at(tick))}" y2="${coordinate(gap.at(tick))}"/>` +
        `<text class="tick" x="${plot.left - 5}" y="${coordinate(gap.at(tick) + 4)}" text-anchor="end">${tick}</text>`,
    ),
    isShown
      ? `<line class="bound" x1="${plot.left}" x2="${plot.right}" y1="${coordinate(gap.at(boundS))}" y2="${coordinate(gap.at(boundS))}"/>`
      : "",
    ...lines,
    ...labels.map(
      ({ text, isOurs, y }) =>
        `<text class="${isOurs ? "end ours" : "end"}" x="${plot.right + 6}" y="${coordinate(y + 3)}">${escaped(text)}</text>`,
    ),
    `<text class="tick" x="${plot.left}" y="${GAP_HEIGHT - 6}">0</text>`,
    `<text class="tick" x="${plot.right}" y="${GAP_HEIGHT - 6}" text-anchor="end">${duration(endS)}</text>`,
    "</svg>",
  ].join("\n");
}

/** How long the first policy took; others may take much longer, with nothing new to see. */
function shownS([first]: readonly PolicyData[]): number {
  const buckets = first?.use.nodes.map(({ shares }) => shares.length) ?? [];
  return (first?.use.bucketS ?? 1) * Math.max(1, ...buckets);
}

const LABEL_HEIGHT = 11.5;

/** Moves labels apart so that none covers another: up from the bottom, then down again from the top. */
function apart<T extends { readonly y: number }>(labels: readonly T[], top: number, bottom: number): T[] {
  const lowestFirst = labels.toSorted((one, other) => other.y - one.y);
  let free = bottom + LABEL_HEIGHT;
  const raised = lowestFirst.map((label) => {
    free = Math.min(label.y, free - LABEL_HEIGHT);
    return { ...label, y: free };
  });
  let taken = top - LABEL_HEIGHT;
  return raised.toReversed().map((label) => {
    taken = Math.max(label.y, taken + LABEL_HEIGHT);
    return { ...label, y: taken };
  });
}

const BUDGET_HEIGHT = 170;
const DAY_S = 86_400;

/** Tokens used of a node's daily budget against spending it evenly. */
export function budgetChart({ node, tokensPerDay, bucketS, tokens }: PolicyData["spending"][number]): string {
  const endS = tokens.length * bucketS;
  const plot = { left: 46, right: WIDTH - 10, top: 10, bottom: BUDGET_HEIGHT - 24 };
  const time = linearScale(endS, plot.left, plot.right);
  const share = linearScale(1, plot.bottom, plot.top, 4);
  let usedTokens = 0;
  let day = 0;
  let path = `M${plot.left} ${plot.bottom}`;
  for (const [bucket, used] of tokens.entries()) {
    const bucketDay = Math.floor((bucket * bucketS) / DAY_S);
    if (bucketDay !== day) {
      day = bucketDay;
      usedTokens = 0;
      path += `V${plot.bottom}`;
    }
    usedTokens += used;
    path += `L${coordinate(time.at((bucket + 1) * bucketS))} ${coordinate(share.at(Math.min(1, usedTokens / tokensPerDay)))}`;
  }
  const days = Array.from({ length: Math.ceil(endS / DAY_S) }, (_, index) => index * DAY_S);
  const plan = days.map((fromS) => {
    const untilS = Math.min(endS, fromS + DAY_S);
    const until = share.at((untilS - fromS) / DAY_S);
    return `M${coordinate(time.at(fromS))} ${plot.bottom}L${coordinate(time.at(untilS))} ${coordinate(until)}`;
  });
  return [
    `<svg viewBox="0 0 ${WIDTH} ${BUDGET_HEIGHT}" role="img" aria-label="Token budget of ${escaped(node)}">`,
    ...share.ticks.map(
      (tick) =>
        `<line class="grid" x1="${plot.left}" x2="${plot.right}" y1="${coordinate(share.at(tick))}" y2="${coordinate(share.at(tick))}"/>` +
        `<text class="tick" x="${plot.left - 5}" y="${coordinate(share.at(tick) + 4)}" text-anchor="end">${percent(tick)}</text>`,
    ),
    `<path class="bound" d="${plan.join("")}"/>`,
    `<path class="line ours" d="${path}"/>`,
    `<text class="tick" x="${plot.right}" y="${BUDGET_HEIGHT - 6}" text-anchor="end">${duration(endS)}</text>`,
    "</svg>",
  ].join("\n");
}
