/** PROGRAM: writes the dashboards as the JSON that Grafana loads, and `docs/metrics.md`, from what the code says. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dashboards } from "./dashboards/dashboards.ts";
import { metricsPage } from "./metrics-page.ts";

const folder = join(import.meta.dirname, "generated");
await mkdir(folder, { recursive: true });
for (const [name, text] of dashboards()) await write(join(folder, name), text);
await write(join(import.meta.dirname, "..", "docs", "metrics.md"), metricsPage());

async function write(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  process.stdout.write(`${path}\n`);
}
