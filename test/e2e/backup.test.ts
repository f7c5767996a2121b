import { mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { ledgerAuditSchema } from "@coop/protocol";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startChild } from "../harness/child.ts";
import type { Child } from "../harness/child.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";

const root = resolve(import.meta.dirname, "../..");
const COOP = join(root, "packages/cli/src/main.ts");
const SERVER = join(root, "packages/server/src/main.ts");

let folder: string;
let coop: Cluster;
let maja: TestMember;
let children: Child[];
beforeEach(async () => {
  children = [];
  folder = await mkdtemp(join(tmpdir(), "coop-copies-"));
  coop = await startCluster();
  maja = await coop.addMember("maja");
});
afterEach(async () => {
  for (const child of children) await child.stop();
  await coop.stop();
  await rm(folder, { recursive: true, force: true });
});

async function run(args: readonly string[], environment: Readonly<Record<string, string>>) {
  const child = startChild(COOP, args, { COOP_CACHE: join(root, ".tools"), ...environment });
  children.push(child);
  return { code: await child.ended, output: child.output() };
}

const usedTokens = async (url: string, key: string): Promise<number> => {
  const response = await fetch(`${url}/v1/quota`, { headers: { authorization: `Bearer ${key}` } });
  expect(response.status).toBe(200);
  return ((await response.json()) as { usedTokens: number }).usedTokens;
};

test("a co-op is copied while it runs, and comes back from the copy as it was", async () => {
  const machines = await coop.startMachines(["raspberry-pi-5-8"], 200);
  await coop.startAgent("pi", machines.get("raspberry-pi-5-8") ?? "", maja);
  const body = { model: "coop/edge", max_tokens: 8, messages: [{ role: "user", content: "Hello" }] };
  const answer = await coop.request("/v1/chat/completions", {
    method: "POST",
    key: maja.key,
    body: JSON.stringify(body),
  });
  expect(answer.status).toBe(200);
  const used = await usedTokens(coop.url, maja.key);
  expect(used).toBeGreaterThan(0);

  const file = join(folder, "coop.tgz");
  const here = { COOP_HOME: coop.home, COOP_URL: coop.url };
  const made = await run(["backup", file], here);
  expect(made.output).toContain("it can be read: 2 members, 1 node, 1 ledger line");
  expect(made.code).toBe(0);
  expect((await stat(file)).mode & 0o077).toBe(0);
  expect((await run(["backup", file], here)).output).toContain("is there already");

  const home = join(folder, "restored");
  const restored = await run(["restore", file], { COOP_HOME: home });
  expect(restored.output).toContain("the co-op as of");
  expect(restored.code).toBe(0);
  expect((await run(["restore", file], { COOP_HOME: home })).output).toContain("holds something");

  const server = startChild(SERVER, [], {
    COOP_HOME: home,
    COOP_CACHE: join(root, ".tools"),
    COOP_LISTEN: "127.0.0.1:0",
    COOP_LOG_LEVEL: "warn",
  });
  children.push(server);
  const [, url = ""] = await server.line(/coop server ready at (\S+)/);
  expect(await usedTokens(url, maja.key)).toBe(used);
  const operator = { authorization: `Bearer ${(await readFile(join(home, "operator.key"), "utf8")).trim()}` };
  const verified = await fetch(`${url}/admin/ledger/verify`, { headers: operator });
  expect(ledgerAuditSchema.parse(await verified.json())).toMatchObject({ lines: 1, findingCount: 0 });
});

test("a damaged copy is refused and changes nothing; a stopped co-op is copied as it lies", async () => {
  await coop.server().stop();
  const file = join(folder, "coop.tgz");
  const stopped = await run(["backup", "--stopped", file], { COOP_HOME: coop.home });
  expect(stopped.output).toContain("it can be read: 2 members");
  const nowhere = join(folder, "none", "coop.tgz");
  const unwritable = await run(["backup", "--stopped", nowhere], { COOP_HOME: coop.home });
  expect(unwritable.code).toBe(1);
  expect(unwritable.output).toContain(`${nowhere} cannot be written`);
  await truncate(file, Math.floor((await stat(file)).size / 2));
  const home = join(folder, "restored");
  const damaged = await run(["restore", file], { COOP_HOME: home });
  expect(damaged.code).toBe(2);
  expect(damaged.output).toContain("coop.tgz cannot be unpacked");
  await expect(stat(home)).rejects.toThrow("ENOENT");
  const other = join(folder, "other.txt");
  await writeFile(other, "no archive");
  expect((await run(["restore", other], { COOP_HOME: home })).code).toBe(2);
  expect((await run(["restore", join(folder, "none")], { COOP_HOME: home })).output).toContain(
    "There is no file",
  );
});
