import type { Tier } from "@coop/core";
import type { Distribution, LoadData, PolicyData } from "./data.ts";
import { escaped, roundTime } from "./figures.ts";
import { coordinate, logScale } from "./scale.ts";
import type { Scale } from "./scale.ts";

/**
 * The policies at one load, a row each, the quickest first: on the left how long jobs took, on the right how many times
 * as long as alone, by tier.
 */

const LABELS_WIDTH = 158;
const PANEL_WIDTH = 390;
const PANEL_GAP = 46;
const ROW_HEIGHT = 24;
const TOP = 34;
const BOTTOM = 30;
const LEFT_PANEL = { from: LABELS_WIDTH, to: LABELS_WIDTH + PANEL_WIDTH };
const RIGHT_PANEL = { from: LEFT_PANEL.to + PANEL_GAP, to: LEFT_PANEL.to + PANEL_GAP + PANEL_WIDTH };
const WIDTH = RIGHT_PANEL.to + 12;

/** @param ours the policy whose row is marked */
export function policyChart({ load, policies }: LoadData, ours: string): string {
  const rows = policies.toSorted((one, other) => one.row.meanLatencyS - other.row.meanLatencyS);
  const bounds = rows[0]?.row.bounds;
  const height = TOP + rows.length * ROW_HEIGHT + BOTTOM;
  const latency = logScale(
    rows.flatMap(({ latencyS }) => [latencyS.p5, latencyS.p99, latencyS.mean]),
    LEFT_PANEL.from,
    LEFT_PANEL.to,
    "seconds",
  );
  const slowdown = logScale(
    [1, ...rows.flatMap(({ slowdownByTier }) => slowdownByTier.map((tier) => tier.mean))],
    RIGHT_PANEL.from,
    RIGHT_PANEL.to,
    "factors",
  );
  const bottom = height - BOTTOM;
  return [
    `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Latency and slowdown of every policy at load ${load}">`,
    `<text class="panel" x="${LEFT_PANEL.from}" y="12">Latency: 5-95 %, middle half, median, mean ◆, 99 % ○</text>`,
    `<text class="panel" x="${RIGHT_PANEL.from}" y="12">Mean slowdown for ${tierLegend(rows)}</text>`,
    axis(latency, bottom, roundTime),
    axis(slowdown, bottom, String),
    bounds === undefined ? "" : boundLine(latency.at(bounds.meanLatencyS), bottom),
    bounds === undefined ? "" : boundLine(slowdown.at(bounds.meanSlowdown), bottom),
    ...rows.map((row, index) =>
      policyRow(row, TOP + index * ROW_HEIGHT, row.row.policy === ours, latency, slowdown),
    ),
    `<text class="note" x="0" y="${height - 4}">Dashed: what no policy's mean goes below.</text>`,
    "</svg>",
  ].join("\n");
}

function policyRow(
  { row, latencyS, slowdownByTier }: PolicyData,
  top: number,
  isOurs: boolean,
  latency: Scale,
  slowdown: Scale,
): string {
  const middle = top + ROW_HEIGHT / 2;
  return [
    `<g class="${isOurs ? "ours" : "other"}">`,
    isOurs ? `<rect class="mark" x="0" y="${top}" width="${WIDTH}" height="${ROW_HEIGHT}" rx="4"/>` : "",
    `<text class="label" x="8" y="${middle + 4}">${escaped(row.policy)}</text>`,
    strip(latencyS, middle, latency),
    tierDots(slowdownByTier, middle, slowdown),
    "</g>",
  ].join("");
}

function strip(latencyS: Distribution, y: number, { at }: Scale): string {
  const x = (value: number): string => coordinate(at(value));
  const boxFrom = at(latencyS.p25);
  const box = coordinate(Math.max(1, at(latencyS.p75) - boxFrom));
  const mean = at(latencyS.mean);
  const diamond = [
    [mean - 4.5, y],
    [mean, y - 4.5],
    [mean + 4.5, y],
    [mean, y + 4.5],
  ]
    .map((point) => point.map(coordinate).join())
    .join(" ");
  return [
    `<line class="range" x1="${x(latencyS.p5)}" x2="${x(latencyS.p95)}" y1="${y}" y2="${y}"/>`,
    `<rect class="box" x="${coordinate(boxFrom)}" y="${y - 5}" width="${box}" height="10" rx="2"/>`,
    `<line class="median" x1="${x(latencyS.p50)}" x2="${x(latencyS.p50)}" y1="${y - 6}" y2="${y + 6}"/>`,
    `<circle class="tail" cx="${x(latencyS.p99)}" cy="${y}" r="3.2"/>`,
    `<polygon class="mean" points="${diamond}"/>`,
  ].join("");
}

function tierDots(tiers: PolicyData["slowdownByTier"], y: number, { at }: Scale): string {
  const means = tiers.map(({ mean }) => at(mean));
  const from = coordinate(Math.min(...means));
  const to = coordinate(Math.max(...means));
  const dots = tiers.map(
    ({ tier, mean }) => `<circle class="${tier}" cx="${coordinate(at(mean))}" cy="${y}" r="4.6"/>`,
  );
  return `<line class="span" x1="${from}" x2="${to}" y1="${y}" y2="${y}"/>${dots.join("")}`;
}

function tierLegend(rows: readonly PolicyData[]): string {
  const tiers = new Set<Tier>(rows.flatMap(({ slowdownByTier }) => slowdownByTier.map(({ tier }) => tier)));
  return Array.from(tiers, (tier) => `<tspan class="${tier}" dx="7">●</tspan> ${tier}`).join("");
}

function axis({ at, ticks }: Scale, bottom: number, text: (value: number) => string): string {
  return ticks
    .map((tick) => {
      const x = coordinate(at(tick));
      return (
        `<line class="grid" x1="${x}" x2="${x}" y1="${TOP - 8}" y2="${bottom}"/>` +
        `<text class="tick" text-anchor="middle" x="${x}" y="${bottom + 14}">${text(tick)}</text>`
      );
    })
    .join("");
}

const boundLine = (x: number, bottom: number): string =>
  `<line class="bound" x1="${coordinate(x)}" x2="${coordinate(x)}" y1="${TOP - 8}" y2="${bottom}"/>`;
