import { jobListSchema, quotaSchema } from "@coop/protocol";
import type { JobView } from "@coop/protocol";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { auditBooks, openBooks, readBooks } from "../harness/books.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";
import { piece, startScriptedOllama } from "../harness/scripted-ollama.ts";
import type { ScriptedCall, ScriptedOllama } from "../harness/scripted-ollama.ts";

/** A member who closes the connection stops the work behind it, wherever the job is by then. */

/** What a stop may take, from the member's close to the engine's connection, ms. */
const STOP_MS = 2_000;
const MODEL = "llama3.2:3b";

let cluster: Cluster;
let member: TestMember;
let ollama: ScriptedOllama;

beforeAll(async () => {
  ollama = await startScriptedOllama();
  const [model] = ollama.models;
  ollama.models = [MODEL, "cold-streamed:3b", "cold-whole:3b"].map((name) => ({ ...model, name }));
  ollama.loaded.set(MODEL, 8192);
  cluster = await startCluster();
  member = await cluster.addMember("astrid");
  await cluster.startAgent("studio", ollama.url.href, member, ["--slots", "1"]);
});
// The node's one slot is free again, and whatever it makes sure of after a stop is over.
beforeEach(async () => {
  expect(await ask({ model: MODEL }).outcome).toBe("answered");
});
afterAll(async () => {
  await cluster.stop();
  await ollama[Symbol.asyncDispose]();
});

/** A request on its way. */
interface Asked {
  /** Closes the connection and says when, by `performance.now()`. */
  abort(): number;
  readonly outcome: Promise<"answered" | "closed">;
}

function ask({
  content = "Hello",
  ...body
}: {
  readonly model: string;
  readonly stream?: boolean;
  readonly content?: string;
}): Asked {
  const controller = new AbortController();
  const read = async (): Promise<"answered" | "closed"> => {
    try {
      const response = await cluster.request("/v1/chat/completions", {
        method: "POST",
        key: member.key,
        signal: controller.signal,
        body: JSON.stringify({ ...body, messages: [{ role: "user", content }], max_tokens: 50 }),
      });
      await response.text();
      return "answered";
    } catch (error) {
      if (controller.signal.aborted) return "closed";
      throw error;
    }
  };
  return {
    outcome: read(),
    abort() {
      controller.abort();
      return performance.now();
    },
  };
}

async function latestJob(): Promise<JobView> {
  const response = await cluster.request("/v1/jobs?limit=1", { key: member.key });
  const [job] = jobListSchema.parse(await response.json()).data;
  if (job === undefined) throw new Error("the member has no job");
  return job;
}

const untilJob = (what: Partial<JobView>, timeout = 20_000) =>
  expect.poll(latestJob, { timeout, interval: 20 }).toMatchObject(what);

/** The call that the next chat makes. */
const nextChat = (): Promise<ScriptedCall> => ollama.call("/api/chat", ollama.callsOf("/api/chat").length);

/** The job is cancelled, and the engine's connection gone where there is one, in time. */
async function expectStopped(abortedAtMs: number, call: ScriptedCall | null): Promise<void> {
  if (call !== null) expect(await call.ended).toBe("destroyed");
  await untilJob({ state: "cancelled" });
  expect(performance.now() - abortedAtMs).toBeLessThan(STOP_MS);
}

describe.each([
  ["streamed", true],
  ["whole", false],
] as const)("a %s answer that its member gives up", (name, stream) => {
  it("stops before it was placed, and never reaches the engine", async () => {
    ollama.script("/api/chat", piece("Once"), { do: "hang" });
    const running = nextChat();
    const holder = ask({ model: MODEL, stream });
    await running;
    const waiting = ask({ model: MODEL, stream, content: "I wait" });
    await untilJob({ state: "queued" });
    await expectStopped(waiting.abort(), null);
    expect(await waiting.outcome).toBe("closed");
    await expectStopped(holder.abort(), await running);
    expect(JSON.stringify(ollama.callsOf("/api/chat"))).not.toContain("I wait");
  });

  it("stops while the model loads, and the load goes on for whoever comes next", async () => {
    const model = `cold-${name}:3b`;
    const loads = ollama.callsOf("/api/generate").length;
    ollama.script("/api/generate", { do: "pause", ms: STOP_MS }, { do: "behave" });
    const asked = ask({ model, stream });
    const load = await ollama.call("/api/generate", loads);
    expect(load.body).toMatchObject({ model });
    await untilJob({ state: "running" });
    await expectStopped(asked.abort(), null);
    expect(await asked.outcome).toBe("closed");
    expect(await load.ended).toBe("answered");
    const chats = ollama.callsOf("/api/chat").filter(({ body }) => body["model"] === model);
    expect(chats).toEqual([]);
    expect(await ask({ model, stream }).outcome).toBe("answered");
    expect(ollama.callsOf("/api/generate")).toHaveLength(loads + 1);
  });

  it("stops before the first token", async () => {
    ollama.script("/api/chat", { do: "hang" });
    const called = nextChat();
    const asked = ask({ model: MODEL, stream });
    const call = await called;
    await expectStopped(asked.abort(), call);
    expect(await asked.outcome).toBe("closed");
  });

  it("stops between two tokens, and costs what was delivered", async () => {
    ollama.script("/api/chat", piece("Once"), piece(" upon"), { do: "hang" });
    const called = nextChat();
    const asked = ask({ model: MODEL, stream });
    const call = await called;
    await untilJob({ state: "running", outputTokens: 2 });
    await expectStopped(asked.abort(), call);
    expect(await asked.outcome).toBe("closed");
    expect((await latestJob()).chargedTokens).toBeGreaterThan(0);
  });
});

it("leaves nothing held, and books that add up", async () => {
  const quota = await (await cluster.request("/v1/quota", { key: member.key })).json();
  expect(quotaSchema.parse(quota)).toMatchObject({ heldTokens: 0 });
  const redis = await openBooks(cluster.home);
  try {
    await expect.poll(async () => auditBooks(await readBooks(redis)), { timeout: 10_000 }).toEqual([]);
  } finally {
    redis.disconnect();
  }
});
