/** Where a command writes: `line` and `text` for its result, `note` for what is only told on the way. */
export interface Output {
  line(text?: string): void;
  text(text: string): void;
  note(line: string): void;
  json(value: unknown): void;
}

export interface Column {
  readonly heading: string;
  readonly align?: "right";
  /** Gives way when the table is too wide. */
  readonly flexible?: true;
  /** How narrow a flexible column may get, characters. */
  readonly narrowest?: number;
}

/** Widest table, columns of a terminal. */
const TABLE_WIDTH = 100;
const NARROWEST_FLEXIBLE = 8;
/** The column of members' names, which keeps those of erased members apart: `erased-` and six characters. */
export const MEMBER_COLUMN: Column = { heading: "MEMBER", flexible: true, narrowest: 13 };
const GAP = "  ";

/** A table for people, one string a line. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map(({ heading }, index) =>
    Math.max(heading.length, ...rows.map((row) => row[index]?.length ?? 0)),
  );
  let excess = widths.reduce((sum, width) => sum + width, GAP.length * (columns.length - 1)) - TABLE_WIDTH;
  columns.forEach(({ flexible, narrowest = NARROWEST_FLEXIBLE }, index) => {
    const width = widths[index] ?? 0;
    if (flexible !== true || excess <= 0) return;
    const narrowed = Math.max(Math.min(width, narrowest), width - excess);
    excess -= width - narrowed;
    widths[index] = narrowed;
  });
  const render = (cells: readonly string[]): string =>
    columns
      .map(({ align }, index) => {
        const width = widths[index] ?? 0;
        const cell = shorten(cells[index] ?? "", width);
        return align === "right" ? cell.padStart(width) : cell.padEnd(width);
      })
      .join(GAP)
      .trimEnd();
  return [render(columns.map(({ heading }) => heading)), ...rows.map(render)];
}

/** Cut to a width, which the text then shows. */
export const shorten = (text: string, width: number): string =>
  text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;

/** `12,345`. */
export const count = (value: number): string => Math.round(value).toLocaleString("en-US");

const BAR_WIDTH = 20;

/** Used and held of a limit as a bar with the share of both: `████▒▒░░░░  60 %`. What is above nothing shows. */
export function bar(used: number, held: number, limit: number): string {
  const cells = (part: number): number =>
    limit === 0 ? 0 : Math.min(BAR_WIDTH, Math.ceil((part / limit) * BAR_WIDTH));
  const full = cells(used);
  const both = cells(used + held);
  const share = limit === 0 ? 100 : Math.round(((used + held) / limit) * 100);
  return `${"█".repeat(full)}${"▒".repeat(both - full)}${"░".repeat(BAR_WIDTH - both)} ${share} %`;
}

/** Seconds with the digits that matter: `0.04 s`, `2.5 s`, `41 s`, `3 min`. */
export function seconds(value: number): string {
  if (value >= 120) return `${Math.round(value / 60)} min`;
  if (value >= 10) return `${Math.round(value)} s`;
  return `${value.toFixed(value < 1 ? 2 : 1)} s`;
}

/** `1 job`, `2 jobs`. */
export const plural = (amount: number, one: string): string =>
  `${count(amount)} ${one}${amount === 1 ? "" : "s"}`;

/** Time of day of a moment, in the user's own time zone. */
export const timeOfDay = (atMs: number): string => new Date(atMs).toLocaleTimeString("sv-SE");

/** Date and minute of a moment, in the user's own time zone. */
export const moment = (atMs: number): string => momentIn(atMs);

/** Date and minute of a moment. @param timeZone IANA name; undefined: the user's own */
export const momentIn = (atMs: number, timeZone?: string): string =>
  new Date(atMs).toLocaleString("sv-SE", { timeZone }).slice(0, 16);

export const GIB = 2 ** 30;
