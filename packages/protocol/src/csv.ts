export type CsvCell = string | number | null;

/** Lines of cells as CSV (RFC 4180); text that a spreadsheet would take for a formula is made inert. */
export const csvText = (lines: readonly (readonly CsvCell[])[]): string =>
  lines.map((line) => `${line.map(cellText).join(",")}\r\n`).join("");

function cellText(cell: CsvCell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return String(cell);
  // A spreadsheet takes these for the beginning of a formula.
  const inert = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(inert) ? `"${inert.replaceAll('"', '""')}"` : inert;
}
