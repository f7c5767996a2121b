import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir, uptime } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeStatus } from "../status.ts";
import type { AgentStatus } from "../status.ts";
import { tellStatus } from "./status.ts";

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "coop-status-"));
});
afterEach(() => rm(home, { recursive: true }));

const nowMs = Date.now();
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
  budget: null,
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
  ]);
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
