import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);
const timeoutMs = 180_000;

/** A helper program that could not be run or did not succeed. */
export class ProgramFailure extends Error {
  override readonly name: string = "ProgramFailure";
}

/**
 * Runs a program to its end and answers with what it printed.
 * @throws ProgramFailure with what it said, when it is missing, fails or takes more than 3 minutes.
 */
export async function runProgram(program: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    const { stdout } = await execute(program, args, { cwd, timeout: timeoutMs, maxBuffer: 16 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
    const why = said === "" && error instanceof Error ? error.message : said;
    throw new ProgramFailure(`${program} ${args.join(" ")} failed: ${why}`, { cause: error });
  }
}
