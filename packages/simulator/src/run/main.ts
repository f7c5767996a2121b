/**
 * PROGRAM: simulates the co-op under its production dispatcher and under other policies.
 *
 *   node main.ts --load 0.3,0.6 --policy ours --seeds 3      (--help for all options)
 */
import { writeFile } from "node:fs/promises";
import { OperationalError } from "@coop/core";
import { reportData } from "../report/data.ts";
import { reportPage } from "../report/page.ts";
import { settingOf } from "../report/setting.ts";
import { deficitLines } from "../report/standing.ts";
import { HELP, parseOptions } from "./options.ts";
import { createProgress } from "./progress.ts";
import { rowOf } from "./rows.ts";
import { siegeTable } from "./siege.ts";
import { simulate, simulateSiege } from "./simulate.ts";
import { tableOf } from "./table.ts";

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return;
  }
  const progress = createProgress(process.stderr, () => performance.now());
  if (options.adversaries.length > 0) {
    const sieges = await simulateSiege(options, progress.tell);
    progress.end();
    process.stdout.write(options.json ? `${JSON.stringify(sieges, null, 2)}\n` : siegeTable(sieges));
    return;
  }
  const { fleet, cells } = await simulate(options, progress.tell);
  progress.end();
  const rows = cells.map(rowOf);
  process.stdout.write(options.json ? `${JSON.stringify(rows, null, 2)}\n` : tableOf(rows));
  if (!options.json)
    for (const line of deficitLines(rows, rows[0]?.policy ?? "")) process.stdout.write(`${line}\n`);
  if (options.html !== null) {
    await save(options.html, reportPage(reportData(cells, settingOf(options, fleet))));
    process.stderr.write(`The report is in ${options.html}\n`);
  }
}

async function save(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new OperationalError("unwritable-file", `${file} cannot be written: ${why}`, { cause });
  }
}

main().catch((error: unknown) => {
  const text =
    error instanceof OperationalError ? error.message : error instanceof Error ? error.stack : String(error);
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
});
