/** The server as its operator runs it: what it refuses to start on, what it says while Redis is away, and its roles apart. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createdJoinTokenSchema, problemSchema } from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startChild } from "../harness/child.ts";
import type { Child } from "../harness/child.ts";
import { startFront } from "../harness/front.ts";
import { startTestRedis } from "../harness/redis.ts";
import { startScriptedOllama } from "../harness/scripted-ollama.ts";

const root = resolve(import.meta.dirname, "../..");
const READY = /coop server ready at (\S+)/;

type TestRedis = Awaited<ReturnType<typeof startTestRedis>>;
let folder: string;
let redis: TestRedis;
let children: Child[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "coop-server-"));
  redis = await startTestRedis();
  children = [];
});
afterEach(async () => {
  for (const child of children.toReversed()) if (child.running()) await child.stop();
  await redis.stop();
  await rm(folder, { recursive: true, force: true });
});

function run(program: string, args: readonly string[], environment: Readonly<Record<string, string>>): Child {
  const child = startChild(join(root, program), args, environment);
  children.push(child);
  return child;
}

const startServer = (environment: Readonly<Record<string, string>> = {}): Child =>
  run("packages/server/src/main.ts", [], {
    COOP_HOME: join(folder, "home"),
    COOP_LISTEN: "127.0.0.1:0",
    REDIS_URL: `unix://${redis.socketPath}`,
    ...environment,
  });

const operatorKey = async (): Promise<string> =>
  (await readFile(join(folder, "home", "operator.key"), "utf8")).trim();

describe("a server does not start", () => {
  it("on a Redis that evicts, and says which setting to change", async () => {
    await redis.connect().config("SET", "maxmemory-policy", "allkeys-lru");
    const server = startServer();
    expect(await server.ended).toBe(1);
    expect(server.output()).toMatch(
      /coop server: Redis has maxmemory-policy allkeys-lru, which throws accepted jobs away .* redis-cli config set maxmemory-policy noeviction/,
    );
    expect(await redis.connect().keys("*")).toEqual([]);
  });

  it("on a port that is taken, and leaves no Redis of its own behind", async () => {
    await using front = await startFront();
    const { port } = new URL(front.url);
    const server = run("packages/server/src/main.ts", [], {
      COOP_HOME: join(folder, "home"),
      COOP_CACHE: join(root, ".tools"),
      COOP_LISTEN: `127.0.0.1:${port}`,
    });
    expect(await server.ended).toBe(1);
    expect(server.output()).toContain(
      `127.0.0.1:${port} is in use by another program. Stop it, or choose another: COOP_LISTEN=127.0.0.1:7071`,
    );
    expect(await readdir(join(folder, "home", "redis"))).toContain("appendonlydir");
    expect(await readdir(join(folder, "home", "redis"))).not.toContain("redis.pid");
  });
});

it("says 503 at once while Redis is away, lives and is not ready, and serves when it is back", async () => {
  const server = startServer();
  const [, url = ""] = await server.line(READY);
  const key = await operatorKey();
  const ask = (path: string): Promise<Response> =>
    fetch(url + path, { headers: { authorization: `Bearer ${key}` }, signal: AbortSignal.timeout(5_000) });
  expect((await ask("/v1/jobs")).status).toBe(200);

  await redis.kill9();
  const refused = await ask("/v1/jobs");
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "2"]);
  expect(problemSchema.parse(await refused.json()).error.code).toBe("store_unavailable");
  expect((await ask("/healthz")).status).toBe(200);
  expect((await ask("/readyz")).status).toBe(503);

  await redis.restart();
  await expect.poll(async () => (await ask("/v1/jobs")).status, { timeout: 20_000 }).toBe(200);
  expect(server.running()).toBe(true);
});

it("runs its roles apart behind one address: a job goes all the way through both", async () => {
  await using front = await startFront();
  await using ollama = await startScriptedOllama();
  const environment = { COOP_PUBLIC_URL: front.url };
  const [api, scheduler] = [
    startServer({ ...environment, COOP_ROLES: "api" }),
    startServer({ ...environment, COOP_ROLES: "scheduler" }),
  ];
  const [, apiUrl = ""] = await api.line(READY);
  const [, schedulerUrl = ""] = await scheduler.line(READY);
  front.apis = [apiUrl];
  front.schedulers = [schedulerUrl];
  const headers = { authorization: `Bearer ${await operatorKey()}` };
  const post = (path: string, body: object): Promise<Response> =>
    fetch(front.url + path, { method: "POST", headers, body: JSON.stringify(body) });

  const { token } = createdJoinTokenSchema.parse(await (await post("/admin/join-tokens", {})).json());
  const agent = run("packages/agent/src/main.ts", ["start", "--join", token, "--engine", ollama.url.href], {
    COOP_AGENT_HOME: join(folder, "agent"),
  });
  await agent.line(/connected to/);
  const ask = { model: "llama3.2:3b", messages: [{ role: "user", content: "Hello, is anybody there?" }] };
  await expect
    .poll(async () => (await post("/v1/chat/completions", ask)).text(), { timeout: 20_000 })
    .toContain("Hello there");
  const read = async (server: string, path: string): Promise<string> => {
    const response = await fetch(server + path);
    expect(response.status).toBe(200);
    return response.text();
  };
  for (const server of [apiUrl, schedulerUrl]) {
    expect(JSON.parse(await read(server, "/healthz"))).toEqual({ status: "ok" });
    expect(JSON.parse(await read(server, "/readyz"))).toMatchObject({ status: "ready" });
  }
  // Of the fleet, the server that leads tells alone: sums over both count nothing twice.
  expect(await read(schedulerUrl, "/metrics")).toMatch(/^coop_node_up\{.*\} 1$/m);
  expect(await read(schedulerUrl, "/metrics")).toMatch(/^coop_scheduler_leading 1$/m);
  expect(await read(apiUrl, "/metrics")).not.toContain("coop_node_up{");
  expect(await read(apiUrl, "/metrics")).toMatch(/^coop_store_reachable 1$/m);
  expect((await fetch(`${schedulerUrl}/v1/models`, { headers })).status).toBe(404);
  for (const child of [agent, api, scheduler]) expect(await child.stop()).toBe(0);
});
