import type { LoadData, PolicyData, ReportData } from "./data.ts";
import { duration, escaped, percent, times } from "./figures.ts";
import { policyChart } from "./policy-chart.ts";
import { STYLE } from "./style.ts";
import { standings } from "./standing.ts";
import { capacityTable, cellTable, deficitTable, rowsOf } from "./tables.ts";
import { budgetChart, gapChart, useChart } from "./time-charts.ts";

/**
 * The report as one page that needs nothing else: no script, no font, no picture from elsewhere. The same data give the
 * same bytes.
 */
export function reportPage(data: ReportData): string {
  const ours = data.policies[0]?.name ?? "";
  return `${[
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    "<title>Placement, simulated</title>",
    `<style>${STYLE}</style>`,
    "</head>",
    "<body><main>",
    "<header>",
    "<h1>Placement, simulated</h1>",
    ...data.setting.map((line) => `<p class="setting">${escaped(line)}</p>`),
    "</header>",
    verdicts(data, ours),
    ...data.loads.map((load) => loadSection(load, ours)),
    capacitySection(data),
    "<section><h2>Where another policy is ahead</h2>",
    deficitTable(data, ours),
    "</section>",
    "<section><h2>All cells</h2>",
    "<p>Means over the seeds with their standard deviation. <i>To best</i>: above the best policy of the load. ",
    "<i>/ bound</i>: times what no policy goes below. <i>Even</i>: Jain's index of the members' mean slowdowns.</p>",
    cellTable(data, ours),
    "</section>",
    policySection(data),
    "</main></body>",
    "</html>",
  ].join("\n")}\n`;
}

function verdicts(data: ReportData, ours: string): string {
  const all = standings(rowsOf(data), ours);
  const cards = data.loads.map(({ load }) => {
    const lines = all
      .filter((standing) => standing.load === load)
      .map(({ measure, ours: own, best, behind, text }) => {
        const side = behind > 0 ? "behind" : "ahead of";
        const kind = behind > 0 ? "worse" : "better";
        return (
          `<dt>${measure}</dt><dd><b>${text(own)}</b> ` +
          `<span class="${kind}">${percent(Math.abs(behind))} ${side}</span> ${escaped(best.policy)}</dd>`
        );
      });
    return lines.length === 0
      ? ""
      : `<div class="card"><h3>Load ${load}</h3><dl>${lines.join("")}</dl></div>`;
  });
  if (cards.every((card) => card === "")) return "";
  return `<section class="cards" aria-label="${escaped(ours)} against the best of the others">${cards.join("")}</section>`;
}

function loadSection(load: LoadData, ours: string): string {
  const own = load.policies.find(({ row }) => row.policy === ours);
  const bounds = own?.row.bounds;
  const facts =
    bounds === undefined
      ? ""
      : `${(load.load * bounds.capacityJobsPerSecond).toPrecision(3)} jobs a second. No policy's mean is below ` +
        `${duration(bounds.meanLatencyS)} (${bounds.meanLatencyFrom}) or ${times(bounds.meanSlowdown)} times the time ` +
        `alone (${bounds.meanSlowdownFrom}).`;
  return [
    `<section><h2>Load ${load.load}</h2>`,
    `<p>${facts}</p>`,
    `<figure class="wide">${policyChart(load, ours)}</figure>`,
    '<div class="pair">',
    own === undefined
      ? ""
      : `<figure><figcaption>Use of each node over time, ${escaped(ours)}</figcaption>${useChart(own)}</figure>`,
    `<figure><figcaption>Largest gap in service between two waiting members so far, reference-seconds${promise(own)}</figcaption>${gapChart(load.policies, ours)}</figure>`,
    ...(own?.spending ?? []).map(
      (spending) =>
        `<figure><figcaption>Token budget of ${escaped(spending.node)}: spent against an even plan (dashed)</figcaption>${budgetChart(spending)}</figure>`,
    ),
    "</div></section>",
  ].join("\n");
}

/** What the dispatcher's fair order promises. */
const promise = (own: PolicyData | undefined): string =>
  own === undefined ? "" : `; ${escaped(own.row.policy)} stays below ${duration(own.row.fairnessBoundS)}`;

function capacitySection(data: ReportData): string {
  const { jobsPerSecond, unservableShare } = data.capacity;
  const unservable =
    unservableShare > 0 ? ` ${percent(unservableShare)} of the jobs are beyond every node and left out.` : "";
  return [
    "<section><h2>What the fleet could serve</h2>",
    `<p>At most ${jobsPerSecond.toPrecision(3)} jobs a second of this mix: load 1. Work counts as divisible at will, in `,
    `full batches, with every model in memory and no prompt in a cache.${unservable}</p>`,
    capacityTable(data),
    "</section>",
  ].join("\n");
}

function policySection({ policies }: ReportData): string {
  const items = policies.map(({ name, summary }) => `<dt>${escaped(name)}</dt><dd>${escaped(summary)}</dd>`);
  return `<section><h2>Policies</h2><dl class="policies">${items.join("\n")}</dl></section>`;
}
