import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { CliError } from "../cli-error.ts";
import type { Environment } from "../home.ts";

/**
 * Runs a program to its end.
 * @returns what it printed
 * @throws CliError `program-failed` with what it said
 */
export async function run(
  program: string,
  args: readonly string[],
  environment: Environment,
): Promise<string> {
  const child = spawn(program, [...args], { env: { ...environment }, stdio: ["ignore", "pipe", "pipe"] });
  const [said, complained, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "close") as Promise<[number | null]>,
  ]).catch((error: unknown) => {
    throw new CliError("program-failed", `${program} cannot be run: ${String(error)}`, error);
  });
  if (code === 0) return said;
  throw new CliError("program-failed", `${program} failed: ${complained.trim() || `exit code ${code}`}`);
}
