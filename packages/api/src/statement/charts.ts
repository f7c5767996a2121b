import type { QuotaFigures, UsageGroup } from "@coop/core";
import { daysOfMonth, tokensOf } from "@coop/core";
import { html } from "hono/html";
import { count, percent, roughly } from "./figures.ts";

/**
 * Drawings of a statement as inline SVG. Places along a line are percentages and heights are pixels, so that a
 * drawing is as wide as its page and its letters keep their size. Pure: no I/O.
 */

export type Html = ReturnType<typeof html>;

const PLOT_HEIGHT = 168;
/** Room above the highest bar for the figure of its line. */
const PLOT_TOP = 20;
const AXIS_HEIGHT = 22;
/** Of the room that a day has, what its bar leaves free. */
const DAY_GAP = 0.22;
const DAYS_NAMED_EVERY = 5;

const place = (share: number): string => `${(share * 100).toFixed(3)}%`;

/** Tokens in and out of each day of a month, one on the other. @param month `YYYY-MM` */
export function tokensByDay(month: string, groups: readonly UsageGroup[]): Html {
  const days = daysOfMonth(month);
  const byDay = new Map(groups.map((group) => [group.key, group]));
  const highest = Math.max(0, ...groups.map(tokensOf));
  const top = niceCeiling(highest);
  const heightOf = (tokens: number): number => (top === 0 ? 0 : (tokens / top) * (PLOT_HEIGHT - PLOT_TOP));
  const bars = days.map((day, index) => {
    const group = byDay.get(day);
    if (group === undefined || tokensOf(group) === 0) return "";
    const [inHeight, outHeight] = [heightOf(group.promptTokens), heightOf(group.outputTokens)];
    const at = place((index + DAY_GAP / 2) / days.length);
    const width = place((1 - DAY_GAP) / days.length);
    return html`<g>
      <title>${day}: ${count(group.promptTokens)} in, ${count(group.outputTokens)} out</title>
      <rect class="in" x="${at}" width="${width}" ${vertical(PLOT_HEIGHT - inHeight, inHeight)}></rect>
      <rect
        class="out"
        x="${at}"
        width="${width}"
        ${vertical(PLOT_HEIGHT - inHeight - outHeight, outHeight)}
      ></rect>
    </g>`;
  });
  const lines = [0.5, 1].map((share) => {
    const y = PLOT_HEIGHT - share * (PLOT_HEIGHT - PLOT_TOP);
    return html`<line class="grid" x1="0" x2="100%" y1="${y}" y2="${y}"></line>
      <text class="scale" x="0" y="${y - 4}">${roughly(top * share)}</text>`;
  });
  const names = days.flatMap((day, index) =>
    index === 0 || (index + 1) % DAYS_NAMED_EVERY === 0
      ? [
          html`<text
            class="scale"
            text-anchor="middle"
            x="${place((index + 0.5) / days.length)}"
            y="${PLOT_HEIGHT + 16}"
          >
            ${Number(day.slice(8))}
          </text>`,
        ]
      : [],
  );
  const most = groups.find((group) => tokensOf(group) === highest);
  const label =
    most === undefined || highest === 0
      ? "Tokens by day: none."
      : `Tokens by day. Most on ${most.key ?? ""}: ${count(most.promptTokens)} in and ${count(most.outputTokens)} out.`;
  return html`<svg role="img" aria-label="${label}" width="100%" height="${PLOT_HEIGHT + AXIS_HEIGHT}">
    ${top === 0 ? "" : lines} ${bars}
    <line class="axis" x1="0" x2="100%" y1="${PLOT_HEIGHT}" y2="${PLOT_HEIGHT}"></line>
    ${names}
  </svg>`;
}

const vertical = (y: number, height: number): Html => html`y="${y.toFixed(1)}" height="${height.toFixed(1)}"`;

const STEPS = [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10] as const;

/** The least round figure that is as high as a value and reads well in half too. */
function niceCeiling(value: number): number {
  if (value <= 0) return 0;
  const power = 10 ** Math.floor(Math.log10(value));
  return (STEPS.find((step) => step * power >= value) ?? 10) * power;
}

/** One bar of a chart of bars below each other. */
export interface Bar {
  readonly label: string;
  /** As people read it. */
  readonly value: string;
  readonly parts: readonly {
    readonly tone: "in" | "out" | "own" | "other" | "rail";
    readonly amount: number;
  }[];
}

const ROW_HEIGHT = 40;
const BAR_TOP = 21;
const BAR_HEIGHT = 11;

/** Bars below each other on one scale. @param label what the drawing shows, for those who do not see it */
export function barChart(label: string, bars: readonly Bar[]): Html {
  const totals = bars.map(({ parts }) => parts.reduce((sum, { amount }) => sum + amount, 0));
  const most = Math.max(0, ...totals);
  const rows = bars.map(({ label: name, value, parts }, index) => {
    const y = index * ROW_HEIGHT;
    let before = 0;
    const drawn = parts.map(({ tone, amount }) => {
      const x = most === 0 ? 0 : before / most;
      before += amount;
      const width = most === 0 ? 0 : amount / most;
      return html`<rect
        class="${tone}"
        x="${place(x)}"
        y="${y + BAR_TOP}"
        width="${place(width)}"
        height="${BAR_HEIGHT}"
      ></rect>`;
    });
    return html`<text x="0" y="${y + 15}">${name}</text>
      <text class="value" text-anchor="end" x="100%" y="${y + 15}">${value}</text>
      <rect class="rail" x="0" y="${y + BAR_TOP}" width="100%" height="${BAR_HEIGHT}"></rect>
      ${drawn}`;
  });
  const spoken = bars.map(({ label: name, value }) => `${name} ${value}`).join("; ");
  return html`<svg
    role="img"
    aria-label="${label}: ${spoken}."
    width="100%"
    height="${Math.max(1, bars.length) * ROW_HEIGHT}"
  >
    ${rows}
  </svg>`;
}

const QUOTA_HEIGHT = 22;

/** What of the month's tokens is used, held and left, and where credit begins. Nothing is drawn without a limit. */
export function quotaBar({ usedTokens, heldTokens, floorTokens, limitTokens }: QuotaFigures): Html | "" {
  if (limitTokens === null) return "";
  const whole = Math.max(limitTokens, usedTokens + heldTokens, 1);
  const part = (tone: string, from: number, tokens: number): Html =>
    html`<rect
      class="${tone}"
      x="${place(from / whole)}"
      y="0"
      width="${place(tokens / whole)}"
      height="${QUOTA_HEIGHT}"
    ></rect>`;
  const share = limitTokens === 0 ? null : usedTokens / limitTokens;
  const label = `${count(usedTokens)} of ${count(limitTokens)} tokens used, ${percent(share)}; ${count(heldTokens)} held.`;
  const credit = floorTokens === null ? 0 : Math.max(0, limitTokens - floorTokens);
  return html`<svg role="img" aria-label="${label}" width="100%" height="${QUOTA_HEIGHT}">
    ${part("rail", 0, whole)} ${credit === 0 ? "" : part("credit", limitTokens - credit, credit)}
    ${part("out", 0, usedTokens)} ${part("held", usedTokens, heldTokens)}
  </svg>`;
}
