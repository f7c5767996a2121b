/** A machine that is too hot or short of memory: its agent says so, and members see who serves meanwhile. */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { auditBooks, openBooks, readBooks } from "../harness/books.ts";
import { readJob, submitDetached, untilEnded } from "../harness/chaos.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";
import { startScriptedOllama } from "../harness/scripted-ollama.ts";
import type { ScriptedOllama } from "../harness/scripted-ollama.ts";

/** The troubled machine's model, faster than the other's, so that work of its tier goes there while it can. */
const FAST = "llama3.2:3b";
const SLOW = "llama3.1:8b";
/** An agent looks at its machine every 10 s. */
const LOOK_MS = 30_000;
const CALM = { pressure: "normal", thermal: "nominal" } as const;

let cluster: Cluster;
let member: TestMember;
let attic: ScriptedOllama;
let cellar: ScriptedOllama;

beforeAll(async () => {
  [attic, cellar] = await Promise.all([startScriptedOllama(), startScriptedOllama()]);
  cellar.models = [{ name: SLOW, sizeBytes: 4.9e9, capabilities: ["completion"] }];
  attic.loaded.set(FAST, 8192);
  cellar.loaded.set(SLOW, 8192);
  cluster = await startCluster("quick");
  member = await cluster.addMember("astrid");
  await cluster.startQuickAgent("attic", attic.url.href, member, ["--slots", "1"]);
  await cluster.startQuickAgent("cellar", cellar.url.href, member, ["--slots", "1"]);
});
afterAll(async () => {
  await cluster.stop();
  await Promise.all([attic[Symbol.asyncDispose](), cellar[Symbol.asyncDispose]()]);
});

/** Brings a machine into a state, and waits until the co-op has heard of it. */
async function stage(name: string, state: { readonly pressure: string; readonly thermal: string }) {
  const path = join(cluster.home, "agents", name, "machine-state.json");
  await writeFile(`${path}.new`, JSON.stringify(state));
  await rename(`${path}.new`, path);
  const told = async () => (await cluster.nodes()).find((node) => node.name === name);
  await vi.waitFor(async () => expect(await told()).toMatchObject(state), {
    timeout: LOOK_MS,
    interval: 200,
  });
}

const request = (model: string) => ({
  model,
  messages: [{ role: "user", content: "Say hello." }],
  max_tokens: 8,
});

it.for([
  ["too hot", { ...CALM, thermal: "critical" }, "thermal-critical", /too hot/],
  ["out of memory", { ...CALM, pressure: "critical" }, "memory-pressure", /memory pressure .* is critical/],
] as const)(
  "a machine that is %s gets nothing until it is well again, and its members see why",
  async ([, state, reason, words]) => {
    await stage("attic", state);
    const served = attic.callsOf("/api/chat").length;
    const waiting = await submitDetached(cluster, member, reason, request(FAST));
    const other = await cluster.request("/v1/chat/completions", {
      method: "POST",
      key: member.key,
      body: JSON.stringify(request("coop/edge")),
    });
    expect([other.status, other.headers.get("x-coop-node")], await other.text()).toEqual([200, "cellar"]);
    const placement = await (
      await cluster.request(`/v1/jobs/${waiting}/placement`, { key: member.key })
    ).text();
    expect(placement).toContain(reason);
    expect(placement).toMatch(words);
    expect(await readJob(cluster, member, waiting)).toMatchObject({ state: "queued", attempts: 0 });
    expect(attic.callsOf("/api/chat")).toHaveLength(served);

    await stage("attic", CALM);
    expect(await untilEnded(cluster, member, waiting, 20_000)).toMatchObject({
      state: "succeeded",
      attempts: 1,
    });
    expect(attic.callsOf("/api/chat").length).toBeGreaterThan(served);
  },
);

it("leaves books that add up", async () => {
  const redis = await openBooks(cluster.home);
  try {
    await expect.poll(async () => auditBooks(await readBooks(redis)), { timeout: 10_000 }).toEqual([]);
  } finally {
    redis.disconnect();
  }
});
