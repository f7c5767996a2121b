import { existsSync, readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as pauseFor } from "node:timers/promises";
import { chatCompletionSchema, embeddingListSchema, jobListSchema } from "@coop/protocol";
import type { JobView } from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { auditBooks, openBooks, readBooks } from "../harness/books.ts";
import { startChild } from "../harness/child.ts";
import type { Child } from "../harness/child.ts";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";

const coop = resolve(import.meta.dirname, "../../packages/cli/src/main.ts");
const PROFILES = ["mac-studio-m4-max-128", "macbook-air-m4-32"] as const;

let cluster: Cluster;
let maja: TestMember;
let children: Child[];
beforeEach(async () => {
  children = [];
  cluster = await startCluster("quick");
  maja = await cluster.addMember("maja");
  const machines = await cluster.startMachines(PROFILES, 60);
  for (const [profile, url] of machines) await cluster.startAgent(profile, url, maja);
  await until(
    "both machines serve",
    async () => (await cluster.nodes()).filter(({ connected }) => connected).length === PROFILES.length,
  );
});
afterEach(async () => {
  for (const child of children) if (child.running()) await child.stop();
  await cluster.stop();
});

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const untilMs = performance.now() + 60_000;
  while (!(await holds())) {
    if (performance.now() > untilMs) throw new Error(`waited in vain until ${what}`);
    await pauseFor(20);
  }
}

function submit(...args: readonly string[]): Child {
  const child = startChild(coop, ["submit", ...args], {
    COOP_HOME: cluster.home,
    COOP_URL: cluster.url,
    COOP_API_KEY: maja.key,
  });
  children.push(child);
  return child;
}

const chat = (customId: string, changes: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    custom_id: customId,
    method: "POST",
    url: "/v1/chat/completions",
    body: {
      model: "coop/edge",
      messages: [{ role: "user", content: `Name ${customId} in one word.` }],
      max_tokens: 24,
      ...changes,
    },
  });
const embedding = (customId: string): string =>
  JSON.stringify({
    custom_id: customId,
    method: "POST",
    url: "/v1/embeddings",
    body: { model: "nomic-embed-text", input: customId },
  });

const resultSchema = z.object({
  id: z.string(),
  custom_id: z.string(),
  response: z.object({ status_code: z.number(), request_id: z.string(), body: z.unknown() }).nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});

/** The batch file `batch.jsonl` of a test, and what became of it. */
async function batch(lines: readonly string[]) {
  const file = join(cluster.home, "batch.jsonl");
  const results = join(cluster.home, "batch.results.jsonl");
  await writeFile(file, `${lines.join("\n")}\n`);
  return {
    file,
    journal: `${results}.journal`,
    results: async () =>
      (await readFile(results, "utf8"))
        .trimEnd()
        .split("\n")
        .map((line) => resultSchema.parse(JSON.parse(line))),
    resultCount: (): number =>
      existsSync(results) ? readFileSync(results, "utf8").split("\n").length - 1 : 0,
  };
}

/** All of the member's jobs. */
async function jobs(): Promise<JobView[]> {
  const found: JobView[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const page = jobListSchema.parse(
      await (await cluster.request(`/v1/jobs?limit=200${query}`, { key: maja.key })).json(),
    );
    found.push(...page.data);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return found;
}

describe("coop submit", () => {
  it("survives kill -9 at any time, its server's too: one job a line, answers in order", async () => {
    const ids = Array.from({ length: 200 }, (_, index) => `request ${index}`);
    const { file, journal, results, resultCount } = await batch(
      ids.map((id, index) => (index % 10 === 3 ? embedding(id) : chat(id))),
    );
    const first = submit(file);
    await until("the run began", () => existsSync(journal));
    await first.kill9();
    for (const least of [1, 30, 60]) {
      const killed = submit(file);
      await until(`${least} results are there`, () => resultCount() >= least);
      await killed.kill9();
    }
    // The machine went down too, and took what the journal had not yet brought to the disk: the keys stay.
    const [head = ""] = (await readFile(journal, "utf8")).split("\n", 1);
    await writeFile(journal, `${head}\n{"kind":"subm`);
    expect(resultCount()).toBeLessThan(200);
    const interrupted = submit(file);
    await interrupted.line(/^0 of 200 lines done/m);
    await until("90 results are there", () => resultCount() >= 90);
    expect(await interrupted.stop()).toBe(130);
    expect(interrupted.output()).toMatch(
      /Stopped with \d+ of 200 lines done.*Go on: coop submit \S*batch\.jsonl/,
    );

    const last = submit(file, "--concurrency", "8");
    await last.line(/going on: \d+ of 200 lines are done/);
    await until("110 results are there", () => resultCount() >= 110);
    await cluster.server().kill9();
    await last.line(/Trying again in/);
    await cluster.restartServer();
    expect(await last.ended).toBe(0);
    expect(last.output()).toMatch(/NODE +MODEL +TIER +LINES +FAILED/);

    const answers = await results();
    expect(answers.map(({ custom_id: id }) => id)).toEqual(ids);
    for (const [index, { response, error }] of answers.entries()) {
      expect([response?.status_code, error]).toEqual([200, null]);
      (index % 10 === 3 ? embeddingListSchema : chatCompletionSchema).parse(response?.body);
    }
    const ran = await jobs();
    expect(ran).toHaveLength(200);
    expect(new Set(ran.map(({ metadata }) => metadata["line"])).size).toBe(200);
    expect(new Set(answers.map(({ response }) => response?.request_id))).toEqual(
      new Set(ran.map(({ id }) => id)),
    );

    const repeated = submit(file, "--json");
    expect(await repeated.ended).toBe(0);
    expect(repeated.output()).toMatch(/is done already.*"succeeded": 200/s);
    expect(await jobs()).toHaveLength(200);
    await using books = await openBooks(cluster.home).then((redis) => ({
      redis,
      [Symbol.asyncDispose]: async () => void (await redis.quit()),
    }));
    await until("the books are at rest", async () => auditBooks(await readBooks(books.redis)).length === 0);
  });

  it("checks the whole file before anything runs, and names line and field", async () => {
    const { file } = await batch([
      chat("one"),
      "{",
      chat("three", { messages: [{ role: "user", content: 3 }] }),
      chat("one"),
      chat("five").replace("/v1/chat/completions", "/v1/images"),
    ]);
    const refused = submit(file);
    expect(await refused.ended).toBe(2);
    expect(refused.output()).toMatch(
      /batch\.jsonl:2: is not JSON.*\n.*:3: body\.messages\[0\]\.content: .*\n.*:4: custom_id: "one" is on line 1 already\n.*:5: url: must be .*\n4 errors; nothing was submitted/,
    );
    expect(await jobs()).toEqual([]);
  });

  it("tells of each line that failed, in its place, and exits with 1", async () => {
    const { file, results } = await batch([
      chat("good"),
      chat("unknown", { model: "no-such-model:1b" }),
      chat("long", { messages: [{ role: "user", content: "word ".repeat(400_000) }] }),
      chat("good too"),
    ]);
    const run = submit(file);
    expect(await run.ended).toBe(1);
    expect(run.output()).toMatch(/2 of 4 lines failed: .*model_not_found 1/);
    const answers = await results();
    expect(answers.map(({ response }) => response?.status_code)).toEqual([200, 404, 400, 200]);
    expect(answers[1]?.response?.body).toMatchObject({ error: { code: "model_not_found" } });
  });

  it("keeps to its options when it goes on, and begins anew only when told to", async () => {
    const { file, results } = await batch([chat("one", { model: undefined }), chat("two")]);
    expect(await submit(file, "--model", "coop/local-small", "--deadline", "10m").ended).toBe(0);
    const [first] = await results();
    const other = submit(file, "--model", "coop/edge");
    expect(await other.ended).toBe(2);
    expect(other.output()).toMatch(/it began with --model coop\/local-small/);
    expect(await submit(file, "--model", "coop/edge", "--again").ended).toBe(0);
    const [second] = await results();
    expect(second?.response?.request_id).not.toBe(first?.response?.request_id);
    const ran = await jobs();
    expect(ran.map(({ requested }) => requested).toSorted()).toEqual([
      "coop/edge",
      "coop/edge",
      "coop/local-small",
      "coop/local-small",
    ]);
  });
});
