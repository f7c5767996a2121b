import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startChild } from "../../../test/harness/child.ts";
import type { Child } from "../../../test/harness/child.ts";
import { startScriptedOllama } from "../../../test/harness/scripted-ollama.ts";
import type { ScriptedOllama } from "../../../test/harness/scripted-ollama.ts";
import { assignOf } from "./testing/bench.ts";
import { createFakeScheduler } from "./testing/fake-scheduler.ts";
import type { FakeScheduler } from "./testing/fake-scheduler.ts";

/** The agent as its owner runs it: a process, an Ollama at the wire, a scheduler on a socket. */

const program = join(import.meta.dirname, "main.ts");
let home: string;
let scheduler: FakeScheduler;
let ollama: ScriptedOllama;
const started: Child[] = [];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "coop-agent-"));
  scheduler = await createFakeScheduler();
  ollama = await startScriptedOllama();
});

afterEach(async () => {
  for (const child of started.splice(0)) await child.kill9();
  await ollama[Symbol.asyncDispose]();
  await scheduler.close();
  await rm(home, { recursive: true });
});

const agent = (args: readonly string[], engine = ollama.url.href): Child => {
  const child = startChild(program, args, { COOP_AGENT_HOME: home, OLLAMA_HOST: engine });
  started.push(child);
  return child;
};

const ended = async (child: Child): Promise<{ readonly code: number | null; readonly output: string }> => {
  const code = await child.ended;
  return { code, output: child.output() };
};

const assign = assignOf("job_1", { model: "llama3.2:3b" });

test("it joins, serves a job, tells how it is, and leaves when asked", async () => {
  const first = agent(["start", "--name", "attic", "--join", scheduler.invite()]);
  const connection = await scheduler.accept();
  const hello = await connection.welcome();
  await first.line(new RegExp(`^agent attic connected to ${scheduler.url}$`, "m"));
  expect(hello).toMatchObject({
    machine: { engine: "ollama 0.35.1", simulated: false },
    report: { slots: 1, models: [{ name: "llama3.2:3b", cloud: false }] },
    running: [],
  });

  connection.send(assign);
  await connection.next("accepted");
  const { deltas } = await connection.next("output");
  expect(deltas[0]).toMatchObject({ kind: "content", text: expect.stringContaining("Hello") });
  const end = await connection.next("done");
  expect(end).toMatchObject({ finishReason: "stop" });
  connection.send({ kind: "settled", job: end.job, epoch: end.epoch });

  const second = await ended(agent(["start"]));
  expect(second).toMatchObject({ code: 1, output: expect.stringContaining("already runs here: attic") });
  await expect
    .poll(async () => (await ended(agent(["status"]))).output, { timeout: 10_000 })
    .toMatch(
      new RegExp(
        `attic \\(node_1\\).*\nconnected  to ${scheduler.url} .*\nengine     ollama 0.35.1\nmodels     llama3.2:3b`,
      ),
    );
  expect(await first.stop()).toBe(0);
  await expect(access(join(home, "status.json"))).rejects.toThrow("ENOENT");
  expect(first.output()).not.toContain("secret words");
  expect(await ended(agent(["status", "--json"]))).toMatchObject({
    code: 3,
    output: expect.stringContaining(`"alive": false`),
  });
});

test("it comes back after a kill -9 with what it is and without what it ran", async () => {
  const token = scheduler.invite();
  const first = agent(["start", "--join", token]);
  const connection = await scheduler.accept();
  await connection.welcome();
  ollama.script("/api/chat", { do: "hang" });
  connection.send(assign);
  await connection.next("accepted");
  await first.kill9();
  await connection.closed;

  const again = agent(["start", "--join", token]);
  await again.line(/joined before as/);
  const hello = await (await scheduler.accept()).welcome();
  expect(hello).toMatchObject({ node: "node_1", running: [] });
  await again.line(/connected to/);
  expect(await again.stop()).toBe(0);
});

test("a second SIGTERM ends what runs, and the engine is told", async () => {
  const child = agent(["start", "--join", scheduler.invite()]);
  const connection = await scheduler.accept();
  await connection.welcome();
  ollama.script("/api/chat", { do: "hang" });
  connection.send(assign);
  const call = await ollama.call("/api/chat");
  process.kill(child.pid, "SIGTERM");
  expect((await connection.next("report")).report.draining).toBe(true);
  process.kill(child.pid, "SIGTERM");
  const end = await connection.next("failed");
  expect(end).toMatchObject({ class: "shutdown" });
  expect(await call.ended).toBe("destroyed");
  connection.send({ kind: "settled", job: end.job, epoch: end.epoch });
  expect(await child.ended).toBe(0);
});

test("without an Ollama it stays, says what to do, and serves once there is one", async () => {
  const { port } = ollama.url;
  await ollama[Symbol.asyncDispose]();
  const child = agent(["start", "--join", scheduler.invite()], `127.0.0.1:${port}`);
  const connection = await scheduler.accept();
  expect((await connection.welcome()).report.models).toEqual([]);
  await child.line(/no engine answers at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\); is Ollama running\?/);
  ollama = await startScriptedOllama(Number(port));
  const hello = await (await scheduler.accept()).welcome();
  expect(hello.report.models).toHaveLength(1);
  expect(await child.stop()).toBe(0);
});

test.for([
  ["too old an Ollama", { version: "0.34.9" }, /Ollama 0\.34\.9 is too old: .*update Ollama/],
  ["something else", { hello: "world" }, /what answers is not Ollama/],
] as const)("with %s it stays and says what to do", async ([, version, words]) => {
  ollama.version = version;
  const child = agent(["start", "--join", scheduler.invite()]);
  expect((await (await scheduler.accept()).welcome()).report.models).toEqual([]);
  await child.line(words);
  expect(await child.stop()).toBe(0);
});

test("it says what is wrong before it starts, and leaves nothing half-done", async () => {
  const token = scheduler.invite();
  const cases = [
    [["start"], /has not joined a co-op yet.*--join TOKEN/],
    [["start", "--join", "nonsense"], /not a whole join token/],
    [["start", "--join", token, "--slots", "0"], /--slots takes a whole number from 1 to 256, not "0"/],
    [["start", "--join", token, "--engine", "ftp://x"], /is neither http nor https/],
    [["dance"], /unknown command 'dance'/],
  ] as const;
  for (const [args, words] of cases) {
    expect(await ended(agent(args))).toMatchObject({ code: 1, output: expect.stringMatching(words) });
    await expect(access(join(home, "identity.json"))).rejects.toThrow("ENOENT");
  }
});

test("a node that was revoked ends and says so", async () => {
  const child = agent(["start", "--join", scheduler.invite()]);
  const connection = await scheduler.accept();
  await connection.welcome();
  connection.send({
    kind: "refused",
    reason: "revoked",
    message: "An operator revoked it.",
    retryAfterMs: null,
    leader: null,
  });
  const { code, output } = await ended(child);
  expect(code).toBe(1);
  expect(output).toMatch(/An operator revoked it\. This node was revoked\. .*--join TOKEN/);
});
