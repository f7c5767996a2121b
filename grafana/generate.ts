/** PROGRAM: writes the dashboards as the JSON that Grafana loads, into `grafana/generated` or the folder given. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dashboards } from "./dashboards/dashboards.ts";

const [folder = join(import.meta.dirname, "generated")] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
for (const [name, text] of dashboards()) {
  await writeFile(join(folder, name), text);
  process.stdout.write(`${join(folder, name)}\n`);
}
