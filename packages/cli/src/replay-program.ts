import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { replayOutcomeSchema } from "@coop/protocol";
import type { ReplayOutcome, ReplayRequest } from "@coop/protocol";
import { CliError } from "./cli-error.ts";
import type { Environment } from "./home.ts";

const PROGRAM = join(resolve(import.meta.dirname, "../.."), "simulator", "src", "replay", "main.ts");

/**
 * Has the simulator serve a co-op's past again, as a program of its own.
 * @throws CliError `program-failed` with what the simulator said; the signal's reason when it aborts
 */
export async function runReplay(
  request: ReplayRequest,
  { environment, signal }: { readonly environment: Environment; readonly signal: AbortSignal },
): Promise<ReplayOutcome> {
  signal.throwIfAborted();
  if (!existsSync(PROGRAM)) {
    throw new CliError(
      "program-failed",
      "The simulator is not part of this installation: run coop whatif from the co-op's repository, with COOP_URL.",
    );
  }
  const child = spawn(process.execPath, [PROGRAM], {
    env: { ...environment },
    stdio: ["pipe", "pipe", "pipe"],
  });
  const stop = (): void => void child.kill();
  signal.addEventListener("abort", stop);
  try {
    const ended = once(child, "close");
    // A program that stops early does not read on; why it did is on its stderr.
    child.stdin.on("error", () => child.stdin.destroy());
    child.stdin.end(JSON.stringify(request));
    const [answer, said] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    signal.throwIfAborted();
    if (child.exitCode !== 0) {
      const why = said.trim().split("\n")[0];
      throw new CliError("program-failed", why === undefined || why === "" ? "The simulator failed." : why);
    }
    return replayOutcomeSchema.parse(JSON.parse(answer));
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
