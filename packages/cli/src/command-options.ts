import { InvalidArgumentError, Option } from "commander";

/** Options and values that several commands share. */

export const jsonOption = (): Option => new Option("--json", "for programs");

export const privacyOption = (): Option =>
  new Option("--privacy <where>", "own: your own nodes; coop: the co-op's; any: clouds too").choices([
    "own",
    "coop",
    "any",
  ]);

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError("It must be a whole number from 1 on.");
}

export function speed(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 1000) return value;
  throw new InvalidArgumentError("It must be a number above 0, at most 1000.");
}

export function portNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= 65_535) return value;
  throw new InvalidArgumentError("It must be a port from 1 to 65535, or 0 to let the system choose.");
}

export interface JsonFlag {
  readonly json?: true;
}

const UNIT_SECONDS: ReadonlyMap<string, number> = new Map([
  ["s", 1],
  ["m", 60],
  ["h", 3_600],
  ["d", 86_400],
]);
const DAY_SECONDS = 86_400;

/** Reads `90s`, `30m`, `2h`, `1d` as seconds, up to some days. */
export const durationUpTo =
  (mostDays: number) =>
  (text: string): number => {
    const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
    const value = Number(amount) * (UNIT_SECONDS.get(unit ?? "") ?? Number.NaN);
    if (value >= 1 && value <= mostDays * DAY_SECONDS) return value;
    throw new InvalidArgumentError(`It must be a time such as 90s, 30m, 2h or 1d, at most ${mostDays}d.`);
  };

/** A time of up to a week. */
export const duration = durationUpTo(7);
