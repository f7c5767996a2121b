import { join, resolve } from "node:path";
import { createdJoinTokenSchema, nodeListSchema, nodeRegistrationListSchema } from "@coop/protocol";
import type { NodeRow } from "@coop/protocol";
import { setTimeout as pauseFor } from "node:timers/promises";
import { z } from "zod";
import { CliError } from "../cli-error.ts";
import { createClient } from "../client.ts";
import type { CoopClient } from "../client.ts";
import { operatorKeyPath, readIfThere } from "../home.ts";
import type { Environment } from "../home.ts";
import { hintsFor } from "../invocation.ts";
import { createProgramLog } from "./program-log.ts";
import { supervise } from "./supervise.ts";
import type { ProgramSpec, Supervised } from "./supervise.ts";

const packages = resolve(import.meta.dirname, "../../..");
const PROGRAMS = {
  server: join(packages, "server", "src", "main.ts"),
  agent: join(packages, "agent", "src", "main.ts"),
  machines: join(packages, "simulator", "src", "machines", "main.ts"),
} as const;

/** A cold start may have to fetch a Redis first. */
const SERVER_READY_LIMIT_MS = 180_000;
const MACHINES_READY_LIMIT_MS = 30_000;
const AGENT_READY_LIMIT_MS = 60_000;
const NODES_READY_LIMIT_MS = 30_000;
const GRACE_MS = 5_000;
const NODES_LOOK_MS = 100;

export interface LauncherOptions {
  readonly home: string;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly environment: Environment;
  readonly say: (line: string) => void;
  /** Gives up what is being started. */
  readonly signal: AbortSignal;
}

/** A simulated machine that listens. */
export interface Machine {
  readonly profile: string;
  readonly name: string;
  readonly url: string;
}

export interface AgentOptions {
  /** The node's name; also names the agent's folder. */
  readonly name: string;
  readonly engineUrl: string;
  /** Id or name of the member it belongs to; null: the operator. */
  readonly owner: string | null;
}

/** Starts the programs of a co-op on this machine, and stops them in the opposite order. */
export interface Launcher {
  /** @returns a client with the operator's key */
  startServer(): Promise<CoopClient>;
  startMachines(speedup: number): Promise<readonly Machine[]>;
  /** Joins on the first start. Agents of one call start together. */
  startAgents(client: CoopClient, agents: readonly AgentOptions[]): Promise<void>;
  stop(): Promise<void>;
}

export function createLauncher(options: LauncherOptions): Launcher {
  const { home, environment, say, signal } = options;
  const started = new AsyncDisposableStack();
  const keepRunning = async <T>(spec: ProgramSpec<T>, logName: string): Promise<Supervised<T>> => {
    const log = await createProgramLog(join(home, "logs", `${logName}.log`));
    return await supervise(spec, { log, say, signal });
  };

  const startAgent = async (client: CoopClient, agent: AgentOptions): Promise<Supervised<true>> => {
    const folder = folderOf(agent.name);
    const agentHome = join(home, "agents", folder);
    const token = await tokenIfNeeded(options, client, agent, agentHome);
    return await keepRunning(agentSpec(options, agent, agentHome, token), `agent-${folder}`);
  };

  return {
    async startServer() {
      const server = await keepRunning(serverSpec(options), "server");
      started.defer(() => server.stop());
      const path = operatorKeyPath(home);
      const key = await readIfThere(path);
      if (key === null)
        throw new CliError("file-unreadable", `The server wrote no operator's key to ${path}.`);
      return createClient({
        url: server.ready,
        source: { key: key.trim(), place: path },
        hint: hintsFor(environment),
        signal,
      });
    },
    async startMachines(speedup) {
      const machines = await keepRunning(machinesSpec(options, speedup), "machines");
      started.defer(() => machines.stop());
      return machines.ready;
    },
    async startAgents(client, agents) {
      const starts = await Promise.allSettled(agents.map((agent) => startAgent(client, agent)));
      started.defer(async () => {
        const running = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
        await Promise.all(running.map((agent) => agent.stop()));
      });
      for (const start of starts) if (start.status === "rejected") throw start.reason;
      await nodesReady(client, agents, signal);
    },
    stop: () => started.disposeAsync(),
  };
}

function serverSpec({ home, host, port, environment }: LauncherOptions): ProgramSpec<string> {
  const bracketed = host.includes(":") ? `[${host}]` : host;
  return {
    name: "server",
    path: PROGRAMS.server,
    launch: (before) => ({
      args: [],
      environment: {
        ...environment,
        COOP_HOME: home,
        COOP_LISTEN: `${bracketed}:${before === null ? port : new URL(before).port}`,
      },
    }),
    ready: (lines) => firstMatch(lines, /^coop server ready at (\S+)$/),
    readyLimitMs: SERVER_READY_LIMIT_MS,
    graceMs: 2 * GRACE_MS,
  };
}

const machineSchema = z.object({ profile: z.string(), name: z.string(), url: z.url() });
/** One simulated machine a profile; the program simulates all that it knows unless told otherwise. */
const SIMULATED_PROFILES = ["mac-studio-m4-max-128", "macbook-air-m4-32", "raspberry-pi-5-8"] as const;

function machinesSpec({ environment }: LauncherOptions, speedup: number): ProgramSpec<readonly Machine[]> {
  return {
    name: "simulator",
    path: PROGRAMS.machines,
    launch: (before) => ({
      args: [
        "--speedup",
        String(speedup),
        ...SIMULATED_PROFILES.flatMap((profile) => ["--profile", profile]),
        ...(before ?? []).flatMap(({ url }) => ["--port", new URL(url).port]),
      ],
      environment,
    }),
    ready: (lines) =>
      lines.length < SIMULATED_PROFILES.length
        ? null
        : lines.slice(0, SIMULATED_PROFILES.length).map((line) => machineSchema.parse(JSON.parse(line))),
    readyLimitMs: MACHINES_READY_LIMIT_MS,
    graceMs: GRACE_MS,
  };
}

function agentSpec(
  { environment }: LauncherOptions,
  { name, engineUrl }: AgentOptions,
  agentHome: string,
  token: string | null,
): ProgramSpec<true> {
  return {
    name: `agent of ${name}`,
    path: PROGRAMS.agent,
    launch: (before) => ({
      args: [
        "start",
        "--engine",
        engineUrl,
        ...(token === null || before !== null ? [] : ["--join", token, "--name", name]),
      ],
      environment: { ...environment, COOP_AGENT_HOME: agentHome },
    }),
    ready: (lines) => (firstMatch(lines, /^agent .*(connected) to /) === null ? null : true),
    readyLimitMs: AGENT_READY_LIMIT_MS,
    graceMs: GRACE_MS,
  };
}

/** What of an agent's identity tells whether it belongs to this server, at this address. */
const identitySchema = z.object({ node: z.string(), serverUrl: z.url() });

/**
 * A join token where the agent has not joined, where the server no longer knows it because its data are gone, or
 * where the server has moved to another address since: its former node is then removed, so that the machine is
 * not listed twice.
 */
async function tokenIfNeeded(
  { environment }: LauncherOptions,
  client: CoopClient,
  { owner }: AgentOptions,
  agentHome: string,
): Promise<string | null> {
  const kept = await readIfThere(join(agentHome, "identity.json"));
  const identity = kept === null ? null : identitySchema.safeParse(JSON.parse(kept)).data;
  if (identity && (await isRegistered(client, identity.node))) {
    const address = environment["COOP_PUBLIC_URL"] ?? client.url;
    if (new URL(identity.serverUrl).origin === new URL(address).origin) return null;
    await client.send("DELETE", `/admin/nodes/${identity.node}`);
  }
  const body = owner === null ? {} : { member: owner };
  const { token } = await client.post("/admin/join-tokens", body, createdJoinTokenSchema);
  return token;
}

async function isRegistered(client: CoopClient, node: string): Promise<boolean> {
  const { data } = await client.get("/admin/nodes", nodeRegistrationListSchema);
  return data.some(({ id }) => id === node);
}

/** Until placement can use them: each is connected and has reported. */
async function nodesReady(
  client: CoopClient,
  agents: readonly AgentOptions[],
  signal: AbortSignal,
): Promise<void> {
  const isReady = (rows: readonly NodeRow[], { name }: AgentOptions): boolean =>
    rows.some((row) => row.name === name && row.connected);
  const untilMs = performance.now() + NODES_READY_LIMIT_MS;
  for (;;) {
    const { data } = await client.get("/v1/nodes", nodeListSchema);
    const missing = agents.filter((agent) => !isReady(data, agent));
    if (missing.length === 0) return;
    if (performance.now() > untilMs) {
      const names = missing.map(({ name }) => name).join(", ");
      throw new CliError("program-failed", `The server still does not see ${names}, though connected.`);
    }
    await pauseFor(NODES_LOOK_MS, undefined, { signal });
  }
}

function firstMatch(lines: readonly string[], pattern: RegExp): string | null {
  for (const line of lines) {
    const found = pattern.exec(line)?.[1];
    if (found !== undefined) return found;
  }
  return null;
}

/** `MacBook Air M4` becomes `macbook-air-m4`. */
const folderOf = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "") || "node";
