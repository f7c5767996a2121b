import type { Row } from "./rows.ts";

/** The rows for people: one block a load, with what no policy goes below in its first line. */
export function tableOf(rows: readonly Row[]): string {
  const loads = [...new Set(rows.map(({ load }) => load))];
  return loads.map((load) => blockOf(rows.filter((row) => row.load === load))).join("\n");
}

function blockOf(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return "";
  const { bounds, load } = first;
  const nodes = Object.keys(first.utilisation);
  const shown = nodes.length <= 6 ? nodes : [];
  const title =
    `load ${load}: ${(load * bounds.capacityJobsPerSecond).toPrecision(3)} jobs/s; no policy is below ` +
    `${seconds(bounds.meanLatencyS)} mean (${bounds.meanLatencyFrom}) or slowdown ${factor(bounds.meanSlowdown)} ` +
    `(${bounds.meanSlowdownFrom})`;
  const header = ["policy", "mean", "p50", "p99", "slowdown", "p99", "gap", "served", "below", ...shown];
  const lines = rows.map((row) => [
    row.policy,
    `${seconds(row.meanLatencyS)} ±${row.spread.meanLatencyS.toPrecision(2)}`,
    seconds(row.p50LatencyS),
    seconds(row.p99LatencyS),
    `${factor(row.meanSlowdown)} ±${row.spread.meanSlowdown.toPrecision(2)}`,
    factor(row.p99Slowdown),
    seconds(row.fairnessGapS),
    percent(row.completed / row.jobs),
    String(row.belowTier),
    ...shown.map((name) => percent(row.utilisation[name] ?? 0)),
  ]);
  const bands = rows.flatMap((row) =>
    Object.entries(row.bands ?? {}).map(
      ([band, { meanLatencyS, meanSlowdown }]) =>
        `  ${row.policy}: ${band} work ${seconds(meanLatencyS)}, slowdown ${factor(meanSlowdown)}`,
    ),
  );
  const budgets = rows.flatMap((row) =>
    Object.entries(row.budgets).map(
      ([node, { spentShare, allowedTokens, hourlyMostOff }]) =>
        `  ${row.policy}: ${node} spent ${percent(spentShare)} of ${Math.round(allowedTokens)} tokens` +
        (hourlyMostOff === null ? "" : `, an hour at most ${percent(hourlyMostOff)} off an even plan`),
    ),
  );
  const leftOut =
    first.leftOut > 0 ? [`  left out: ${first.leftOut} requests that no node could ever serve`] : [];
  return [title, ...leftOut, ...aligned([header, ...lines]), ...bands, ...budgets, ""].join("\n");
}

function aligned(lines: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const line of lines) {
    for (const [place, cell] of line.entries()) widths[place] = Math.max(widths[place] ?? 0, cell.length);
  }
  return lines.map((line) =>
    line
      .map((cell, place) => (place === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[place] ?? 0)))
      .join("  "),
  );
}

const seconds = (value: number): string => (value < 100 ? value.toFixed(2) : value.toFixed(0)) + " s";
const factor = (value: number): string => (value < 100 ? value.toFixed(2) : value.toFixed(0));
const percent = (value: number): string => `${(value * 100).toFixed(value < 0.995 ? 1 : 0)} %`;
