import { OperationalError } from "@coop/core";
import { beforeEach, expect, test } from "vitest";
import { createMonitoring } from "./monitoring.ts";
import type { MonitoringDeps } from "./monitoring.ts";
import { createWorld } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

const TOKEN = "metrics-token-of-16";
const elsewhere = { incoming: { socket: { remoteAddress: "192.0.2.7" } } };
let world: World;
beforeEach(async () => {
  world = await createWorld({ replace: () => ({ metricsToken: TOKEN }) });
});

const request = (path: string, authorization?: string, changes: Partial<MonitoringDeps> = {}) =>
  createMonitoring({ ...world.deps, ...changes }).request(
    path,
    authorization === undefined ? {} : { headers: { authorization } },
    elsewhere,
  );
const metrics = async (changes: Partial<MonitoringDeps> = {}): Promise<string> => {
  const response = await request("/metrics", `Bearer ${TOKEN}`, changes);
  expect(response.status).toBe(200);
  return response.text();
};

test("a server without members' requests says that it lives and gives its metrics by the same rule", async () => {
  expect(await (await request("/healthz")).json()).toEqual({ status: "ok" });
  expect((await request("/readyz")).status).toBe(200);
  expect((await request("/leadz")).status).toBe(200);
  expect((await request("/leadz", undefined, { leads: () => false })).status).toBe(503);
  expect((await request("/metrics")).status).toBe(401);
  expect((await request("/metrics", "Bearer metrics-token-of-17")).status).toBe(401);
  const text = await metrics();
  expect(text).toContain('coop_node_up{node="studio",owner="mem_owner"} 1');
  expect(text).toContain('coop_member_quota_used_tokens{member="');
  expect((await request("/v1/models", `Bearer ${TOKEN}`)).status).toBe(404);
});

test("who does not lead tells neither of the fleet nor of the members, and forgets what it told before", async () => {
  expect(await metrics()).toContain("coop_node_up{");
  const text = await metrics({ leads: () => false });
  expect(text).not.toContain("coop_node_up{");
  expect(text).not.toContain("coop_member_quota_used_tokens{");
  expect(text).toContain("coop_store_reachable 1");
});

test("while the store is away, the rest of the metrics is there, and says so", async () => {
  const away = new OperationalError("store-unavailable", "Redis does not answer", { retriable: true });
  const board = { ...world.deps.board, read: () => Promise.reject(away) };
  const text = await metrics({ board });
  expect(text).toContain("coop_store_reachable 0");
  expect(text).not.toContain("coop_node_up{");
  expect(text).toContain("process_cpu_seconds_total");
  expect((await request("/readyz", undefined, { board })).status).toBe(503);
});
