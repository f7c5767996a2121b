/** Numbers as a reader wants them: three digits and a unit. Always the same text for the same number. */

/** Seconds, in minutes or hours when there are many. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "-";
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 600) return `${seconds.toFixed(0)} s`;
  if (seconds < 5_400) return `${(seconds / 60).toFixed(0)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** A round time, as short as it can be said. */
export function roundTime(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${seconds / 60} min`;
  return seconds < 86_400 ? `${seconds / 3_600} h` : `${seconds / 86_400} d`;
}

/** How many times as much. */
export function times(factor: number): string {
  if (!Number.isFinite(factor)) return "-";
  if (factor < 9.995) return factor.toFixed(2);
  if (factor < 99.95) return factor.toFixed(1);
  return grouped(factor);
}

export const percent = (share: number): string =>
  Number.isFinite(share)
    ? `${(share * 100).toFixed(Math.abs(share) < 0.0995 && share !== 0 ? 1 : 0)} %`
    : "-";

/** With its sign: `+4.1 %`; what is many times as much says how many. */
export const change = (share: number): string =>
  share >= 9 ? `x ${times(share + 1)}` : `${share > 0 ? "+" : ""}${percent(share)}`;

/** Whole, in groups of three digits. */
export const grouped = (value: number): string =>
  Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, " ");

/** Text inside HTML and SVG. */
export const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
