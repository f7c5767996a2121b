import type { Log } from "@coop/core";

type Level = keyof Log;
const levels: readonly Level[] = ["debug", "info", "warn", "error"];

/** A log of plain lines, such as `2026-01-31T12:00:00.000Z warn not connected retryInMs=300`. */
export function createPlainLog(least: Level, now: () => number, writeLine: (line: string) => void): Log {
  const at = (level: Level) =>
    levels.indexOf(level) < levels.indexOf(least)
      ? () => undefined
      : (fields: Readonly<Record<string, unknown>>, message: string) =>
          writeLine(
            [new Date(now()).toISOString(), level, message, ...Object.entries(fields).map(pair)].join(" "),
          );
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

const pair = ([name, value]: [string, unknown]): string =>
  `${name}=${typeof value === "string" && !/[\s"=]/.test(value) ? value : JSON.stringify(value)}`;
