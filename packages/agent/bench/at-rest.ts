/**
 * What an agent takes of its machine while it has nothing to do: connected, its engine answering, no job.
 *   node packages/agent/bench/at-rest.ts [seconds]
 * Memory is the resident set as the system counts it, pages shared with other Node programs included; CPU is
 * processor time over the time that passed. The agent was started once before, so its modules come from Node's
 * compile cache, as they do for whoever starts it through the repository's scripts.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startChild } from "../../../test/harness/child.ts";
import type { Child } from "../../../test/harness/child.ts";
import { startScriptedOllama } from "../../../test/harness/scripted-ollama.ts";
import { createFakeScheduler } from "../src/testing/fake-scheduler.ts";

/** Until what the start left behind is gone, ms. */
const SETTLE_MS = 12_000;
const TICKS_PER_SECOND = 100;
const seconds = Number(process.argv[2] ?? 30);

const rssBytes = (pid: number): number =>
  Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) * 1024;

/** Processor time so far, ms; null where the system does not tell it finely. */
function cpuMs(pid: number): number | null {
  if (process.platform !== "linux") return null;
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND;
}

const home = await mkdtemp(join(tmpdir(), "coop-agent-"));
process.env["NODE_COMPILE_CACHE"] ??= join(home, "compiled");
const scheduler = await createFakeScheduler();
await using ollama = await startScriptedOllama();

const startAgent = async (args: readonly string[]): Promise<Child> => {
  const agent = startChild(join(import.meta.dirname, "../src/main.ts"), ["start", ...args], {
    COOP_AGENT_HOME: home,
    OLLAMA_HOST: ollama.url.href,
  });
  await (await scheduler.accept()).welcome();
  await agent.line(/connected/);
  return agent;
};

const first = await startAgent(["--join", scheduler.invite()]);
await first.stop();
const agent = await startAgent([]);
try {
  await delay(SETTLE_MS);
  const before = cpuMs(agent.pid);
  await delay(seconds * 1000);
  const after = cpuMs(agent.pid);
  const cpuPercent = before === null || after === null ? null : (after - before) / (seconds * 10);
  const result = { rssMegabytes: Math.round(rssBytes(agent.pid) / 1e6), cpuPercent, seconds };
  process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
  await agent.kill9();
  await scheduler.close();
  await rm(home, { recursive: true });
}
