import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createdKeySchema, memberViewSchema, nodeListSchema } from "@coop/protocol";
import { CliError } from "../cli-error.ts";
import type { CoopClient } from "../client.ts";
import { createLauncher } from "../coop-up/launcher.ts";
import type { Launcher } from "../coop-up/launcher.ts";
import type { Environment } from "../home.ts";
import { plural } from "../output.ts";
import type { Output } from "../output.ts";
import { readBooks } from "./books.ts";
import { checkPromises } from "./checks.ts";
import { explainIdle } from "./idle.ts";
import type { DemoRecords } from "./record.ts";
import { memberTable, nodeTable, placementTable, quotaTable, waitTable } from "./report.ts";
import { saveStatements } from "./statements.ts";
import { memberMonths, work } from "./work.ts";
import type { Batch, MemberClients } from "./work.ts";
import { burstTasks, mixedTasks } from "./workload.ts";
import type { DemoMember } from "./workload.ts";

export interface DemoOptions {
  /** How many of the machines' seconds pass in one of ours. */
  readonly speedup: number;
  /** Where the members' statements are saved; null: in a new folder among the temporary files. */
  readonly statements: string | null;
  readonly environment: Environment;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Short names and owners for the simulated machines. */
const NODES: Readonly<Record<string, { readonly name: string; readonly owner: DemoMember }>> = {
  "mac-studio-m4-max-128": { name: "studio", owner: "ben" },
  "macbook-air-m4-32": { name: "air", owner: "maja" },
  "raspberry-pi-5-8": { name: "pi", owner: "chidi" },
};
const SMALLEST_NODE = "pi";
const SMALLEST_OWNER: DemoMember = "chidi";
/** The burst comes while the large mixed jobs run. */
const BURST_AFTER_MS = 1_000;
/** Longest that the jobs may take, set-up aside, ms. */
const WORK_LIMIT_MS = 150_000;

/**
 * A co-op at work from nothing to nothing: brings one up in a folder of its own, gives it members and jobs,
 * shows where they went and why, checks what was promised, and leaves nothing behind but the members' statements.
 * @throws CliError `demo-failed` when a promise was broken
 */
export async function runDemo({
  speedup,
  statements,
  environment,
  output,
  signal,
}: DemoOptions): Promise<void> {
  output.line(
    `A co-op of three SIMULATED machines, ${speedup} times as fast as real ones: real server, queue, agents and`,
  );
  output.line("accounting; made-up answers. Seconds below are this machine's.\n");
  const home = await mkdtemp(join(tmpdir(), "coop-demo-"));
  const say = (line: string): void => output.line(line);
  const launcher = createLauncher({
    home,
    host: "127.0.0.1",
    port: 0,
    environment: ownRedis(environment),
    say,
    signal,
  });
  try {
    const coop = await bringUp(launcher, speedup, say);
    const records = await workThrough(coop, say, signal);
    tell(records, await saveStatements(coop.clients, statements), output);
  } finally {
    await launcher.stop();
    await rm(home, { recursive: true, force: true });
  }
}

/** Whatever store the user's own co-op has, the demo does not touch it. */
function ownRedis(environment: Environment): Environment {
  const { REDIS_URL: _, COOP_PUBLIC_URL: __, ...rest } = environment;
  return rest;
}

interface DemoCoop {
  readonly operator: CoopClient;
  readonly clients: MemberClients;
  /** Addresses of the simulated machines, by node name. */
  readonly engines: Readonly<Record<string, string>>;
}

async function bringUp(launcher: Launcher, speedup: number, say: (line: string) => void): Promise<DemoCoop> {
  const operator = await launcher.startServer();
  const [maja, ben, chidi] = await Promise.all([
    addMember(operator, "maja"),
    addMember(operator, "ben"),
    addMember(operator, "chidi"),
  ]);
  const machines = await launcher.startMachines(speedup);
  const agents = machines.map(({ profile, name, url }) => {
    const node = NODES[profile];
    return { name: node?.name ?? name, engineUrl: url, owner: node?.owner ?? null };
  });
  await launcher.startAgents(operator, agents);
  for (const [index, { name, owner }] of agents.entries()) {
    say(`${name.padEnd(7)} a simulated ${machines[index]?.name ?? "machine"}, ${owner ?? "the operator"}'s`);
  }
  const engines = Object.fromEntries(agents.map(({ name, engineUrl }) => [name, engineUrl]));
  return { operator, clients: { maja, ben, chidi }, engines };
}

async function addMember(operator: CoopClient, name: DemoMember): Promise<CoopClient> {
  const { id } = await operator.post("/admin/members", { name }, memberViewSchema);
  const { key } = await operator.post(`/admin/members/${id}/keys`, {}, createdKeySchema);
  return operator.as({ key, place: `the demo's key of ${name}` });
}

async function workThrough(
  { operator, clients, engines }: DemoCoop,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<DemoRecords> {
  const batches = [
    { phase: "mixed" as const, tasks: await mixedTasks(), afterMs: 0 },
    { phase: "burst" as const, tasks: await burstTasks(SMALLEST_OWNER), afterMs: BURST_AFTER_MS },
  ];
  const { jobs, held } = await work(batches, {
    clients,
    starting: (batch) => say(announce(batch)),
    progress: createProgress(say),
    signal: AbortSignal.any([signal, AbortSignal.timeout(WORK_LIMIT_MS)]),
  });
  const { data: nodes } = await operator.get("/v1/nodes", nodeListSchema);
  const [months, books] = await Promise.all([
    memberMonths(clients),
    readBooks(operator, clients, engines, signal),
  ]);
  return { jobs, held, nodes, months, books };
}

function announce({ phase, tasks }: Batch): string {
  if (phase === "mixed") return `\n${plural(tasks.length, "mixed job")} of three members`;
  const own = tasks.filter(({ privacy }) => privacy === "own").length;
  return `and a burst of ${plural(tasks.length, "edge job")}, ${own} of them for ${SMALLEST_OWNER}'s own ${SMALLEST_NODE} only`;
}

/** A line whenever the counts changed, at most one a second. */
const PROGRESS_MS = 1_000;

function createProgress(say: (line: string) => void) {
  const startedMs = performance.now();
  let last = "";
  let toldMs = -PROGRESS_MS;
  return ({ waiting, running, ended }: { waiting: number; running: number; ended: number }): void => {
    const text = `${String(waiting).padStart(4)} waiting ${String(running).padStart(3)} running ${String(ended).padStart(4)} done`;
    const nowMs = performance.now();
    const isOver = waiting + running === 0;
    if (text === last || (nowMs - toldMs < PROGRESS_MS && !isOver)) return;
    last = text;
    toldMs = nowMs;
    say(`${((nowMs - startedMs) / 1000).toFixed(1).padStart(6)} s ${text}`);
  };
}

/** @param statements files of the members' statements */
function tell(records: DemoRecords, statements: readonly string[], output: Output): void {
  const section = (heading: string, lines: readonly string[]): void => {
    output.line(`\n${heading}\n`);
    for (const line of lines) output.line(line);
  };
  section(
    "Where each mixed job went, and why: its cost there and on the best other node, as placement saw them",
    placementTable(records),
  );
  section("Nodes", nodeTable(records));
  section("Waits, from submission", waitTable(records));
  section("Members, tokens", memberTable(records));
  section("Why the smallest machine stood idle, and when it did not", explainIdle(records, SMALLEST_NODE));
  const checks = checkPromises(records, SMALLEST_NODE);
  section(
    "Checked",
    checks.flatMap(({ promise, violations }) => [
      `${violations.length === 0 ? "  ok      " : "  BROKEN  "}${promise}`,
      ...violations.map((violation) => `            ${violation}`),
    ]),
  );
  section("Quotas of the month, tokens", quotaTable(records));
  section("Statements, to open in a browser", statements);
  const broken = checks.filter(({ violations }) => violations.length > 0);
  if (broken.length > 0)
    throw new CliError("demo-failed", `\nBroken: ${broken.map(({ promise }) => promise).join("; ")}.`);
}
