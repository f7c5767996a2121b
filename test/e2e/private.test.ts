/**
 * What a member says and hears stays between the member and the machines that may have it: prompts and answers
 * with a canary in them, through every way that a job can go, and then a search of everything that was written.
 */
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openBooks } from "../harness/books.ts";
import { readJob, submitDetached, untilEnded, untilJob } from "../harness/chaos.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";
import { done, piece, startScriptedOllama } from "../harness/scripted-ollama.ts";
import type { ScriptedOllama, Step } from "../harness/scripted-ollama.ts";

const ASKED = "canary-of-a-prompt-7f3a91";
const ANSWERED = "canary-of-an-answer-b04c52";
const CANARIES = [ASKED, ANSWERED];
const CLOUD_MODEL = "elsewhere:cloud";

let cluster: Cluster;
let ada: TestMember;
let bob: TestMember;
/** Ada's machine, which also offers a model of a cloud, and Bob's. */
let home: ScriptedOllama;
let elsewhere: ScriptedOllama;

beforeAll(async () => {
  cluster = await startCluster("quick", "debug");
  [ada, bob] = await Promise.all([cluster.addMember("ada"), cluster.addMember("bob")]);
  [home, elsewhere] = await Promise.all([startScriptedOllama(), startScriptedOllama()]);
  home.models = [...home.models, { name: CLOUD_MODEL, remoteHost: "https://ollama.com" }];
  await Promise.all([
    cluster.startAgent("home", home.url.href, ada, ["--slots", "2", "--verbose"]),
    cluster.startAgent("elsewhere", elsewhere.url.href, bob, ["--verbose"]),
  ]);
});
afterAll(async () => {
  await cluster.stop();
  await Promise.all([home[Symbol.asyncDispose](), elsewhere[Symbol.asyncDispose]()]);
});

const ask = {
  model: "coop/edge",
  messages: [{ role: "user", content: `Keep this to yourself, please: ${ASKED}.` }],
  max_tokens: 32,
};
const ANSWER: readonly Step[] = [piece(`It is ${ANSWERED}`), piece("."), done()];
const own = { "x-coop-privacy": "own" };

const chat = (body: object, headers: Record<string, string> = own): Promise<Response> =>
  cluster.request("/v1/chat/completions", {
    method: "POST",
    key: ada.key,
    headers,
    body: JSON.stringify(body),
  });

const heard = (engine: ScriptedOllama): string => JSON.stringify(engine.calls.map((call) => call.body));

describe("a private job", () => {
  it("is tried again on the member's own machine, and nowhere else", async () => {
    home.always("/api/chat", ...ANSWER);
    home.script("/api/chat", { do: "refuse", status: 503, body: '{"error":"server busy"}' });
    const answer = await chat(ask);
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining(ANSWERED)]);
    expect(home.callsOf("/api/chat").length).toBeGreaterThanOrEqual(2);
    expect(heard(home)).toContain(ASKED);
  });

  it("fails rather than going elsewhere when its only machine cannot", async () => {
    home.always("/api/chat", { do: "break" });
    const answer = await chat(ask);
    expect(answer.ok).toBe(false);
    expect(heard(elsewhere)).not.toContain(ASKED);
    home.always("/api/chat", ...ANSWER);
  });

  it("never goes to a model that a cloud serves", async () => {
    const before = home.callsOf("/api/chat").length;
    for (const privacy of ["own", "coop"]) {
      const refused = await chat({ ...ask, model: CLOUD_MODEL }, { "x-coop-privacy": privacy });
      expect(refused.status).toBe(422);
    }
    expect(home.callsOf("/api/chat")).toHaveLength(before);
  });
});

describe("everything written, after jobs that went every way", () => {
  beforeAll(async () => {
    home.always("/api/chat", ...ANSWER);
    const streamed = await chat({ ...ask, stream: true });
    expect(await streamed.text()).toContain(ANSWERED);
    await untilEnded(cluster, ada, await submitDetached(cluster, ada, "whole", ask), 20_000);

    elsewhere.always("/api/chat", ...ANSWER);
    const complaint = JSON.stringify({ error: `cannot render: "${ask.messages[0]?.content}"` });
    for (const engine of [home, elsewhere])
      engine.script("/api/chat", { do: "refuse", status: 400, body: complaint });
    const failed = await untilEnded(cluster, ada, await submitDetached(cluster, ada, "bad", ask), 20_000);
    expect(failed.state).toBe("failed");

    await cancelInTheMiddle();
  });

  async function cancelInTheMiddle(): Promise<void> {
    home.script("/api/chat", piece(ANSWERED), { do: "hang" });
    elsewhere.script("/api/chat", piece(ANSWERED), { do: "hang" });
    const id = await submitDetached(cluster, ada, "cancelled", ask);
    await untilJob(cluster, ada, id, (job) => job.outputTokens > 0, 20_000);
    await cluster.request(`/v1/jobs/${id}`, { method: "DELETE", key: ada.key });
    expect((await readJob(cluster, ada, id)).state).toBe("cancelled");
  }

  /** A folder's files as text, by their paths in it. */
  async function filesIn(folder: string): Promise<Map<string, string>> {
    const texts = new Map<string, string>();
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) texts.set(relative(folder, path), await readFile(path, "latin1"));
    }
    return texts;
  }

  it("holds no word of them: Redis's files, logs, and what the agents keep", async () => {
    const files = await filesIn(cluster.home);
    const aof = [...files].filter(([path]) => /appendonly.*\.aof$/.test(path)).map(([, text]) => text);
    expect(aof.join(""), "the search finds what is there").toContain('"endpoint":"chat"');
    const places = [...files, ["the programs' output", cluster.output()] as const];
    const leaks = places.filter(([, text]) => CANARIES.some((canary) => text.includes(canary)));
    expect(leaks.map(([path]) => path)).toEqual([]);
  });

  it("holds no key of a member nor a token to join: nothing but their digests", async () => {
    const files = await filesIn(cluster.home);
    files.delete("operator.key");
    const secrets = [ada.key, bob.key, cluster.operatorKey].map(
      (key) => key.split("_")[2]?.slice(0, 40) ?? key,
    );
    for (const [path, text] of [...files, ["output", cluster.output()] as const]) {
      for (const secret of secrets) expect(text.includes(secret), path).toBe(false);
      expect(text.includes("coopjoin_"), path).toBe(false);
    }
  });

  it("shows nothing in the queue either, nor in what operators see of the co-op", async () => {
    const redis = await openBooks(cluster.home);
    try {
      const jobs = (await redis.keys("{coop}:jobs:job_*")).filter((key) => /job_[^:]+$/.test(key));
      expect(jobs.length).toBeGreaterThan(2);
      const texts = await Promise.all(jobs.map(async (key) => JSON.stringify(await redis.hgetall(key))));
      for (const path of ["/v1/nodes", "/v1/fleet", "/metrics", "/admin/members"])
        texts.push(await (await cluster.request(path)).text());
      for (const text of texts) for (const canary of CANARIES) expect(text).not.toContain(canary);
    } finally {
      redis.disconnect();
    }
  });
});
