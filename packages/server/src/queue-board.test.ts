import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Log } from "@coop/core";
import { startTestRedis } from "@coop/redis/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { readConfig } from "./config.ts";
import { filledIn } from "./queue-board.ts";
import { startServer } from "./server.ts";

const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const parts = new AsyncDisposableStack();
let url: string;
let operatorKey: string;

beforeAll(async () => {
  const home = await mkdtemp(join(tmpdir(), "coop-queues-"));
  parts.defer(() => rm(home, { recursive: true, force: true }));
  const redis = parts.use(await startTestRedis());
  const environment = {
    COOP_HOME: home,
    COOP_LISTEN: "127.0.0.1:0",
    COOP_ROLES: "api",
    REDIS_URL: `unix://${redis.socketPath}`,
  };
  const server = await startServer(readConfig(environment, process.platform), log);
  parts.defer(() => server.stop());
  url = server.url;
  operatorKey = (await readFile(join(home, "operator.key"), "utf8")).trim();
});
afterAll(() => parts.disposeAsync());

const ask = (path: string, init: RequestInit = {}, key = operatorKey): Promise<Response> =>
  fetch(url + path, { ...init, headers: { authorization: `Bearer ${key}` } });

test("operators look at the queue, and nobody else does", async () => {
  const member = z.object({ id: z.string() });
  const made = await ask("/admin/members", { method: "POST", body: JSON.stringify({ name: "maja" }) });
  const { id } = member.parse(await made.json());
  const created = await ask(`/admin/members/${id}/keys`, { method: "POST", body: "{}" });
  const { key } = z.object({ key: z.string() }).parse(await created.json());
  for (const path of ["/admin/queues", "/admin/queues/api/queues", "/admin/queues/static/images/logo.svg"]) {
    expect((await ask(path)).status, path).toBe(200);
    expect((await ask(path, {}, key)).status, path).toBe(403);
    expect((await fetch(url + path)).status, path).toBe(401);
  }
  const queues = z.object({ queues: z.array(z.object({ name: z.string(), readOnlyMode: z.boolean() })) });
  expect(queues.parse(await (await ask("/admin/queues/api/queues")).json())).toEqual({
    queues: [{ name: "jobs", readOnlyMode: true }],
  });
});

test("its address serves with a slash, too, and a file that is not there is just that", async () => {
  const slashed = await ask("/admin/queues/");
  expect([slashed.status, slashed.url]).toEqual([200, `${url}/admin/queues`]);
  for (const path of ["%E0%A4%A", "..%2f..%2fpackage.json", "none.js"])
    expect((await ask(`/admin/queues/static/${path}`)).status, path).toBe(404);
});

test("its page takes everything from this server", async () => {
  const page = await ask("/admin/queues");
  expect(page.headers.get("content-security-policy")).toMatch(/^default-src 'none';/);
  const text = await page.text();
  expect(text).not.toMatch(/(?:href|src)="(?:https?:)?\/\//);
  expect(text).not.toContain("<%");
  expect(text).toContain('<base href="/admin/queues/"');
  const files = [...text.matchAll(/(?:href|src)="(static\/[^"]+)"/g)].map(([, file = ""]) => file);
  expect(files.length).toBeGreaterThan(4);
  for (const file of files) {
    const answer = await ask(`/admin/queues/${file}`);
    expect([file, answer.status]).toEqual([file, 200]);
    expect(answer.headers.get("content-type")).toMatch(/javascript|css|svg|png/);
  }
  for (const outside of ["..%2f..%2fpackage.json", "js/%2e%2e/%2e%2e/index.ejs", "js/none.js"])
    expect((await ask(`/admin/queues/static/${outside}`)).status, outside).toBe(404);
});

test("nothing can be changed through it", async () => {
  const changes = [
    ["PUT", "/admin/queues/api/queues/jobs/pause"],
    ["PUT", "/admin/queues/api/queues/jobs/obliterate"],
    ["POST", "/admin/queues/api/queues/jobs/add"],
    ["PUT", "/admin/queues/api/queues/jobs/clean/completed"],
  ] as const;
  for (const [method, path] of changes)
    expect((await ask(path, { method, body: "{}" })).status, path).toBe(404);
});

test("a page's template is filled in with text that stays text, without links to elsewhere", () => {
  const template =
    '<link href="https://fonts.example/a.css" rel="stylesheet"><title><%= title %></title><i><%- raw %></i>';
  expect(filledIn(template, { title: "<b>&", raw: "{}" })).toBe("<title>&lt;b>&amp;</title><i>{}</i>");
});
