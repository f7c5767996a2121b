/** From values to positions in a drawing, with the values worth a mark. */
export interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
}

/** Times that people count in, seconds. */
const ROUND_TIMES_S = [0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1_800, 3_600, 10_800, 36_000, 86_400, 259_200];

/**
 * Positions by the logarithm; values beyond the ends are drawn at the ends. Marks are round times for `seconds`, round
 * numbers for `factors`.
 */
export function logScale(
  values: readonly number[],
  from: number,
  to: number,
  unit: "seconds" | "factors",
): Scale {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const least = positive.length === 0 ? 1 : Math.min(...positive);
  const most = positive.length === 0 ? 10 : Math.max(...positive);
  const low = Math.log10(least) - 0.05;
  const high = Math.max(Math.log10(most) + 0.05, low + 0.3);
  const round = unit === "seconds" ? ROUND_TIMES_S : roundNumbers(low, high);
  const inside = round.filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
  const sparse = inside.filter((_, index) => (inside.length - 1 - index) % 2 === 0);
  const ticks = inside.length > MARKS_MAX ? sparse : inside;
  const share = (value: number): number =>
    Math.min(1, Math.max(0, (Math.log10(Math.max(value, Number.MIN_VALUE)) - low) / (high - low)));
  return { at: (value) => from + share(value) * (to - from), ticks };
}

const MARKS_MAX = 8;

function roundNumbers(low: number, high: number): number[] {
  const steps = high - low < 2.2 ? [1, 2, 5] : high - low < 3.2 ? [1, 3] : [1];
  const numbers: number[] = [];
  for (let power = Math.floor(low); power <= high; power += 1) {
    for (const step of steps) numbers.push(step * 10 ** power);
  }
  return numbers;
}

/** Positions in proportion, from 0 to the greatest value. */
export function linearScale(most: number, from: number, to: number, tickCount = 4): Scale {
  const top = most > 0 ? most : 1;
  const raw = top / tickCount;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw) ?? raw;
  const ticks = Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, index) => index * step);
  return { at: (value) => from + (value / top) * (to - from), ticks };
}

/** A coordinate as it is written: short, and the same on every machine. */
export const coordinate = (value: number): string => (Math.round(value * 10) / 10).toString();
