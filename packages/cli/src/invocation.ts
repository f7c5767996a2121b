import { resolve } from "node:path";
import type { Environment } from "./home.ts";

/** A command of this program as its user can type it. */
export type Hint = (command: string) => string;

const isRunByNpm = ({ npm_package_name: name }: Environment): boolean => name === "coop-cluster";

/** Hints that work where the program was started: in the repository through its npm script, else by name. */
export const hintsFor =
  (environment: Environment): Hint =>
  (command) =>
    `${isRunByNpm(environment) ? "npm run coop -- " : "coop "}${command}`;

/** A path as the user meant it: npm runs its scripts in the repository's folder, wherever it was called. */
export function userPath(environment: Environment, path: string): string {
  const { INIT_CWD: calledIn } = environment;
  return isRunByNpm(environment) && calledIn !== undefined ? resolve(calledIn, path) : resolve(path);
}

/** A word of a command as a POSIX shell reads it back. */
export const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
