/** What an owner decides on their machine, with the programs as they are: it holds at once, and members see why. */
import { join, resolve } from "node:path";
import { placementSchema } from "@coop/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import { auditBooks, openBooks, readBooks } from "../harness/books.ts";
import { readJob, submitDetached, untilEnded, untilJob } from "../harness/chaos.ts";
import { startChild } from "../harness/child.ts";
import type { Child } from "../harness/child.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";
import { done, piece, startScriptedOllama } from "../harness/scripted-ollama.ts";
import type { ScriptedOllama } from "../harness/scripted-ollama.ts";

const AGENT = resolve(import.meta.dirname, "../../packages/agent/src/main.ts");
/** From a change on the machine to what members see of it: the agent's look, the report, the fleet's snapshot. */
const SEEN_MS = 15_000;
const MODEL = "llama3.2:3b";

let cluster: Cluster;
let member: TestMember;
let attic: ScriptedOllama;
let agent: Child;

beforeAll(async () => {
  attic = await startScriptedOllama();
  cluster = await startCluster();
  member = await cluster.addMember("astrid");
  agent = await startAgent();
});
afterAll(async () => {
  await cluster.stop();
  await attic[Symbol.asyncDispose]();
});

const startAgent = (): Promise<Child> =>
  cluster.startAgent("attic", attic.url.href, member, ["--slots", "2"]);

/** A command as the owner types it; what it says. */
async function owner(...args: readonly string[]): Promise<string> {
  const command = startChild(AGENT, args, { COOP_AGENT_HOME: join(cluster.home, "agents", "attic") });
  const code = await command.ended;
  expect(code, command.output()).toBe(0);
  return command.output();
}

const submit = (key: string): Promise<string> =>
  submitDetached(cluster, member, key, {
    model: MODEL,
    messages: [{ role: "user", content: "Say hello." }],
    max_tokens: 2_000,
  });

/** The reasons against the node, as the member sees them for a job that waits. */
async function reasons(job: string): Promise<readonly { reason: string; detail: string }[]> {
  const response = await cluster.request(`/v1/jobs/${job}/placement`, { key: member.key });
  const [node] = placementSchema.parse(await response.json()).nodes;
  return (node?.options ?? []).flatMap((option) => (option.kind === "refused" ? option.refusals : []));
}
const untilRefused = (job: string, reason: string, detail: RegExp) =>
  expect
    .poll(() => reasons(job), { timeout: SEEN_MS })
    .toEqual([expect.objectContaining({ reason, passing: true, detail: expect.stringMatching(detail) })]);
const untilShown = (state: object) =>
  expect.poll(async () => (await cluster.nodes())[0], { timeout: SEEN_MS }).toMatchObject(state);
const isServed = async (job: string): Promise<void> =>
  expect(await untilEnded(cluster, member, job, SEEN_MS)).toMatchObject({ state: "succeeded", attempts: 1 });

it("a pause finishes what runs, takes nothing new, holds over a restart, and ends with a word", async () => {
  const released = Promise.withResolvers<void>();
  attic.script(
    "/api/chat",
    piece("Hello"),
    { do: "await", released: released.promise },
    piece(" you"),
    done(),
  );
  const running = await submit("running");
  await untilJob(cluster, member, running, ({ state }) => state === "running", SEEN_MS);

  expect(await owner("pause", "--for", "2h")).toMatch(
    /^Paused until .*\d\d:\d\d\.\nWhat runs is finished; nothing new is taken\.\n$/,
  );
  await untilShown({ closed: { reason: "paused", untilMs: expect.any(Number) } });
  const waiting = await submit("waiting");
  await untilRefused(waiting, "paused", /^attic is paused by its owner until \d{4}-\d\d-\d\d \d\d:\d\d UTC$/);
  released.resolve();
  await isServed(running);

  expect(await agent.stop()).toBe(0);
  agent = await startAgent();
  await untilShown({ connected: true, closed: { reason: "paused" } });
  expect(await readJob(cluster, member, waiting)).toMatchObject({ state: "queued", attempts: 0 });
  await expect
    .poll(() => owner("status"), { timeout: SEEN_MS })
    .toMatch(/\nserves +not now: paused until .*; `agent resume` ends it\n/);
  expect(await owner("resume")).toMatch(/^Resumed/);
  await isServed(waiting);
});

it("a budget that is lowered below what is spent holds at once, and says so", async () => {
  const large = [piece("x".repeat(1_900)), done({ prompt_eval_count: 100, eval_count: 1_900 })] as const;
  for (const name of ["large", "larger"]) {
    attic.script("/api/chat", ...large);
    await isServed(await submit(name));
  }
  expect(await owner("budget", "--day", "2.2k", "--month", "1M")).toMatch(/^today +2,200 /m);
  await untilShown({ budget: { dayLeftTokens: 0 } });
  const told =
    /^today +2,200 +4,\d{3} +0 +0 .*\nthis month +1,000,000 +4,\d{3} .*\nThe budget of this day, 2,200, is spent: 4,\d{3} are used/m;
  await expect.poll(() => owner("budget"), { timeout: SEEN_MS }).toMatch(told);
  const waiting = await submit("beyond");
  await untilRefused(
    waiting,
    "budget-spent",
    /^may take 2,\d{3} tokens, attic has 0 of this day left, until /,
  );
  expect(await owner("budget", "--day", "none")).toMatch(/^today +none /m);
  await isServed(waiting);
});

it("outside its serving hours a machine takes nothing, and a mistake in the settings changes nothing", async () => {
  const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
  const dayAfterTomorrow = days[(new Date().getDay() + 2) % 7] ?? "";
  expect(await owner("hours", dayAfterTomorrow, "08:00-09:00")).toMatch(/\nOutside them until /);
  await untilShown({ closed: { reason: "outside-hours" } });
  const waiting = await submit("at night");
  await untilRefused(waiting, "outside-hours", /^attic has no serving hours now before /);

  const mistaken = startChild(AGENT, ["hours", "noon"], {
    COOP_AGENT_HOME: join(cluster.home, "agents", "attic"),
  });
  expect(await mistaken.ended).toBe(1);
  expect(mistaken.output()).toMatch(/^agent hours takes always, or days and times/);
  expect(await owner("hours")).toContain(`Serving hours: ${dayAfterTomorrow} 08:00-09:00`);
  await owner("hours", "always");
  await isServed(waiting);
});

it("leaves books that add up", async () => {
  const redis = await openBooks(cluster.home);
  try {
    await expect.poll(async () => auditBooks(await readBooks(redis)), { timeout: 10_000 }).toEqual([]);
  } finally {
    redis.disconnect();
  }
});
