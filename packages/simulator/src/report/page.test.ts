import { asMemberId } from "@coop/core";
import { beforeAll, describe, expect, test } from "vitest";
import { greedyFifo } from "../policies/greedy-fifo.ts";
import { leastLoaded } from "../policies/least-loaded.ts";
import { conduct } from "../run/experiment.ts";
import type { Cell } from "../run/experiment.ts";
import { buildSimFleet, buildSimJob } from "../testing/builders.ts";
import { reportData } from "./data.ts";
import type { ReportData } from "./data.ts";
import { reportPage } from "./page.ts";
import { deficitTable } from "./tables.ts";

const fleet = buildSimFleet();
const nodes = fleet.nodes.map((node) => ({
  ...node,
  name: `${node.name} <of> "Ö & co"`,
  tokensPerDay: node.index === 1 ? 400_000 : null,
}));

const experiment = (): readonly Cell[] =>
  conduct(
    {
      fleet: { nodes },
      policies: [leastLoaded, greedyFifo],
      loads: [0.3, 0.8],
      seeds: [1, 2],
      jobsOf: (seed) =>
        Array.from({ length: 60 }, (_, index) => {
          const { arrivalS: _arrivalS, ...job } = buildSimJob(index, {
            promptTokens: 100 + ((index * 37 * seed) % 900),
            outputTokens: 20 + ((index * 53) % 300),
          });
          return { ...job, atS: index, spec: { ...job.spec, member: asMemberId(`mem_${index % 3}`) } };
        }),
      untilS: null,
    },
    () => {},
  );

const SETTING = ["60 jobs <at random>"];
let data: ReportData;
let page: string;
beforeAll(() => {
  data = reportData(experiment(), SETTING);
  page = reportPage(data);
});

describe("the report", () => {
  test("of the same run has the same bytes, also from its data as JSON", () => {
    expect(reportPage(reportData(experiment(), SETTING))).toBe(page);
    expect(reportPage(JSON.parse(JSON.stringify(data)))).toBe(page);
  });

  test("needs nothing from elsewhere and runs nothing", () => {
    expect(page).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|https?:|\son\w+=/i);
  });

  test("is well formed: what opens closes, in order", () => {
    const open: string[] = [];
    for (const [, close, name = "", , isEmpty] of page.matchAll(
      /<(\/?)([a-z0-9]+)((?:[^>"]|"[^"]*")*?)(\/?)>/gi,
    )) {
      if (isEmpty === "/" || name === "meta") continue;
      if (close === "") open.push(name);
      else expect(open.pop(), `</${name}>`).toBe(name);
    }
    expect(open).toEqual([]);
  });

  test("shows names as they are", () => {
    expect(page).toContain("&lt;of&gt; &quot;Ö &amp; co&quot;");
    expect(page).toContain("60 jobs &lt;at random&gt;");
    expect(page).not.toContain("<of>");
  });

  test("has no number that is none", () => {
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });

  test("has every policy at every load, and a plan for the node with a budget", () => {
    expect(page.match(/<h2>Load /g)).toHaveLength(2);
    for (const { name, summary } of data.policies) {
      expect(page).toContain(`<dt>${name}</dt><dd>${summary}</dd>`);
      expect(page.match(new RegExp(`class="label"[^>]*>${name}<`, "g"))).toHaveLength(2);
    }
    expect(page.match(/Token budget of /g)).toHaveLength(2 * 2);
  });

  test("says where another policy is ahead, with the bound, and where none is", () => {
    // Least-loaded sends small jobs to the slow node; greedy does not.
    const deficits = deficitTable(data, "least-loaded");
    expect(deficits.match(/greedy-fifo/g)).toHaveLength(4);
    expect(deficits).toMatch(/unloaded|pooled/);
    expect(deficitTable(data, "greedy-fifo")).toContain("In no cell");
  });
});
