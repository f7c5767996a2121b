import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createMetrics } from "@coop/metrics";
import { expect, test } from "vitest";
import { dashboards } from "../grafana/dashboards/dashboards.ts";
import { metricsPage } from "../grafana/metrics-page.ts";

const grafana = join(import.meta.dirname, "..", "grafana");

test("the committed dashboards are those that the code builds", async () => {
  const folder = join(grafana, "generated");
  const committed = new Map<string, string>();
  for (const name of await readdir(folder)) committed.set(name, await readFile(join(folder, name), "utf8"));
  expect([...committed.keys()].toSorted()).toEqual([...dashboards().keys()].toSorted());
  for (const [name, text] of dashboards()) {
    expect(committed.get(name), `${name} is not up to date: npm run dashboards`).toBe(text);
  }
});

test("the page of metrics says what the code says", async () => {
  const page = await readFile(join(grafana, "..", "docs", "metrics.md"), "utf8");
  expect(page, "docs/metrics.md is not up to date: npm run dashboards").toBe(metricsPage());
});

test("every metric that a dashboard or an alert asks for exists, and every one of ours is shown somewhere", async () => {
  const rendered = await createMetrics().render();
  const known = new Set(Array.from(rendered.matchAll(/^# TYPE (\S+) /gm), ([, name]) => name));
  const alerts = await readFile(join(grafana, "alerts", "coop.rules.yaml"), "utf8");
  const text = [...dashboards().values(), alerts].join("\n");
  const asked = new Set(
    Array.from(text.matchAll(/\b((?:coop|nodejs|process)_[a-z0-9_]+)/g), ([, name = ""]) =>
      name.replace(/_(bucket|count|sum)$/, ""),
    ),
  );
  expect([...asked].filter((name) => !known.has(name))).toEqual([]);
  expect([...known].filter((name) => name?.startsWith("coop_") && !asked.has(name))).toEqual([]);
});
