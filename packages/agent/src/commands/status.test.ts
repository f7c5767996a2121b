import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir, uptime } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeStatus } from "../status.ts";
import type { AgentStatus } from "../status.ts";
import { tellStatus } from "./status.ts";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "coop-status-"));
});
afterEach(() => rm(home, { recursive: true }));

/** Noon: what the owner reads as today is the same whenever the tests run. */
const nowMs = new Date().setHours(12, 0, 0, 0);
const status: AgentStatus = {
  pid: process.pid,
  node: "node_1",
  name: "attic",
  owner: "mem_1",
  server: "https://coop.example",
  connection: { state: "connected", sinceMs: nowMs - 7_500_000 },
  engine: { name: "ollama 0.35.1", problem: null },
  models: [
    { name: "small", loaded: true, contextTokens: 8192, problem: null },
    { name: "large", loaded: false, contextTokens: 8192, problem: "idle-timeout: hangs" },
  ],
  slots: 2,
  availability: { kind: "open" },
  throughput: { value: 100, basis: "prior" },
  budget: null,
  settings: {
    hours: "always",
    servingSecondsPerDay: 86_400,
    pauseWhenActiveMs: null,
    idleness: null,
    notAllowed: [],
    problem: null,
  },
  draining: false,
  running: [{ job: "job_1", epoch: 1, model: "small", startedAtMs: nowMs - 4_000, outputTokens: 120 }],
  updatedAtMs: nowMs,
};

const tell = async (json = false) => {
  const lines: string[] = [];
  const alive = await tellStatus({ home, json, nowMs, say: (line) => lines.push(line) });
  return { alive, text: lines.join("\n") };
};

test("tells how a running agent is", async () => {
  await writeStatus(home, status);
  const { alive, text } = await tell();
  expect(alive).toBe(true);
  expect(text.split("\n")).toEqual([
    `attic (node_1), process ${process.pid}`,
    "connected  to https://coop.example for 2 h 5 min",
    "engine     ollama 0.35.1",
    "models     small (loaded), large (unhealthy)",
    "slots      1 of 2 taken",
    "serves     always",
    "budget     not known before it is connected",
    "running    job_1 on small: 120 tokens in 4 s",
  ]);
  expect(JSON.parse((await tell(true)).text)).toEqual({ alive: true, ...status });
});

test("tells what keeps it from serving", async () => {
  const connection = {
    state: "connecting" as const,
    sinceMs: nowMs - 65_000,
    problem: "connect ECONNREFUSED",
  };
  const engine = { name: "none", problem: "no engine answers" };
  await writeStatus(home, { ...status, connection, engine, models: [], running: [], draining: true });
  expect((await tell()).text.split("\n").slice(1)).toEqual([
    "connecting to https://coop.example for 1 min: connect ECONNREFUSED",
    "engine     no engine answers",
    "models     none",
    "slots      0 of 2 taken, takes nothing new",
    "serves     always",
    "budget     not known before it is connected",
  ]);
});

describe("what its owner decided", () => {
  const atSix = new Date(nowMs).setHours(18, 0, 0, 0);
  const span = { limitTokens: null, usedTokens: 1_200, heldTokens: 0, endsMs: atSix };
  const lines = async (changes: Partial<AgentStatus>, settings: Partial<AgentStatus["settings"]> = {}) => {
    await writeStatus(home, { ...status, ...changes, settings: { ...status.settings, ...settings } });
    return (await tell()).text.split("\n").slice(5, -1);
  };

  test.for([
    ["paused", null, {}, "serves     not now: paused; `agent resume` ends it"],
    ["paused", atSix, {}, "serves     not now: paused until 18:00; `agent resume` ends it"],
    ["outside-hours", atSix, { hours: "18:00-23:00" }, "serves     not now: 18:00-23:00; again from 18:00"],
    [
      "owner-active",
      null,
      { pauseWhenActiveMs: 300_000, idleness: { kind: "idle", ms: 61_500 } },
      "serves     not now: someone is at the machine, 1m 1s ago; again after 5m without input",
    ],
  ] as const)("tells that it is %s", async ([reason, untilMs, settings, line]) => {
    expect((await lines({ availability: { kind: "closed", reason, untilMs } }, settings))[0]).toBe(line);
  });

  test("tells what is used and what is wrong", async () => {
    const day = { ...span, limitTokens: 5_100, usedTokens: 4_200, heldTokens: 976 };
    const settings: Partial<AgentStatus["settings"]> = {
      notAllowed: ["far:cloud"],
      problem: "agent.yaml:3: slots takes a number",
      idleness: { kind: "unknown" },
    };
    expect((await lines({ budget: { day, month: span, atMs: nowMs } }, settings)).slice(1)).toEqual([
      "budget     4,200 of 5,100 today, 976 held, spent until 18:00; 1,200 this month",
      "not shared far:cloud",
      "owner      whether you are at the machine is not known here; it serves",
      "settings   agent.yaml:3: slots takes a number; what was set before stands",
    ]);
  });
});

test("is not deceived by an agent that is gone", async () => {
  expect(await tell()).toEqual({ alive: false, text: "No agent runs here. Start it with `agent start`." });
  await writeStatus(home, { ...status, pid: 2 ** 22 + 1 });
  expect(await tell()).toMatchObject({ alive: false, text: expect.stringContaining("ended without a word") });
  expect(JSON.parse((await tell(true)).text)).toEqual({ alive: false });
});

test("nor by a process that got its number when the machine started anew", async () => {
  await writeStatus(home, { ...status, updatedAtMs: nowMs - uptime() * 1000 - 60_000 });
  expect(await tell()).toMatchObject({ alive: false });
});
