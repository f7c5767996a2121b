import type { Row } from "../run/rows.ts";
import type { PolicyData, ReportData } from "./data.ts";
import { change, duration, escaped, grouped, percent, times } from "./figures.ts";
import { standings } from "./standing.ts";

/** The tables of a report. */

const cell = (text: string): string => `<td>${text}</td>`;
const head = (names: readonly string[]): string =>
  `<thead><tr>${names.map((name) => `<th>${name}</th>`).join("")}</tr></thead>`;
const wide = (table: string): string => `<div class="wide">${table}</div>`;

/** Every mean in which another policy is ahead, with what no policy could have gone below. */
export function deficitTable(data: ReportData, ours: string): string {
  const rows = standings(rowsOf(data), ours)
    .filter(({ behind }) => behind > 0)
    .map(
      ({ load, measure, ours: own, best, behind, bound, text }) =>
        `<tr>${[
          cell(String(load)),
          cell(measure),
          cell(text(own)),
          cell(`${text(best.value)} ${escaped(best.policy)}`),
          cell(change(behind)),
          cell(`${text(bound.value)} ${bound.from}`),
          cell(times(own / bound.value)),
          cell(times(best.value / bound.value)),
        ].join("")}</tr>`,
    );
  if (rows.length === 0) return `<p>In no cell does another policy have the better mean.</p>`;
  const names = ["load", "of", "ours", "best", "behind", "bound", "ours / bound", "best / bound"];
  return wide(`<table>${head(names)}<tbody>${rows.join("\n")}</tbody></table>`);
}

export const rowsOf = ({ loads }: ReportData): readonly Row[] =>
  loads.flatMap(({ policies }) => policies.map(({ row }) => row));

export function cellTable({ loads }: ReportData, ours: string): string {
  const rows = loads.flatMap(({ load, policies }) => {
    const least = (of: (policy: PolicyData) => number): number => Math.min(...policies.map(of));
    const leastLatencyS = least(({ row }) => row.meanLatencyS);
    const leastSlowdown = least(({ row }) => row.meanSlowdown);
    return policies.map(({ row }, index) => {
      const first = index === 0 ? `<th rowspan="${policies.length}" scope="rowgroup">${load}</th>` : "";
      const classes = [index === 0 ? "first" : "", row.policy === ours ? "ours" : ""]
        .filter(Boolean)
        .join(" ");
      return `<tr class="${classes}">${first}${[
        `<td class="name">${escaped(row.policy)}</td>`,
        cell(`${duration(row.meanLatencyS)} <small>±${duration(row.spread.meanLatencyS)}</small>`),
        cell(share(row.meanLatencyS / leastLatencyS - 1)),
        cell(times(row.meanLatencyS / row.bounds.meanLatencyS)),
        cell(duration(row.p50LatencyS)),
        cell(duration(row.p99LatencyS)),
        cell(`${times(row.meanSlowdown)} <small>±${times(row.spread.meanSlowdown)}</small>`),
        cell(share(row.meanSlowdown / leastSlowdown - 1)),
        cell(times(row.meanSlowdown / row.bounds.meanSlowdown)),
        cell(times(row.p99Slowdown)),
        cell(duration(row.fairnessGapS)),
        cell(row.memberEvenness.toFixed(2)),
        cell(percent(row.completed / row.jobs)),
        cell(grouped(row.belowTier)),
      ].join("")}</tr>`;
    });
  });
  const names = [
    "load",
    "policy",
    "mean",
    "to best",
    "/ bound",
    "p50",
    "p99",
    "slowdown",
    "to best",
    "/ bound",
    "p99",
    "gap",
    "even",
    "served",
    "below tier",
  ];
  return wide(`<table class="cells">${head(names)}<tbody>${rows.join("\n")}</tbody></table>`);
}

/** The best cell of its column is marked rather than counted. */
const share = (above: number): string => (above < 5e-4 ? "<b>best</b>" : change(above));

export function capacityTable({ capacity }: ReportData): string {
  const { jobsPerSecond, nodes } = capacity;
  const hasBudgets = nodes.some(({ jobsPerToken }) => jobsPerToken > 0);
  const rows = nodes.map(({ name, count, busyShare, jobsPerMachineSecond, jobsPerToken }) => {
    const worth = jobsPerMachineSecond / jobsPerSecond;
    const cells = [cell(escaped(name)), cell(String(count)), cell(percent(busyShare)), cell(change(worth))];
    if (hasBudgets) cells.push(cell((jobsPerToken * 1e6).toPrecision(3)));
    return `<tr>${cells.join("")}</tr>`;
  });
  const names = ["node", "machines", "in use at capacity", "capacity with one more, at the margin"];
  if (hasBudgets) names.push("jobs for a million more tokens");
  return wide(`<table>${head(names)}<tbody>${rows.join("\n")}</tbody></table>`);
}
