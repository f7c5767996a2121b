// The live fleet: figures, charts and the table of machines.
import { byId, show } from "./dom.js";

/** @typedef {{ atMs: number, outputRate: number, possibleRate: number, waiting: number }} Beat */

const rateText = (/** @type {number} */ rate) => rate.toFixed(rate < 100 ? 1 : 0);

const HISTORY_BEATS = 600;

/** @param {string} name */
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/**
 * @param {HTMLElement} place
 * @param {{ label: string, stroke: string, fill?: string }[]} lines
 */
function chartIn(place, lines) {
  const axis = {
    stroke: color("--faint"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
  };
  // @ts-expect-error uPlot comes from a script of its own
  const chart = new uPlot(
    {
      width: place.clientWidth,
      height: place.clientHeight - 28,
      cursor: { y: false },
      legend: { live: false },
      scales: {
        y: {
          range: (/** @type {unknown} */ _, /** @type {number} */ __, /** @type {number} */ most) => [
            0,
            Math.max(1, most * 1.1),
          ],
        },
      },
      axes: [axis, { ...axis, size: 46 }],
      series: [{}, ...lines.map((line) => ({ ...line, width: 2, points: { show: false } }))],
    },
    [[], ...lines.map(() => [])],
    place,
  );
  new ResizeObserver(() =>
    chart.setSize({ width: place.clientWidth, height: place.clientHeight - 28 }),
  ).observe(place);
  return chart;
}

/** Over so many beats a rate is averaged: output comes in bursts. */
const SMOOTHED_BEATS = 5;

/** @param {number[]} values */
const smoothed = (values) =>
  values.map((_, index) => {
    const window = values.slice(Math.max(0, index - SMOOTHED_BEATS + 1), index + 1);
    return window.reduce((sum, value) => sum + value, 0) / window.length;
  });

export function followFleet() {
  const ratePlace = byId("rate-chart");
  const waitingPlace = byId("waiting-chart");
  if (ratePlace === null || waitingPlace === null) return;
  /** @type {Beat[]} */
  const beats = JSON.parse(ratePlace.dataset["history"] ?? "[]");
  const rates = chartIn(ratePlace, [
    { label: "output", stroke: color("--accent"), fill: `${color("--accent")}33` },
    { label: "possible", stroke: color("--faint") },
  ]);
  const waiting = chartIn(waitingPlace, [
    { label: "waiting", stroke: color("--warn"), fill: `${color("--warn")}33` },
  ]);
  const draw = () => {
    const times = beats.map(({ atMs }) => atMs / 1000);
    rates.setData([
      times,
      smoothed(beats.map(({ outputRate }) => outputRate)),
      beats.map(({ possibleRate }) => possibleRate),
    ]);
    waiting.setData([times, beats.map((beat) => beat.waiting)]);
  };
  draw();

  const events = new EventSource("/page/live");
  events.addEventListener("fleet", ({ data }) => {
    const fleet = JSON.parse(data);
    if (beats.at(-1)?.atMs === fleet.atMs) return;
    beats.push(fleet);
    if (beats.length > HISTORY_BEATS) beats.shift();
    show("connected", String(fleet.connected));
    show("running", `${fleet.running} of ${fleet.slots}`);
    show(
      "rate",
      rateText(smoothed(beats.slice(-SMOOTHED_BEATS).map(({ outputRate }) => outputRate)).at(-1) ?? 0),
    );
    show("possible", rateText(fleet.possibleRate));
    show("waiting", String(fleet.waiting));
    const rows = document.querySelector("#machines tbody");
    // Made by this server, which escapes what it writes.
    if (rows !== null && rows.innerHTML !== fleet.rows) rows.innerHTML = fleet.rows;
    draw();
  });
}
