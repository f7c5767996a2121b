import { execFile } from "node:child_process";
import { OperationalError } from "@coop/core";

/** Longest that a tool of the machine may take, ms: a service that stops has 120 s to finish what it runs. */
const LIMIT_MS = 150_000;

/**
 * Runs a program of the machine and answers what it printed.
 * @throws OperationalError `tool-missing` when there is no such program, `tool-failed` with what it said
 */
export function runTool(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, [...args], { timeout: LIMIT_MS }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      if (error.code === "ENOENT") {
        return reject(
          new OperationalError("tool-missing", `There is no ${program} on this machine.`, { cause: error }),
        );
      }
      const said = (stderr.trim() || stdout.trim() || error.message).slice(0, 500);
      const command = [program, ...args].join(" ");
      reject(new OperationalError("tool-failed", `\`${command}\` failed: ${said}`, { cause: error }));
    });
  });
}
