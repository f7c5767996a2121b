/** The benches of single packages, run as the programs that they are. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);
/** None takes this long unless the machine is very busy. */
const LIMIT_MS = 90_000;

/** What the program printed. Rejects when it fails or takes too long. */
export async function outputOf(program: string, args: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [join(root, program), ...args], { timeout: LIMIT_MS });
  return stdout;
}
