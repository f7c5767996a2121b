import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { changeSettings, ensureSettingsFile, readSettings, understandSettings } from "./settings-file.ts";
import { parseSettings } from "./settings-yaml.ts";
import { SETTINGS_TEMPLATE } from "./settings.ts";
import type { AgentSettings } from "./settings.ts";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "coop-settings-"));
});
afterEach(() => rm(home, { recursive: true }));

const path = (): string => join(home, "agent.yaml");

function settings(text: string): AgentSettings {
  const parsed = parseSettings(text);
  if (parsed.kind === "problem") throw new Error(parsed.problem);
  return parsed.settings;
}

describe("a settings file", () => {
  test("that was never changed says what none says", async () => {
    const known = await understandSettings(SETTINGS_TEMPLATE);
    expect(known).toEqual({ kind: "settings", settings: settings(SETTINGS_TEMPLATE) });
    expect(await understandSettings("slots: two\n")).toMatchObject({ kind: "problem" });
    const unset = {
      owner: expect.anything(),
      start: { name: null, engineUrl: null, plaintextAllowed: false },
    };
    expect(settings(SETTINGS_TEMPLATE)).toMatchObject(unset);
    expect(settings("{}")).toEqual(settings(SETTINGS_TEMPLATE));
    expect(settings("budget:\nmodels:\nhours:\nslots:\n")).toEqual(settings(SETTINGS_TEMPLATE));
    expect(settings(SETTINGS_TEMPLATE).owner).toEqual({
      budget: { day: { kind: "none" }, month: { kind: "none" }, share: 0.5 },
      hours: { text: "always", spans: [{ from: 0, to: 10_080 }] },
      models: { allow: [], forbid: [] },
      pauseWhenActiveMs: null,
      slots: null,
      memory: null,
      freeMemory: null,
      contextTokens: null,
      pinnedModels: [],
    });
  });

  test("says all that an owner may decide", () => {
    const text = `budget: { day: 500k, month: auto, share: 25% }
hours: sat-sun all
models: { allow: ["qwen3:*"], forbid: [far:cloud] }
pauseWhenActive: 5m
slots: 2
memory: 50%
freeMemory: 8.5
context: 16384
pin: [llama3.2:3b]
name: attic
engine: 127.0.0.1:11500
allowPlaintext: yes
`;
    expect(settings(text)).toMatchObject({
      owner: {
        budget: { day: { kind: "tokens", tokens: 500_000 }, month: { kind: "auto" }, share: 0.25 },
        hours: { spans: [{ from: 7_200, to: 10_080 }] },
        models: { allow: ["qwen3:*"], forbid: ["far:cloud"] },
        pauseWhenActiveMs: 300_000,
        slots: 2,
        memory: { kind: "share", share: 0.5 },
        freeMemory: { kind: "bytes", bytes: 8.5 * 2 ** 30 },
        contextTokens: 16_384,
        pinnedModels: ["llama3.2:3b"],
      },
      start: { name: "attic", engineUrl: "127.0.0.1:11500", plaintextAllowed: true },
    });
  });

  test.for([
    [
      "budget:\n  day: -5\n",
      'agent.yaml:2: budget.day takes a number of tokens (500000, 500k, 2M), auto or none, not "-5"',
    ],
    [
      "budget:\n  day: [1]\n",
      'agent.yaml:2: budget.day takes a number of tokens (500000, 500k, 2M), auto or none, not "[1]"',
    ],
    ["\nbudget: 5\n", "agent.yaml:2: budget takes settings of its own"],
    ["budget:\n  share: 2\n", "agent.yaml:2: budget.share takes a share above 0"],
    ["hours: fry 08:00-09:00\n", "agent.yaml:1: hours takes always, or days and times"],
    ["models:\n  allow: qwen3\n", "agent.yaml:2: models.allow takes a list of models"],
    ["models:\n  forbid:\n    - 7\n", "agent.yaml:2: models.forbid.0 takes names of models"],
    ["slots: 0\n", "agent.yaml:1: slots takes a whole number from 1 to 256"],
    ["memory: 0\n", "agent.yaml:1: memory takes GiB above 0"],
    ["pauseWhenActive: soon\n", "agent.yaml:1: pauseWhenActive takes off or a time without input"],
    ["# remark\nslotz: 2\n", "agent.yaml:2: slotz is not known here; the nearest name is slots"],
    ["budget:\n  days: 2\n", "agent.yaml:2: budget.days is not known here; the nearest name is day"],
    ["slots: 1\nslots: 2\n", "agent.yaml:2: Map keys must be unique"],
    ["hours: 'always\n", "agent.yaml:"],
    ["a: &a 1\nb: *a\n", "agent.yaml:2: a part that stands for another is not read"],
    ["- slots\n", "agent.yaml:1: it takes settings of its own"],
    ["", "agent.yaml is empty"],
  ] as const)("%j is told as %s", ([text, problem]) => {
    expect(parseSettings(text)).toEqual({ kind: "problem", problem: expect.stringContaining(problem) });
  });

  test("tells all that is wrong, in the order of the lines", () => {
    const parsed = parseSettings("slots: many\nbudget:\n  month: lots\nhour: always\n");
    expect(parsed.kind === "problem" && parsed.problem.split("\n").map((line) => line.slice(0, 14))).toEqual([
      "agent.yaml:1: ",
      "agent.yaml:3: ",
      "agent.yaml:4: ",
    ]);
  });

  test("whatever it says, it is either understood or told", () => {
    const line = fc.tuple(
      fc.constantFrom("budget", "  day", "hours", "slots", "models", "pin", "- x"),
      fc.constantFrom(":", ": 5", ": {}", ": [", ": &a", ": *a", ": ~"),
    );
    fc.assert(
      fc.property(
        fc.array(
          line.map((parts) => parts.join("")),
          { maxLength: 6 },
        ),
        (lines) => {
          expect(["settings", "problem"]).toContain(parseSettings(lines.join("\n")).kind);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("a change", () => {
  test("leaves the rest of the file, remarks included, as it is", async () => {
    await ensureSettingsFile(home);
    const before = await readFile(path(), "utf8");
    await changeSettings(home, [
      { path: ["budget", "day"], value: "2M" },
      { path: ["hours"], value: "mon-fri 18:00-08:00, sat-sun all" },
      { path: ["models", "forbid"], value: ["far:cloud", "*:70b"] },
    ]);
    const after = await readFile(path(), "utf8");
    expect(after).toBe(
      before
        .replace("day: none", "day: 2M")
        .replace("hours: always", "hours: mon-fri 18:00-08:00, sat-sun all")
        .replace("forbid: []", 'forbid: [ far:cloud, "*:70b" ]'),
    );
    expect((await readSettings(home)).owner).toMatchObject({
      budget: { day: { kind: "tokens", tokens: 2_000_000 } },
    });
  });

  test("begins a file where there is none, and a part of one that is missing", async () => {
    await changeSettings(home, [{ path: ["budget", "month"], value: "auto" }]);
    expect(await readFile(path(), "utf8")).toBe(SETTINGS_TEMPLATE.replace("month: none", "month: auto"));
    await writeFile(path(), "slots: 2 # two\n");
    await changeSettings(home, [{ path: ["budget", "month"], value: "1M" }]);
    expect(await readFile(path(), "utf8")).toBe("slots: 2 # two\nbudget:\n  month: 1M\n");
  });

  test("that is wrong, or in a file that is, changes nothing", async () => {
    await writeFile(path(), "slots: 2\n");
    await expect(changeSettings(home, [{ path: ["hours"], value: "noon" }])).rejects.toMatchObject({
      code: "bad-setting",
    });
    expect(await readFile(path(), "utf8")).toBe("slots: 2\n");
    await writeFile(path(), "slots: two\n");
    await expect(changeSettings(home, [{ path: ["hours"], value: "always" }])).rejects.toThrow(
      /agent\.yaml:1: slots takes/,
    );
    expect(await readFile(path(), "utf8")).toBe("slots: two\n");
  });
});
