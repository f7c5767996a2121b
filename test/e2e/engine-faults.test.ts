/**
 * An Ollama that misbehaves in every way that is known of it, and what its members see of that: an answer from
 * another machine where nobody had seen any of it, an honest error where somebody had, and never a charge for
 * what was not served.
 */
import { quotaSchema } from "@coop/protocol";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { auditBooks, openBooks, readBooks } from "../harness/books.ts";
import { readJob, submitDetached, untilEnded } from "../harness/chaos.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";
import { done, piece, startScriptedOllama } from "../harness/scripted-ollama.ts";
import type { ScriptedOllama, Step } from "../harness/scripted-ollama.ts";

/** The faulty machine's model, faster than the other's, so that work of its tier goes there while it can. */
const FAST = "llama3.2:3b";
/** On the same machine, and never at fault. */
const OTHER = "other:3b";
/** Its load stalls for as long as the engine itself waits, minutes. */
const STALLING = "stalling:3b";
const SLOW = "llama3.1:8b";

let cluster: Cluster;
let member: TestMember;
let attic: ScriptedOllama;
let cellar: ScriptedOllama;

beforeAll(async () => {
  [attic, cellar] = await Promise.all([startScriptedOllama(), startScriptedOllama()]);
  const [model] = attic.models;
  attic.models = [FAST, OTHER, STALLING].map((name) => ({ ...model, name }));
  cellar.models = [{ name: SLOW, sizeBytes: 4.9e9, capabilities: ["completion", "tools"] }];
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

/** The faulty machine is well again: its slot is free, and what a canary had to show was shown. */
beforeEach(async () => {
  attic.always("/api/chat", { do: "behave" });
  attic.always("/api/generate", { do: "behave" });
  const { status, text } = await ask({ model: FAST });
  expect(status, text).toBe(200);
});

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly node: string | null;
  readonly job: string;
}

async function ask(body: object): Promise<Answer> {
  const response = await cluster.request("/v1/chat/completions", {
    method: "POST",
    key: member.key,
    body: JSON.stringify({
      model: "coop/edge",
      messages: [{ role: "user", content: "Say hello to the person over there, if you would be so kind." }],
      max_tokens: 32,
      ...body,
    }),
  });
  return {
    status: response.status,
    text: await response.text(),
    node: response.headers.get("x-coop-node"),
    job: response.headers.get("x-coop-job") ?? "",
  };
}

const quota = async () =>
  quotaSchema.parse(await (await cluster.request("/v1/quota", { key: member.key })).json());

const refuse = (status: number, error: string): Step => ({
  do: "refuse",
  status,
  body: JSON.stringify({ error }),
});

describe("a fault before anything was seen is another machine's job", () => {
  const cases: readonly [what: string, steps: readonly Step[]][] = [
    ["a hang before the first token", [{ do: "hang" }]],
    ["a hang after the first token", [piece("Hel"), { do: "hang" }]],
    ["a runner that died", [refuse(500, "llama runner process has terminated: exit status 2")]],
    ["a connection that breaks", [{ do: "break" }]],
    ["an error inside a 200 body", [piece("Hel"), { do: "line", line: { error: "CUDA error" } }]],
    ["an end without done", [piece("Hel"), { do: "end" }]],
    ["a prompt that was cut in silence", [piece("Hel"), done({ prompt_eval_count: 3 })]],
    ["a model that was deleted meanwhile", [refuse(404, `model '${FAST}' not found`)]],
    ["no memory for the model", [refuse(500, "model requires more system memory (9 GiB)")]],
    ["lines that are no JSON", [{ do: "text", text: "<html>\n" }]],
  ];
  it.for(cases)("%s", async ([, steps]) => {
    attic.script("/api/chat", ...steps);
    const before = attic.callsOf("/api/chat").length;
    const used = (await quota()).usedTokens;
    const { status, text, node, job } = await ask({});
    expect(attic.callsOf("/api/chat").length).toBeGreaterThan(before);
    expect([status, node], text).toEqual([200, "cellar"]);
    expect(JSON.parse(text)).toMatchObject({ choices: [{ message: { content: "Hello there" } }] });
    expect(await readJob(cluster, member, job)).toMatchObject({ state: "succeeded", attempts: 2 });
    // Charged as one answer: 12 prompt tokens and 2 of output.
    expect((await quota()).usedTokens - used).toBe(14);
  });

  it("and before anything else runs there, one token must show that the engine let go", async () => {
    const before = attic.callsOf("/api/chat").length;
    attic.script("/api/chat", refuse(500, "llama runner process has terminated"));
    expect(await ask({})).toMatchObject({ status: 200, node: "cellar" });
    expect(await ask({ model: FAST })).toMatchObject({ status: 200, node: "attic" });
    const bounds = attic
      .callsOf("/api/chat")
      .slice(before)
      .map(({ body }) => JSON.stringify(body).match(/"num_predict":(\d+)/)?.[1]);
    expect(bounds).toEqual(["32", "1", "32"]);
  });

  it("a load that stalls", async () => {
    attic.script("/api/generate", { do: "hang" });
    cellar.models = [...cellar.models, { name: STALLING, sizeBytes: 4.9e9 }];
    try {
      const listed = async () =>
        (await cluster.nodes()).filter(({ models }) => models.some(({ name }) => name === STALLING)).length;
      await expect.poll(listed, { timeout: 20_000 }).toBe(2);
      expect(await ask({ model: STALLING })).toMatchObject({ status: 200, node: "cellar" });
    } finally {
      cellar.models = cellar.models.filter(({ name }) => name !== STALLING);
    }
  });

  it("a model that another program unloaded is loaded by the job itself, with the context that is pinned", async () => {
    attic.loaded.delete(FAST);
    const { status, node } = await ask({});
    expect([status, node]).toEqual([200, "attic"]);
    expect(attic.loaded.get(FAST)).toBe(8192);
  });
});

describe("a fault after the member has seen output", () => {
  it.for([
    ["a hang", [piece("Hel"), { do: "pause", ms: 300 }, piece("lo"), { do: "hang" }]],
    ["an end without done", [piece("Hel"), { do: "pause", ms: 300 }, piece("lo"), { do: "end" }]],
    [
      "an error in the stream",
      [piece("Hel"), { do: "pause", ms: 300 }, { do: "line", line: { error: "x" } }],
    ],
  ] as const satisfies readonly (readonly [string, readonly Step[]])[])(
    "%s ends the stream with an error, never with another machine's words",
    async ([, steps]) => {
      attic.script("/api/chat", ...steps);
      const { status, text, job } = await ask({ stream: true });
      expect(status).toBe(200);
      expect(text).toContain('"Hel');
      expect(text).not.toContain("Hello there");
      expect(text).toMatch(/"error":\{/);
      expect(text).not.toContain("[DONE]");
      expect(await readJob(cluster, member, job)).toMatchObject({ state: "failed", attempts: 1 });
    },
  );
});

describe("what is no fault of the machine", () => {
  it("a full queue just waits, and no attempt counts", async () => {
    attic.script(
      "/api/chat",
      refuse(503, "server busy, please try again. maximum pending requests exceeded"),
    );
    const { status, node, job } = await ask({ model: FAST });
    expect([status, node]).toEqual([200, "attic"]);
    expect(await readJob(cluster, member, job)).toMatchObject({ state: "succeeded", attempts: 1 });
  });

  it("a tool call that cannot be read is tried again, there too, and tells nothing of the call", async () => {
    const broken = refuse(
      500,
      "error parsing tool call: raw='{\"secret\": 1', err=unexpected end of JSON input",
    );
    attic.script("/api/chat", broken);
    expect(await ask({ model: FAST })).toMatchObject({ status: 200, node: "attic" });
    attic.always("/api/chat", broken);
    const { status, text } = await ask({ model: FAST });
    expect(status).toBeGreaterThanOrEqual(500);
    expect(text).toMatch(/tool call/);
    expect(text).not.toContain("secret");
  });

  it("a runaway repetition is cut and stopped, and charged as what it is", async () => {
    const loop = Array.from({ length: 700 }, () => piece("na "));
    attic.script("/api/chat", ...loop, { do: "hang" });
    const calls = attic.callsOf("/api/chat").length;
    const { status, text } = await ask({ max_tokens: 2_000 });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({ choices: [{ finish_reason: "length" }] });
    expect(await (await attic.call("/api/chat", calls)).ended).toBe("destroyed");
  });

  it.for([
    ["absent", { prompt_eval_count: undefined, eval_count: undefined }],
    ["zero", { prompt_eval_count: 0, eval_count: 0 }],
    ["far too high", { prompt_eval_count: 1_000_000, eval_count: 1_000_000 }],
  ] as const)("counts that are %s never charge more than what was held", async ([, counts]) => {
    attic.script("/api/chat", piece("Hello"), piece(" there"), done(counts));
    const before = (await quota()).usedTokens;
    const { status, text } = await ask({ max_tokens: 32 });
    expect(status, text).toBe(200);
    const charged = (await quota()).usedTokens - before;
    expect(charged).toBeGreaterThan(0);
    expect(charged).toBeLessThanOrEqual(64 + 200 + 32);
  });
});

describe("a model that only hangs", () => {
  it("becomes unhealthy alone, which is said, and heals with a good canary", async () => {
    attic.always("/api/chat", { do: "hang" });
    // Nobody else has this very model: the job waits, and its explanation says why.
    const job = await submitDetached(cluster, member, "waits-for-the-last-node", {
      model: FAST,
      messages: [{ role: "user", content: "Hello?" }],
      max_tokens: 8,
    });
    const health = async () => {
      const [node] = (await cluster.nodes()).filter(({ name }) => name === "attic");
      const models = node?.models.filter(({ name, unhealthy }) => name !== STALLING && unhealthy !== null);
      return models?.map(({ name }) => name);
    };
    await expect.poll(health, { timeout: 30_000 }).toEqual([FAST]);
    const placement = async () =>
      await (await cluster.request(`/v1/jobs/${job}/placement`, { key: member.key })).text();
    await expect.poll(placement, { timeout: 10_000 }).toMatch(/model-unhealthy/);
    expect(await placement()).toMatch(/first-token-timeout/);
    expect(await readJob(cluster, member, job)).toMatchObject({ state: "queued" });

    attic.always("/api/chat", { do: "behave" });
    expect(await untilEnded(cluster, member, job, 20_000)).toMatchObject({ state: "succeeded" });
    await expect.poll(health, { timeout: 10_000 }).toEqual([]);
  });
});

describe("afterwards", () => {
  it("the books add up", async () => {
    const redis = await openBooks(cluster.home);
    try {
      await expect.poll(async () => auditBooks(await readBooks(redis)), { timeout: 10_000 }).toEqual([]);
    } finally {
      redis.disconnect();
    }
  });
});
