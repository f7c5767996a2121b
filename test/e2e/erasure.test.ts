/**
 * A member leaves and is forgotten, by a real server with the member's machine and a running job: neither Redis nor
 * its files hold a word of theirs, the books agree, and the log of operators' acts is whole and names nobody.
 */
import {
  auditListSchema,
  auditVerificationSchema,
  erasureViewSchema,
  ledgerAuditSchema,
} from "@coop/protocol";
import type { Redis } from "ioredis";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { z } from "zod";
import { openBooks } from "../harness/books.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";
import { done, piece, startScriptedOllama } from "../harness/scripted-ollama.ts";
import type { ScriptedOllama } from "../harness/scripted-ollama.ts";

const CANARY = "canary-5e81d7";

let cluster: Cluster;
let maja: TestMember;
let ben: TestMember;
/** Maja's machine, and Ben's. */
let home: ScriptedOllama;
let attic: ScriptedOllama;
let redis: Redis;

beforeAll(async () => {
  cluster = await startCluster("quick");
  [maja, ben] = await Promise.all([cluster.addMember(CANARY), cluster.addMember("ben")]);
  [home, attic] = await Promise.all([startScriptedOllama(), startScriptedOllama()]);
  home.models = home.models.map((model) => ({ ...model, name: "at-home:3b" }));
  await cluster.startAgent(`${CANARY}-studio`, home.url.href, maja);
  await cluster.startAgent("attic", attic.url.href, ben);
  redis = await openBooks(cluster.home);
});
afterAll(async () => {
  await redis.quit();
  await cluster.stop();
  await Promise.all([home[Symbol.asyncDispose](), attic[Symbol.asyncDispose]()]);
});

const chat = async (
  { key }: TestMember,
  model: string,
  headers: Record<string, string> = {},
): Promise<Response> =>
  cluster.request("/v1/chat/completions", {
    method: "POST",
    key,
    headers,
    body: JSON.stringify({ model, messages: [{ role: "user", content: `Hello from ${CANARY}` }] }),
  });
const admin = async <T>(method: string, path: string, schema: z.ZodType<T>): Promise<T> =>
  schema.parse(await (await cluster.request(`/admin/${path}`, { method })).json());

const READ: Readonly<Record<string, (key: string) => Promise<unknown>>> = {
  string: async (key) => redis.get(key),
  hash: async (key) => redis.hgetall(key),
  list: async (key) => redis.lrange(key, 0, -1),
  set: async (key) => redis.smembers(key),
  zset: async (key) => redis.zrange(key, 0, "-1"),
  stream: async (key) => redis.xrange(key, "-", "+"),
};

/** Keys that hold a word of Maja's. */
async function withCanary(): Promise<readonly string[]> {
  const found = await Promise.all(
    (await redis.keys("*")).map(async (key) => {
      const read = READ[await redis.type(key)];
      // It may be gone since it was listed.
      const text = read === undefined ? "" : JSON.stringify(await read(key));
      return `${key} ${text}`.includes(CANARY) ? [key] : [];
    }),
  );
  return found.flat();
}

/** Files of Redis that do: it writes down every change. */
async function filesWithCanary(): Promise<readonly string[]> {
  const folder = join(cluster.home, "redis");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found = await Promise.all(
    files.map(async (path) => ((await readFile(path)).includes(CANARY) ? [path] : [])),
  );
  return found.flat();
}

it("leaves nothing of a member in Redis, whose machine and job were running", async () => {
  attic.always("/api/chat", piece(`I heard ${CANARY}`), done());
  home.always("/api/chat", piece("Hello Ben"), done());
  const own = { "idempotency-key": CANARY, "x-session-id": CANARY };
  expect((await chat(maja, "coop/edge", own)).status).toBe(200);
  const bens = await chat(ben, "at-home:3b");
  expect([bens.status, bens.headers.get("x-coop-node")]).toEqual([200, `${CANARY}-studio`]);
  attic.script("/api/chat", piece("Once"), { do: "hang" });
  const call = attic.call("/api/chat", attic.callsOf("/api/chat").length);
  const job = await cluster.request("/v1/jobs", {
    method: "POST",
    key: maja.key,
    body: JSON.stringify({
      request: { model: attic.models[0]?.name, messages: [{ role: "user", content: CANARY }] },
      metadata: { note: CANARY },
    }),
  });
  expect(job.status).toBe(202);
  await call;
  expect((await withCanary()).length).toBeGreaterThan(4);
  expect((await filesWithCanary()).length).toBeGreaterThan(0);

  expect(await admin("DELETE", `members/${CANARY}`, erasureViewSchema)).toMatchObject({
    member: maja.id,
    jobs: 2,
    keys: 1,
    nodes: 1,
  });

  expect((await cluster.request("/v1/quota", { key: maja.key })).status).toBe(401);
  // The scheduler publishes the fleet without the machine once its socket is closed.
  await expect
    .poll(async () => (await cluster.nodes()).map(({ name }) => name), { timeout: 15_000 })
    .toEqual(["attic"]);
  expect(await withCanary()).toEqual([]);
  await expect.poll(filesWithCanary, { timeout: 15_000 }).toEqual([]);
  await expect
    .poll(async () => (await admin("GET", "ledger/verify", ledgerAuditSchema)).findings, { timeout: 15_000 })
    .toEqual([]);
});

it("is taken up again by a server that was killed in the middle, and written down as the server's act", async () => {
  const lost = await cluster.addMember(`${CANARY}-too`);
  // What is left of an erasure that was cut short right after its mark.
  await redis.hset("{coop}:disabled-members", lost.id, Date.now());
  await redis.hset("{coop}:erased-members", lost.id, Date.now());
  await redis.sadd("{coop}:erasing", lost.id);
  await cluster.server().kill9();
  await cluster.restartServer();
  expect(await withCanary()).toEqual([]);
  const { data } = await admin("GET", "audit?limit=1000", auditListSchema);
  expect(data.filter(({ actor, act }) => actor === "server" && act === "members.erase")).toMatchObject([
    { phase: "asked", target: lost.id },
    { phase: "done", target: lost.id },
  ]);
  expect(await admin("GET", "audit/verify", auditVerificationSchema)).toMatchObject({
    findings: [],
    unanswered: [],
  });
});
