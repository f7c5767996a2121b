import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createMetrics } from "@coop/metrics";
import { expect, test } from "vitest";
import { z } from "zod";
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

test("panels lie beside each other within the 24 columns, each with an id of its own", () => {
  const gridPos = z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() });
  const dashboard = z.object({
    panels: z.array(z.object({ id: z.number(), title: z.string(), gridPos })).min(1),
  });
  for (const text of dashboards().values()) {
    const { panels } = dashboard.parse(JSON.parse(text));
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(panels.filter(({ gridPos: { x, w } }) => x + w > 24).map(({ title }) => title)).toEqual([]);
    const overlaps = panels.flatMap(({ title, gridPos: a }, index) =>
      panels
        .slice(index + 1)
        .filter(({ gridPos: b }) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h)
        .map((other) => `${title} and ${other.title}`),
    );
    expect(overlaps).toEqual([]);
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
