/**
 * PROGRAM: serves a co-op's past again on other machines.
 *
 *   node main.ts < request.json > outcome.json
 *
 * Reads a `ReplayRequest` as JSON, writes a `ReplayOutcome`. What is wrong goes to stderr as one line, with exit code 1.
 */
import { text } from "node:stream/consumers";
import { OperationalError } from "@coop/core";
import { replayRequestSchema } from "@coop/protocol";
import { z } from "zod";
import { replay } from "./replay.ts";

async function main(): Promise<void> {
  const request = replayRequestSchema.safeParse(JSON.parse(await text(process.stdin)));
  if (!request.success)
    throw new OperationalError(
      "bad-request",
      `What is to be replayed is not understood: ${z.prettifyError(request.error)}`,
    );
  process.stdout.write(JSON.stringify(replay(request.data)));
}

main().catch((error: unknown) => {
  const reason =
    error instanceof OperationalError ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`${reason}\n`);
  process.exitCode = 1;
});
