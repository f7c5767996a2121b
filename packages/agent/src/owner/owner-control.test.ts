import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Idleness } from "../probe/idle.ts";
import { keepLines } from "../testing/bench.ts";
import { createManualTiming } from "../testing/manual-timing.ts";
import { startOwnerControl } from "./owner-control.ts";
import type { OwnerControl } from "./owner-control.ts";
import { removePause, writePause } from "./pause.ts";
import { changeSettings, readSettings } from "./settings-file.ts";
import type { OwnerSettings } from "./settings.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** A whole minute, taken for the beginning of a week. */
const MONDAY_MS = 28_333_320 * MINUTE_MS;

let home: string;
let control: OwnerControl;
let timing: ReturnType<typeof createManualTiming>;
let idleness: Idleness;
let changes: number;
let lines: string[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "coop-owner-"));
  timing = createManualTiming(MONDAY_MS);
  idleness = { kind: "unknown" };
  changes = 0;
  lines = [];
});
afterEach(async () => {
  await control.close();
  expect(timing.pending).toBe(0);
  await rm(home, { recursive: true });
});

async function start(overrides: Partial<OwnerSettings> = {}): Promise<void> {
  control = await startOwnerControl({
    home,
    settings: (await readSettings(home)).owner,
    overrides,
    timing,
    log: keepLines(lines),
    idleProbe: () => Promise.resolve(idleness),
    onChange: () => (changes += 1),
    weekMinuteOf: (atMs) => Math.floor((atMs - MONDAY_MS) / MINUTE_MS) % (7 * 24 * 60),
  });
}
const write = (text: string) => writeFile(join(home, "agent.yaml"), text);
/** The file is found changed, as by whoever watches the home, and has settled. */
async function noticed(file: string): Promise<void> {
  control.fileChanged(file);
  timing.advance(200);
  await control.look();
}

describe("a pause", () => {
  test("holds from when it is asked for until it ends by itself", async () => {
    await start();
    const untilMs = timing.now() + 2 * HOUR_MS;
    await writePause(home, { sinceMs: timing.now(), untilMs });
    await noticed("pause.json");
    expect(changes).toBe(1);
    expect(control.availability()).toEqual({ kind: "closed", reason: "paused", untilMs });
    expect(control.refusal("small")).toContain("paused by its owner");
    timing.advance(2 * HOUR_MS - 200 - 1);
    expect(control.availability().kind).toBe("closed");
    timing.advance(1);
    expect(changes).toBe(2);
    expect(control.availability()).toEqual({ kind: "open" });
  });

  test("holds over a restart, and until the owner says so", async () => {
    await writePause(home, { sinceMs: 0, untilMs: null });
    await start();
    expect(control.availability()).toEqual({ kind: "closed", reason: "paused", untilMs: null });
    await removePause(home);
    await noticed("pause.json");
    expect(control.availability()).toEqual({ kind: "open" });
  });

  test("that cannot be read changes nothing and is told", async () => {
    await writePause(home, { sinceMs: 0, untilMs: null });
    await start();
    await writeFile(join(home, "pause.json"), "{");
    await noticed("pause.json");
    expect(control.availability().kind).toBe("closed");
    expect(control.problem).toMatch(/pause\.json cannot be read.*agent resume/s);
  });
});

test("serving hours begin and end at their minute", async () => {
  await write("hours: mon 08:00-10:00\n");
  await start();
  const opensMs = MONDAY_MS + 8 * HOUR_MS;
  expect(control.availability()).toEqual({ kind: "closed", reason: "outside-hours", untilMs: opensMs });
  timing.advance(8 * HOUR_MS);
  expect([changes, control.availability()]).toEqual([1, { kind: "open" }]);
  timing.advance(2 * HOUR_MS);
  const nextMs = opensMs + 7 * 24 * HOUR_MS;
  expect([changes, control.availability()]).toEqual([
    2,
    { kind: "closed", reason: "outside-hours", untilMs: nextMs },
  ]);
});

describe("an owner who comes first", () => {
  test.for([
    [{ kind: "idle", ms: 299_999 }, "closed"],
    [{ kind: "idle", ms: 300_000 }, "open"],
    [{ kind: "nobody" }, "open"],
    [{ kind: "unknown" }, "open"],
  ] as const)("at the machine as %j finds it %s", async ([now, kind]) => {
    await write("pauseWhenActive: 5m\n");
    await start();
    idleness = now;
    await control.look();
    expect(control.availability().kind).toBe(kind);
    expect(control.idleness).toEqual(now);
  });

  test("is not looked for unless asked", async () => {
    await start();
    idleness = { kind: "idle", ms: 0 };
    await control.look();
    expect([control.idleness, control.availability()]).toEqual([null, { kind: "open" }]);
  });
});

describe("the settings' file", () => {
  test("takes effect while the agent runs, but not over what it was started with", async () => {
    await start({ slots: 3 });
    await changeSettings(home, [
      { path: ["budget", "day"], value: "5k" },
      { path: ["slots"], value: "1" },
      { path: ["models", "forbid"], value: ["small"] },
    ]);
    await noticed("agent.yaml");
    expect(changes).toBe(1);
    expect(control.settings).toMatchObject({ slots: 3, budget: { day: { kind: "tokens", tokens: 5_000 } } });
    expect(control.refusal("small")).toBe('this node\'s owner does not allow "small"');
    expect(control.refusal("other")).toBeNull();
    await control.look();
    expect(changes).toBe(1);
  });

  test.for([
    ["a mistake", "slots: 2\nhours: noon\n", /^agent\.yaml:2: hours takes always/],
    ["half of it", "budget: {\n", /^agent\.yaml:\d: /],
    ["nothing", "", /^agent\.yaml is empty/],
  ] as const)(
    "with %s leaves what was set before, and says so until it is right",
    async ([, text, problem]) => {
      await write("slots: 4\n");
      await start();
      await write(text);
      await noticed("agent.yaml");
      expect(control.settings.slots).toBe(4);
      expect(control.problem).toMatch(problem);
      expect(lines.join("\n")).toContain("what was set before stands");
      await write("slots: 4\n");
      await noticed("agent.yaml");
      expect([control.problem, control.settings.slots]).toEqual([null, 4]);
      expect(changes).toBe(2);
    },
  );

  test("that is gone leaves what was set before", async () => {
    await write("slots: 4\n");
    await start();
    await rm(join(home, "agent.yaml"));
    await noticed("agent.yaml");
    expect([control.settings.slots, control.problem]).toEqual([4, "agent.yaml is gone"]);
  });

  test("is found changed also where nobody watches, and no other file is looked at", async () => {
    await start();
    await write("slots: 2\n");
    control.fileChanged("status.json");
    expect(timing.pending).toBe(0);
    await control.look();
    expect([control.settings.slots, changes]).toEqual([2, 1]);
  });
});
