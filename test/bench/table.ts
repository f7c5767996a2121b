/** One line of the table: what was measured, beside its bar, its aim and its floor in the same run. */
export interface Row {
  readonly what: string;
  /** The figures by name, with their units in the names. */
  readonly figures: Readonly<Record<string, number>>;
  /** The figures as people read them. */
  readonly measured: string;
  readonly bar: string;
  readonly aim: string;
  readonly meetsBar: boolean;
  /** The same without the co-op, measured in this run. */
  readonly floor: string;
  /** Which processes took part, what stands behind them, and what was counted. */
  readonly includes: string;
}

export interface Report {
  readonly machine: string;
  readonly startedAt: string;
  /** Programs that wanted to run when the bench began, as the mean of a minute: what others took of the machine. */
  readonly loadBefore: number;
  readonly tookSeconds: number;
  readonly rows: readonly Row[];
}

const WIDTH = 100;

/** The report for people: a table, and under it what each line includes. */
export function renderReport({ machine, startedAt, loadBefore, tookSeconds, rows }: Report): string {
  const lines = rows.map((row, index) => [
    String(index + 1),
    row.what,
    row.measured,
    row.bar,
    row.aim,
    row.meetsBar ? "met" : "MISSED",
    row.floor,
  ]);
  const head = ["", "what", "measured", "bar", "aim", "bar is", "floor of this run"];
  const widths = head.map((_, column) =>
    Math.max(...[head, ...lines].map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  const notes = rows.flatMap((row, index) => wrapped(`${index + 1}  ${row.includes}`));
  return [
    `${machine}, ${startedAt}, ${Math.round(tookSeconds)} s, everything on this machine over loopback; load before it ${number(loadBefore)}`,
    "",
    line(head),
    ...lines.map(line),
    "",
    "What each line includes",
    ...notes,
    "",
  ].join("\n");
}

function wrapped(text: string): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line.length + word.length > WIDTH) {
      lines.push(line);
      line = `   ${word}`;
    } else line += line === "" ? word : ` ${word}`;
  }
  return [...lines, line];
}

/** 1234.5 as `1,235`; below 10 with up to two decimals. */
export const number = (value: number): string =>
  value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 0 });
