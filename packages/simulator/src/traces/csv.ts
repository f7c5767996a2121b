import { OperationalError } from "@coop/core";

/** The lines below the header, with their numbers in the file; empty ones are left out. */
export function csvLines(
  text: string,
): readonly { readonly cells: readonly string[]; readonly line: number }[] {
  return text
    .split("\n")
    .map((line, index) => ({ line: index + 1, text: line.trim() }))
    .filter(({ text: content }, index) => index > 0 && content !== "")
    .map(({ line, text: content }) => ({
      line,
      cells: content.split(",").map((cell) => cell.trim().replace(/^"(.*)"$/, "$1")),
    }));
}

/** @throws OperationalError `bad-trace` */
export function numberAt(cell: string, column: string, where: string): number {
  const value = cell === "" ? Number.NaN : Number(cell);
  if (!(value >= 0 && value < Infinity)) {
    throw new OperationalError(
      "bad-trace",
      `${where}: ${column} is "${cell}", it must be a number of at least 0.`,
    );
  }
  return value;
}

/**
 * Seconds since the Unix epoch of a time such as `2023-11-16 18:15:46.6805900`, read as UTC unless it names a zone.
 * @throws OperationalError `bad-trace`
 */
export function timeAt(cell: string, where: string): number {
  const match = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?$/.exec(cell);
  const wholeMs =
    match === null ? Number.NaN : Date.parse(`${match[1] ?? ""}T${match[2] ?? ""}${zone(match[4])}`);
  if (match === null || Number.isNaN(wholeMs)) {
    throw new OperationalError(
      "bad-trace",
      `${where}: TIMESTAMP is "${cell}", it must be like 2023-11-16 18:15:46.68.`,
    );
  }
  return wholeMs / 1000 + Number(match[3] ?? 0);
}

const zone = (name: string | undefined): string =>
  name === undefined || name === "Z" ? "Z" : `${name.slice(0, 3)}:${name.slice(-2)}`;
