import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { HELP, parseOptions } from "./options.ts";
import { createProgress } from "./progress.ts";
import { rowOf } from "./rows.ts";
import { siegeTable } from "./siege.ts";
import { simulate, simulateSiege } from "./simulate.ts";
import { tableOf } from "./table.ts";

const silent = () => undefined;
const rowsOf = async (...args: string[]) => (await simulate(parseOptions(args), silent)).cells.map(rowOf);

describe("a simulation", () => {
  test("gives one row a policy and load, and the same for the same options", async () => {
    const args = [
      "--jobs",
      "60",
      "--seeds",
      "2",
      "--load",
      "0.3,0.6",
      "--policy",
      "ours,greedy-fifo",
      "--synthetic",
      "bursty",
    ];
    const rows = await rowsOf(...args);
    expect(rows.map(({ policy, load }) => [policy, load])).toEqual([
      ["ours", 0.3],
      ["greedy-fifo", 0.3],
      ["ours", 0.6],
      ["greedy-fifo", 0.6],
    ]);
    expect(JSON.stringify(await rowsOf(...args))).toBe(JSON.stringify(rows));
    for (const row of rows) {
      expect([row.completed, row.belowTier]).toEqual([60, 0]);
      expect(row.meanSlowdown).toBeGreaterThanOrEqual(1);
      expect(row.meanLatencyS).toBeGreaterThanOrEqual(row.bounds.meanLatencyS);
      expect(Object.keys(row.utilisation)).toEqual(["mac-studio", "macbook-air", "raspberry-pi"]);
      expect(row.spread.meanLatencyS).toBeGreaterThan(0);
    }
    expect(tableOf(rows)).toMatch(/load 0\.3: [^]*ours[^]*greedy-fifo[^]*load 0\.6: /);
  });

  test("reads a trace and a fleet, and spends no more than a budget in the hours that it runs", async () => {
    const folder = await mkdtemp(join(tmpdir(), "coop-simulate-"));
    try {
      const [trace, fleet] = [join(folder, "t.csv"), join(folder, "f.json")];
      const lines = Array.from(
        { length: 40 },
        (_, index) => `${index * 2},c${index % 3},${200 + index},${20 + index}`,
      );
      await writeFile(trace, `req_time_s,client,prompt_tokens,output_tokens\n${lines.join("\n")}\n`);
      await writeFile(fleet, JSON.stringify({ nodes: [{ profile: "m4-pro-48", tokensPerDay: 300_000 }] }));
      const [row] = await rowsOf(
        "--trace",
        trace,
        "--fleet",
        fleet,
        "--mix",
        "1/1/0",
        "--hours",
        "2",
        "--load",
        "2",
        "--seeds",
        "1",
        "--policy",
        "ours",
      );
      const budget = row?.budgets["m4-pro-48"];
      expect(budget?.allowedTokens).toBe(300_000);
      expect(budget?.spentShare).toBeLessThanOrEqual(1);
      expect(budget?.usedTokens).toBeGreaterThan(5_000);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("leaves out what no node could ever serve, and says how much that is", async () => {
    const args = ["--jobs", "80", "--seeds", "1", "--policy", "greedy-fifo"];
    const [row] = await rowsOf(...args, "--without", "mac-studio", "--mix", "40/40/20");
    expect(row?.leftOut).toBeGreaterThan(3);
    expect([row?.completed, row?.jobs]).toEqual([80 - (row?.leftOut ?? 0), 80 - (row?.leftOut ?? 0)]);
    expect(row === undefined ? "" : tableOf([row])).toContain(`left out: ${row?.leftOut} requests`);
    const none = rowsOf(...args, "--without", "mac-studio", "--mix", "0/0/1");
    await expect(none).rejects.toThrow(/No node of this fleet can serve/);
  });

  test.each([
    [["--policy", "best"], /no policy "best".*greedy-sjf/],
    [["--trace", "/nowhere/t.csv"], /nowhere.*cannot be read/],
    [["--without", "nas"], /no node "nas"/],
  ])("refuses %s", async (args, message) => {
    await expect(rowsOf("--jobs", "5", ...args)).rejects.toThrow(message);
  });
});

describe("the options", () => {
  test("have sensible values when left out, and are all in the help", () => {
    const options = parseOptions([]);
    expect(options).toMatchObject({
      workload: { kind: "synthetic", of: "chat" },
      fleet: "seed",
      loads: [0.6],
      seeds: 5,
    });
    for (const flag of [
      "trace",
      "synthetic",
      "mix",
      "fleet",
      "load",
      "policy",
      "seeds",
      "without",
      "add",
      "json",
      "html",
      "hours",
      "jobs",
      "members",
      "top-share",
      "batch",
    ]) {
      expect(HELP).toContain(`--${flag}`);
    }
    expect(parseOptions(["--add", "m4-pro-48:2", "--load", "0.5,0.9"])).toMatchObject({
      add: [{ profile: "m4-pro-48", count: 2 }],
      loads: [0.5, 0.9],
    });
  });

  test.each([
    [["--loud"], /--loud.*--help/],
    [["--load", "much"], /--load/],
    [["--seeds", "0"], /--seeds/],
    [["--add", "raspberry-pi-5"], /PROFILE:N/],
    [["--synthetic", "poetry"], /--synthetic/],
    [["--trace", "a", "--synthetic", "chat"], /one of them/],
  ])("refuse %s by name", (args, message) => {
    expect(() => parseOptions(args)).toThrow(message);
  });
});

test("progress is told now and then, to a terminal on one line, and not for a short run", () => {
  let nowMs = 0;
  const written: string[] = [];
  const progress = createProgress({ isTTY: false, write: (text) => written.push(text) }, () => nowMs);
  progress.tell(0, 10, "a");
  nowMs = 1_999;
  progress.tell(1, 10, "b");
  expect(written).toEqual([]);
  nowMs = 4_000;
  progress.tell(2, 10, "c");
  progress.tell(3, 10, "d");
  expect(written).toEqual(["2 of 10 runs, about 16 s left: c\n"]);
});

test("a siege tells what one adversary costs the honest, alike for the same options", async () => {
  const siege = async () =>
    simulateSiege(
      parseOptions(["--adversary", "tiny,cancel", "--jobs", "40", "--seeds", "1", "--policy", "greedy-fifo"]),
      silent,
    );
  const rows = await siege();
  expect(rows.map(({ adversary }) => adversary)).toEqual(["tiny", "cancel"]);
  expect(await siege()).toEqual(rows);
  for (const row of rows) {
    expect(row.rise).toBeCloseTo(row.slowdown / row.fairSlowdown - 1, 9);
    expect(row.mostRise).toBeGreaterThanOrEqual(row.rise - 0.5);
    expect(row.fairSlowdown).toBeGreaterThanOrEqual(1);
  }
  expect(siegeTable(rows)).toMatch(/tiny[^]*cancel/);
  expect(() => parseOptions(["--adversary", "bribe"])).toThrow(/--adversary/);
});

test("beside whichever adversary, honest members are served within a tenth of their fair share of the fleet", async () => {
  const rows = await simulateSiege(
    parseOptions(["--adversary", "all", "--jobs", "250", "--seeds", "1", "--policy", "ours"]),
    silent,
  );
  expect(rows.map(({ adversary }) => adversary)).toEqual(["flood", "huge", "tiny", "cancel"]);
  for (const { adversary, rise } of rows) expect(rise, adversary).toBeLessThan(0.1);
}, 60_000);
