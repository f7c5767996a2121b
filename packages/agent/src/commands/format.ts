import type { Figure } from "@coop/core";

export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;

/** A number of tokens, its thousands apart. */
export const tokens = (count: number): string => count.toLocaleString("en-US");

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;

/** Three digits that matter at most. */
export const rate = (perSecond: number): string => String(Number(perSecond.toPrecision(3)));

/** A figure's text, marked where it is no measurement: `~24`. */
export const marked = (text: string, ...figures: readonly Figure[]): string =>
  figures.every(({ basis }) => basis === "measured") ? text : `~${text}`;

/** A table for people, one string a line; columns named in `right` are numbers. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  right: ReadonlySet<string>,
): string[] {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    headings
      .map((heading, column) => {
        const width = widths[column] ?? 0;
        const cell = cells[column] ?? "";
        return right.has(heading) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [line(headings), ...rows.map(line)];
}
