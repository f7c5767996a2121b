import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startChild } from "../harness/child.ts";
import type { Child } from "../harness/child.ts";
import { startScriptedOllama } from "../harness/scripted-ollama.ts";

const root = resolve(import.meta.dirname, "../..");
const coop = join(root, "packages/cli/src/main.ts");

let folder: string;
let children: Child[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "coop-command-"));
  children = [];
});
afterEach(async () => {
  for (const child of children) if (child.running()) await child.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Everything that it keeps lies in the test's folder. */
function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Child {
  const child = startChild(coop, args, {
    COOP_HOME: join(folder, "home"),
    COOP_CACHE: join(root, ".tools"),
    ...environment,
  });
  children.push(child);
  return child;
}

/** The processes that a process started, and those they started, by id. */
async function descendants(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid="]);
  const pairs = stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number));
  const found = [pid];
  for (const parent of found) found.push(...pairs.flatMap(([id = 0, of]) => (of === parent ? [id] : [])));
  return found.slice(1);
}

async function living(pids: readonly number[]): Promise<number[]> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid="]);
  const all = new Set(stdout.trim().split(/\s+/).map(Number));
  return pids.filter((pid) => all.has(pid));
}

/** One month, three ways: her own statement, her use, and the fleet's page. */
async function reportMonth(here: Readonly<Record<string, string>>, key: string): Promise<void> {
  const own = { ...here, COOP_API_KEY: key };
  const report = run(["report"], own);
  await report.line(/Statement of maja, \d{4}-\d{2} up to now/);
  await report.line(/Jobs +1, 100 % succeeded/);
  await report.line(/attic +1 /);
  await run(["usage", "--by", "node"], own).line(/attic +1 .*\n(.*\n)*all +1 /);
  const file = join(folder, "fleet.html");
  await run(["report", "--all", "-o", file], here).line(/Saved to .*fleet\.html/);
  const page = await readFile(file, "utf8");
  for (const name of ["maja", "operator", "attic", "Raspberry Pi 5"]) expect(page).toContain(name);
}

/** What the README tells who lends a machine to do, command by command: a new member's own machine serves her. */
async function lendMachine(url: string): Promise<void> {
  const here = { COOP_URL: url };
  await run(["members", "add", "maja"], here).line(/maja is a member \(mem_\w+\)/);
  const [key] = await run(["keys", "create", "maja"], here).line(/coop_\w{40,}/);
  const [, token = ""] = await run(["invite-node", "--member", "maja"], here).line(
    /(?:agent --|agent\.tgz) start --join (coopjoin_\S+)/,
  );
  await using ollama = await startScriptedOllama();
  const agent = startChild(
    join(root, "packages/agent/src/main.ts"),
    ["start", "--join", token, "--name", "attic", "--engine", ollama.url.href],
    { COOP_AGENT_HOME: join(folder, "attic") },
  );
  children.push(agent);
  await agent.line(/agent attic connected to/);
  const listed = async (): Promise<string> => {
    const nodes = run(["nodes"], here);
    await nodes.ended;
    return nodes.output();
  };
  await expect.poll(listed, { timeout: 20_000 }).toMatch(/attic +maja/);
  const asked = run(["ask", "Is anybody there?", "--privacy", "own", "--model", "coop/edge"], {
    ...here,
    COOP_API_KEY: key,
  });
  await asked.line(/Hello there/);
  await asked.line(/attic/);
  await reportMonth(here, key);
  const quota = run(["quota"], { ...here, COOP_API_KEY: key });
  await quota.line(/Limit: [\d,]+, an equal share of the [\d,]+ that the fleet can make, by 2 members/);
  const limited = run(["members", "set", "maja", "--quota", "5000", "--jobs-at-once", "2"], here);
  await limited.line(/Limit: 5,000, set by an operator/);
  await limited.line(/Jobs at once: 0 of 2/);
  expect(await agent.stop()).toBe(0);
}

describe("coop up", () => {
  it("brings a co-op up that answers, explains itself and leaves nothing behind", async () => {
    const up = run(["up", "--simulated", "--speedup", "20", "--port", "0"]);
    const [, url = ""] = await up.line(/Your co-op is up at (\S+)/);
    await up.line(/stop {7}Ctrl-C/);
    expect(up.output()).toMatch(/SIMULATED/);

    const asked = run(["ask", "Why is the sky blue?", "--model", "coop/local-large"], { COOP_URL: url });
    const [, job = ""] = await asked.line(/coop explain (job_\w+)/);
    expect(asked.output()).toMatch(/^\[simulated Mac Studio M4 Max\]/);
    const explained = run(["explain", job], { COOP_URL: url });
    await explained.line(/It went to Mac Studio M4 Max with \S+ \(local-large\)/);
    await explained.line(/Raspberry Pi 5, llama3\.2:3b: asks for local-large or better.*\(tier-below\)/);

    await lendMachine(url);

    const programs = await descendants(up.pid);
    expect(programs.length, "a server, its Redis, the machines and three agents").toBeGreaterThanOrEqual(6);
    process.kill(up.pid, "SIGINT");
    process.kill(up.pid, "SIGINT");
    expect(await up.stop()).toBe(0);
    expect(await living(programs)).toEqual([]);
  });

  it("takes its machines in again when its data are gone", async () => {
    const home = join(folder, "home");
    const first = run(["up", "--simulated", "--port", "0"]);
    await first.line(/stop {7}Ctrl-C/);
    expect(await first.stop()).toBe(0);
    await rm(join(home, "redis"), { recursive: true });
    const [, port = ""] = /up at http:\/\/127\.0\.0\.1:(\d+)/.exec(first.output()) ?? [];
    const again = run(["up", "--simulated", "--port", port]);
    await again.line(/stop {7}Ctrl-C/);
    expect(await again.stop()).toBe(0);
  });

  it("names the port that is taken, and leaves nothing behind", async () => {
    const first = run(["up", "--simulated", "--port", "0"]);
    const [, port = ""] = await first.line(/Your co-op is up at http:\/\/127\.0\.0\.1:(\d+)/);
    const second = run(["up", "--simulated", "--port", port], { COOP_HOME: join(folder, "other") });
    await second.line(new RegExp(`127\\.0\\.0\\.1:${port} is in use by another program.*COOP_LISTEN`));
    expect(await second.ended).toBe(1);
  });
});

describe("coop demo", () => {
  it("keeps its promises and leaves nothing behind but the members' statements", async () => {
    const demo = run(["demo"], { TMPDIR: folder });
    await demo.line(/and a burst of 144 edge jobs/);
    const programs = await descendants(demo.pid);
    await demo.line(/Checked/);
    await demo.line(/statements, usage, ledger and the engines' own counts are equal/);
    expect(demo.output()).not.toMatch(/BROKEN/);
    expect(await demo.ended).toBe(0);
    expect(await living(programs)).toEqual([]);
    const [statements = "", ...others] = (await readdir(folder)).filter((name) => name.startsWith("coop-"));
    expect([statements.startsWith("coop-statements-"), others]).toEqual([true, []]);
    for (const name of ["maja", "ben", "chidi"])
      expect(await readFile(join(folder, statements, `${name}.html`), "utf8")).toContain(
        `Statement of ${name}`,
      );
  });
});
