import { execFile } from "node:child_process";
import { promisify } from "node:util";

const COMMAND_MS_MAX = 3_000;

const run = promisify(execFile);

/** What a program of the system prints; nothing where it is absent or fails, which callers read as unknown. */
export async function outputOf(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await run(program, args, { timeout: COMMAND_MS_MAX })).stdout;
  } catch (error) {
    if (error instanceof Error && ("code" in error || "killed" in error)) return "";
    throw error;
  }
}
