/**
 * PROGRAM: simulates the co-op under its production dispatcher and under other policies.
 *
 *   node main.ts --load 0.3,0.6 --policy ours --seeds 3      (--help for all options)
 */
import { OperationalError } from "@coop/core";
import { HELP, parseOptions } from "./options.ts";
import { createProgress } from "./progress.ts";
import { rowOf } from "./rows.ts";
import { simulate } from "./simulate.ts";
import { tableOf } from "./table.ts";

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const progress = createProgress(process.stderr, () => performance.now());
  const { cells } = await simulate(options, progress.tell);
  progress.end();
  const rows = cells.map(rowOf);
  process.stdout.write(options.json ? `${JSON.stringify(rows, null, 2)}\n` : tableOf(rows));
}

main().catch((error: unknown) => {
  const text =
    error instanceof OperationalError ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
});
