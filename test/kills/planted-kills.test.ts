/**
 * `kill -9` of each program while one job is in each phase of its life. Whatever dies, an accepted detached
 * job succeeds in the end, an attached stream ends in words, and the books add up.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditBooks, auditQueue, openBooks, readBooks } from "../harness/books.ts";
import { killAndRestart, readJob, submitDetached, untilEnded, untilJob } from "../harness/chaos.ts";
import type { Role, Victim } from "../harness/chaos.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";
import { done, piece, startScriptedOllama } from "../harness/scripted-ollama.ts";
import type { ScriptedOllama, Step } from "../harness/scripted-ollama.ts";

let cluster: Cluster;
let member: TestMember;
let ollama: ScriptedOllama;
let victim: Victim;

beforeAll(async () => {
  cluster = await startCluster("quick");
  member = await cluster.addMember("maja");
  ollama = await startScriptedOllama();
  const engineUrl = ollama.url.href;
  victim = {
    name: "lone",
    engineUrl,
    owner: member,
    child: await cluster.startAgent("lone", engineUrl, member),
  };
});
afterAll(async () => {
  await cluster.stop();
  await ollama[Symbol.asyncDispose]();
});

const ANSWER: readonly Step[] = [piece("Hello"), piece(" there"), done()];
const ask = {
  model: "coop/edge",
  messages: [{ role: "user", content: "Say hello to everybody in the house, please." }],
  max_tokens: 32,
};

/** Moments in a job's life, each with what the engine does meanwhile and how the test knows that it is reached. */
const PHASES = {
  queued: { engine: ANSWER, reached: (): Promise<void> => Promise.resolve() },
  prefill: {
    engine: [{ do: "hang" }] satisfies readonly Step[],
    reached: (id: string) => stateOf(id, "running"),
  },
  "first words": {
    engine: [piece("Hello"), { do: "hang" }] satisfies readonly Step[],
    reached: async (id: string): Promise<void> => {
      await untilJob(cluster, member, id, (job) => job.outputTokens > 0, 20_000);
    },
  },
  ended: { engine: ANSWER, reached: (id: string) => stateOf(id, "succeeded") },
} as const;

async function stateOf(id: string, state: string): Promise<void> {
  await untilJob(cluster, member, id, (job) => job.state === state, 20_000);
}

const ROLES: readonly Role[] = ["agent", "server", "redis"];
const CASES = ROLES.flatMap((role) =>
  (Object.keys(PHASES) as (keyof typeof PHASES)[]).map((phase) => [role, phase] as const),
);

describe("kill -9 at a planted moment", () => {
  it.each(CASES)("of the %s while a job is at: %s", async (role, phase) => {
    const { engine, reached } = PHASES[phase];
    ollama.always("/api/chat", ...ANSWER);
    if (engine !== ANSWER) ollama.script("/api/chat", ...engine);
    const id = await submitDetached(cluster, member, `${role}-${phase}`, ask);
    await reached(id);
    await killAndRestart(cluster, role, victim);
    if (engine !== ANSWER && role !== "agent") await endHangingAttempt();
    const job = await untilEnded(cluster, member, id, 40_000);
    expect({ state: job.state, error: job.error }).toEqual({ state: "succeeded", error: null });
    expect(job.result?.content).toBe("Hello there");
    expect((await readJob(cluster, member, id)).chargedTokens).toBe(job.chargedTokens);
  });

  /** The agent went on with an attempt that will never end; ending it lets the job be tried again. */
  async function endHangingAttempt(): Promise<void> {
    await victim.child.kill9();
    victim.child = await cluster.startAgent(victim.name, victim.engineUrl, victim.owner);
  }

  it("ends an attached stream in words when its agent dies in the middle, charged for what was delivered", async () => {
    ollama.script("/api/chat", piece("Hello"), { do: "hang" });
    const response = await cluster.request("/v1/chat/completions", {
      method: "POST",
      key: member.key,
      body: JSON.stringify({ ...ask, stream: true }),
    });
    const id = response.headers.get("x-coop-job") ?? "";
    await untilJob(cluster, member, id, (job) => job.outputTokens > 0, 20_000);
    await killAndRestart(cluster, "agent", victim);
    const text = await response.text();
    expect(text).toContain("Hello");
    expect(text).toContain('"error"');
    const job = await untilEnded(cluster, member, id, 20_000);
    expect(job.state).toBe("failed");
    expect(job.chargedTokens).toBe(1);
  });

  it("ends an attached job in words when its server is told to stop, and its node is free for the next", async () => {
    ollama.script("/api/chat", piece("Hello"), { do: "hang" });
    const response = await cluster.request("/v1/chat/completions", {
      method: "POST",
      key: member.key,
      body: JSON.stringify({ ...ask, stream: true }),
    });
    const id = response.headers.get("x-coop-job") ?? "";
    await untilJob(cluster, member, id, (job) => job.outputTokens > 0, 20_000);
    const stopped = cluster.server().stop();
    const text = await response.text();
    expect(text).toContain("Hello");
    expect(text).toContain('"code":"server_stopped"');
    expect(await stopped).toBe(0);
    await cluster.restartServer();
    const job = await readJob(cluster, member, id);
    expect(job).toMatchObject({ state: "cancelled", error: { code: "cancelled-server-stopped" } });
    const next = await submitDetached(cluster, member, "after-the-stop", ask);
    expect((await untilEnded(cluster, member, next, 20_000)).state).toBe("succeeded");
  });

  it("goes on with a detached job while its server is stopped, in the same attempt", async () => {
    ollama.script("/api/chat", piece("Hello"), { do: "pause", ms: 3_000 }, piece(" again"), done());
    const id = await submitDetached(cluster, member, "over-a-stop", ask);
    await untilJob(cluster, member, id, (job) => job.outputTokens > 0, 20_000);
    const asked = ollama.callsOf("/api/chat").length;
    expect(await cluster.server().stop()).toBe(0);
    await cluster.restartServer();
    const job = await untilEnded(cluster, member, id, 40_000);
    expect(job).toMatchObject({ state: "succeeded", result: { content: "Hello again" } });
    expect(ollama.callsOf("/api/chat")).toHaveLength(asked);
  });

  it("takes a job from an agent that froze for longer than a lease, and nothing of what it says after", async () => {
    ollama.script("/api/chat", piece("Stale"), { do: "pause", ms: 2_000 }, piece(" words"), done());
    const id = await submitDetached(cluster, member, "over-a-freeze", ask);
    await untilJob(cluster, member, id, (job) => job.outputTokens > 0, 20_000);
    victim.child.freeze();
    await untilJob(cluster, member, id, (job) => job.state === "queued", 20_000);
    victim.child.thaw();
    const job = await untilEnded(cluster, member, id, 40_000);
    expect(job).toMatchObject({ state: "succeeded", result: { content: "Hello there" } });
  });

  it("leaves books that add up, and a queue that agrees with them", async () => {
    const redis = await openBooks(cluster.home);
    try {
      await expect
        .poll(async () => auditBooks(await readBooks(redis)), { timeout: 60_000, interval: 500 })
        .toEqual([]);
      await expect.poll(() => auditQueue(redis), { timeout: 60_000, interval: 500 }).toEqual([]);
    } finally {
      redis.disconnect();
    }
  });
});
