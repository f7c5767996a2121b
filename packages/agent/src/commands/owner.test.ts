import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readPause } from "../owner/pause.ts";
import { readSettings } from "../owner/settings-file.ts";
import { writeStatus } from "../status.ts";
import type { AgentStatus } from "../status.ts";
import { allowModels, forbidModels } from "./allow.ts";
import { budget } from "./budget.ts";
import type { BudgetFlags } from "./budget.ts";
import { hours } from "./hours.ts";
import { pause, resume } from "./pause.ts";

let home: string;
let said: string[];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "coop-owner-"));
  said = [];
});
afterEach(() => rm(home, { recursive: true }));

const nowMs = Date.now();
const deps = () => ({ home, nowMs, say: (line: string) => void said.push(line) });
const file = () => readFile(join(home, "agent.yaml"), "utf8");
const endsMs = new Date(nowMs).setHours(24, 0, 0, 0);

const status: AgentStatus = {
  pid: process.pid,
  node: "node_1",
  name: "attic",
  owner: "mem_1",
  server: "https://coop.example",
  connection: { state: "connected", sinceMs: nowMs },
  engine: { name: "ollama 0.35.1", problem: null },
  models: [],
  slots: 2,
  availability: { kind: "open" },
  throughput: { value: 100, basis: "measured" },
  budget: {
    day: { limitTokens: null, usedTokens: 120_300, heldTokens: 4_096, endsMs },
    month: { limitTokens: null, usedTokens: 1_120_300, heldTokens: 4_096, endsMs },
    atMs: nowMs,
  },
  settings: {
    hours: "always",
    servingSecondsPerDay: 86_400,
    pauseWhenActiveMs: null,
    idleness: null,
    notAllowed: [],
    problem: null,
  },
  draining: false,
  running: [],
  updatedAtMs: nowMs,
};

describe("agent budget", () => {
  const tell = async (flags: BudgetFlags) => {
    said = [];
    await budget(deps(), flags);
    return said.map((line) => line.replaceAll(/ {2,}/g, " | "));
  };

  test("tells limit, use and what is left", async () => {
    await writeStatus(home, status);
    const [heading, today, month] = await tell({ day: "500k" });
    expect(heading).toBe(" | LIMIT | USED | HELD | LEFT | BEGINS ANEW");
    expect(today).toMatch(/^today \| 500,000 \| 120,300 \| 4,096 \| 375,604 \| \w{3} \d+ \w{3,4} 00:00$/);
    expect(month).toMatch(/^this month \| none \| 1,120,300 \| 4,096 \| no limit \| /);
    expect(await file()).toContain("  day: 500k\n");
  });

  test("a limit below what is spent takes effect at once, and says so", async () => {
    await writeStatus(home, status);
    const told = await tell({ month: "1M" });
    expect(told[2]).toMatch(/^this month \| 1,000,000 \| 1,120,300 \| 4,096 \| 0 \| /);
    expect(told[3]).toMatch(
      /^The budget of this month, 1,000,000, is spent: 1,124,396 are used or held already\. Nothing new is served before /,
    );
  });

  test("says what auto comes to, and how sure that is", async () => {
    await writeStatus(home, status);
    const told = await tell({ day: "auto", share: "25%" });
    expect(told[1]).toMatch(/^today \| auto: 2,100,000 \| /);
    expect(told[3]).toBe("auto: 100 tokens/s (measured) in 24 h a day, times 0.25.");
    await writeStatus(home, { ...status, throughput: { value: 100, basis: "prior" } });
    expect((await tell({}))[3]).toContain("estimated; `agent bench` measures it");
  });

  test("what was counted of a day that is over says nothing of this one", async () => {
    const { month } = status.budget ?? { month: null };
    if (month === null) throw new Error("the month was counted");
    await writeStatus(home, { ...status, budget: { day: { ...month, endsMs: nowMs }, month, atMs: nowMs } });
    const [, today, thisMonth] = await tell({});
    expect([today, thisMonth?.slice(0, 29)]).toEqual([
      "today | none | ? | ? | no limit | ?",
      "this month | none | 1,120,300",
    ]);
  });

  test("without an agent sets what it is told, and says what it does not know", async () => {
    const told = await tell({ day: "auto", month: "2M" });
    expect(told.slice(1)).toEqual([
      "today | auto | ? | ? | ? | ?",
      "this month | 2,000,000 | ? | ? | ? | ?",
      "auto: what the machine makes in 24 h a day, times 0.5; a running agent knows it.",
      "No agent runs here, so what is used is not known.",
    ]);
    said = [];
    await budget(deps(), { json: true });
    expect(JSON.parse(said.join())).toEqual({
      share: 0.5,
      spans: [
        { name: "day", setting: "auto", limitTokens: null, usedTokens: null, heldTokens: null, endsMs: null },
        {
          name: "month",
          setting: "2000000",
          limitTokens: 2_000_000,
          usedTokens: null,
          heldTokens: null,
          endsMs: null,
        },
      ],
    });
  });

  test.for([
    [{ day: "-5" }, /^--day takes a number of tokens \(500000, 500k, 2M\), auto or none, not "-5"\.$/],
    [{ day: "5k", month: "lots" }, /^--month takes/],
    [{ month: "5k", share: "2" }, /^--share takes a share above 0 and at most 1/],
  ] as const)("%j changes nothing and names the option", async ([flags, message]) => {
    await expect(budget(deps(), flags)).rejects.toThrow(message);
    await expect(file()).rejects.toThrow("ENOENT");
    expect(said).toEqual([]);
  });
});

describe("agent hours", () => {
  test("sets them from the shell's words, and tells whether they are now", async () => {
    await hours(deps(), ["mon-fri", "18:00-08:00,", "sat-sun", "all"], false);
    expect(await file()).toContain("\nhours: mon-fri 18:00-08:00, sat-sun all\n");
    expect(said[0]).toBe("Serving hours: mon-fri 18:00-08:00, sat-sun all (15.7 h a day)");
    expect(said[1]).toMatch(/^(Within|Outside) them until /);
    said = [];
    await hours(deps(), [], true);
    expect(JSON.parse(said.join())).toMatchObject({ hours: "mon-fri 18:00-08:00, sat-sun all" });
  });

  test("that are none change nothing", async () => {
    await expect(hours(deps(), ["noon"], false)).rejects.toThrow(/^agent hours takes always, or days/);
    await expect(file()).rejects.toThrow("ENOENT");
  });
});

test("agent models allow and forbid say what the co-op may use then", async () => {
  await allowModels(deps(), ["qwen3:*", "llama3.2:3b"]);
  await forbidModels(deps(), ["*:cloud"]);
  expect((await readSettings(home)).owner.models).toEqual({
    allow: ["qwen3:*", "llama3.2:3b"],
    forbid: ["*:cloud"],
  });
  expect(said[2]).toBe("The co-op may use qwen3:*, llama3.2:3b but *:cloud.");
  await allowModels(deps(), ["all"]);
  await forbidModels(deps(), ["none"]);
  expect((await readSettings(home)).owner.models).toEqual({ allow: [], forbid: [] });
});

describe("agent pause", () => {
  test("says until when, and what becomes of the jobs that run", async () => {
    await writeStatus(home, status);
    await pause(deps(), "2h");
    expect(await readPause(home)).toEqual({ sinceMs: nowMs, untilMs: nowMs + 7_200_000 });
    expect(said).toEqual([
      expect.stringMatching(/^Paused until .*\d\d:\d\d\.$/),
      "What runs is finished; nothing new is taken.",
    ]);
    said = [];
    await resume(deps());
    await resume(deps());
    expect(said).toEqual([
      "Resumed: it takes jobs again, within its hours and budget.",
      "It was not paused.",
    ]);
    expect(await readPause(home)).toBeNull();
  });

  test("holds also where no agent runs", async () => {
    await pause(deps(), undefined);
    expect(said).toEqual([
      "Paused until `agent resume`.",
      "No agent runs here now; one that starts takes nothing either.",
    ]);
  });

  test("with a time that is none changes nothing", async () => {
    await expect(pause(deps(), "soon")).rejects.toThrow(
      '--for takes a time such as 30m, 2h or 1d, not "soon".',
    );
    expect(await readPause(home)).toBeNull();
  });
});
