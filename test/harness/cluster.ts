import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { createdJoinTokenSchema, createdKeySchema, memberViewSchema, nodeListSchema } from "@coop/protocol";
import type { NodeRow } from "@coop/protocol";
import type { z } from "zod";
import { startChild } from "./child.ts";
import type { Child } from "./child.ts";

const root = resolve(import.meta.dirname, "../..");
const PROGRAMS = {
  server: join(root, "packages/server/src/main.ts"),
  quickServer: join(root, "test/harness/quick-server.ts"),
  agent: join(root, "packages/agent/src/main.ts"),
  nearAgent: join(root, "test/harness/near-agent.ts"),
  quickAgent: join(root, "test/harness/quick-agent.ts"),
  machines: join(root, "packages/simulator/src/machines/main.ts"),
} as const;

/** A member with a key, as a test uses one. */
export interface TestMember {
  readonly id: string;
  readonly name: string;
  readonly key: string;
}

/** A whole co-op of real processes in a folder of its own. */
export interface Cluster {
  readonly home: string;
  readonly url: string;
  readonly operatorKey: string;
  server(): Child;
  /** Starts another process of the co-op's server on the same data, with settings of its own. */
  addServer(
    environment: Readonly<Record<string, string>>,
  ): Promise<{ readonly child: Child; readonly url: string }>;
  /** Starts the server again after it ended, on the same port and data. */
  restartServer(): Promise<void>;
  addMember(name: string): Promise<TestMember>;
  /** Joins a node for an owner on first use of the name; later calls start its agent again. */
  startAgent(name: string, engineUrl: string, owner: TestMember, options?: readonly string[]): Promise<Child>;
  /** The same with an agent that has little patience for its engine. */
  startQuickAgent(
    name: string,
    engineUrl: string,
    owner: TestMember,
    options?: readonly string[],
  ): Promise<Child>;
  /** What every program of the co-op wrote on stdout and stderr so far. */
  output(): string;
  /** Starts simulated machines; returns their URLs by profile. */
  startMachines(profiles: readonly string[], speedup: number): Promise<ReadonlyMap<string, string>>;
  nodes(): Promise<readonly NodeRow[]>;
  request(path: string, init?: RequestInit & { readonly key?: string }): Promise<Response>;
  /** Stops all that still runs, newest first, and removes the folder. */
  stop(): Promise<void>;
}

/**
 * @param pace `quick`: leases and amnesty of seconds, and agents that come back as soon, for tests that kill things.
 * @param environment of the server, beyond the usual
 */
export async function startCluster(
  pace: "usual" | "quick" = "usual",
  logLevel: "warn" | "debug" = "warn",
  environment: Readonly<Record<string, string>> = {},
): Promise<Cluster> {
  const home = await mkdtemp(join(tmpdir(), "coop-cluster-"));
  const children: Child[] = [];
  const joined = new Set<string>();
  const program = pace === "quick" ? PROGRAMS.quickServer : PROGRAMS.server;

  const start = (
    path: string,
    args: readonly string[],
    variables: Readonly<Record<string, string>>,
  ): Child => {
    const child = startChild(path, args, variables);
    children.push(child);
    return child;
  };
  const startServer = async (
    listen: string,
    more: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly child: Child; readonly url: string }> => {
    const child = start(program, [], {
      COOP_HOME: home,
      COOP_CACHE: join(root, ".tools"),
      COOP_LISTEN: listen,
      COOP_LOG_LEVEL: logLevel,
      ...environment,
      ...more,
    });
    const [, url = ""] = await child.line(/coop server ready at (\S+)/);
    return { child, url };
  };

  const first = await startServer("127.0.0.1:0");
  const url = first.url;
  let server = first.child;
  const operatorKey = (await readFile(join(home, "operator.key"), "utf8")).trim();

  const request: Cluster["request"] = (path, init = {}) => {
    const { key = operatorKey, ...rest } = init;
    const headers = new Headers(rest.headers);
    headers.set("authorization", `Bearer ${key}`);
    return fetch(url + path, { ...rest, headers });
  };
  const post = async <T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T> => {
    const response = await request(path, { method: "POST", body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return schema.parse(await response.json());
  };

  const nodes = async (): Promise<readonly NodeRow[]> =>
    nodeListSchema.parse(await (await request("/v1/nodes")).json()).data;

  /** Admission reads the fleet as the scheduler published it, up to a second after a node came. */
  const untilListed = async (name: string): Promise<void> => {
    while (!(await nodes()).some((node) => node.name === name && node.connected)) await pause(50);
  };

  const agentOf =
    (path: string): Cluster["startAgent"] =>
    async (name, engineUrl, owner, options = []) => {
      const joinArgs: string[] = [];
      if (!joined.has(name)) {
        const { token } = await post("/admin/join-tokens", { member: owner.id }, createdJoinTokenSchema);
        joinArgs.push("--join", token, "--name", name);
        joined.add(name);
      }
      const agent = start(path, ["start", ...joinArgs, "--engine", engineUrl, ...options], {
        COOP_AGENT_HOME: join(home, "agents", name),
      });
      await agent.line(/connected to/);
      await untilListed(name);
      return agent;
    };

  return {
    home,
    url,
    operatorKey,
    request,
    server: () => server,
    addServer: (more) => startServer("127.0.0.1:0", more),
    output: () => children.map((child) => child.output()).join("\n"),
    async restartServer() {
      ({ child: server } = await startServer(new URL(url).host));
    },
    async addMember(name) {
      const member = await post("/admin/members", { name }, memberViewSchema);
      const { key } = await post(`/admin/members/${member.id}/keys`, {}, createdKeySchema);
      return { id: member.id, name, key };
    },
    startAgent: agentOf(pace === "quick" ? PROGRAMS.nearAgent : PROGRAMS.agent),
    startQuickAgent: agentOf(PROGRAMS.quickAgent),
    async startMachines(profiles, speedup) {
      const machines = start(
        PROGRAMS.machines,
        ["--speedup", String(speedup), ...profiles.flatMap((profile) => ["--profile", profile])],
        {},
      );
      const urls = new Map<string, string>();
      for (const profile of profiles) {
        const [, machineUrl = ""] = await machines.line(
          new RegExp(`"profile":"${profile}".*?"url":"([^"]+)"`),
        );
        urls.set(profile, machineUrl);
      }
      return urls;
    },
    nodes,
    async stop() {
      for (const child of children.toReversed()) {
        child.thaw();
        if (child.running()) await child.stop();
      }
      await rm(home, { recursive: true, force: true });
    },
  };
}
