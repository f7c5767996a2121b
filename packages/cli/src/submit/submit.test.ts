import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createClient } from "../client.ts";
import { hintsFor } from "../invocation.ts";
import { buildJobView, buildQuota } from "../testing/builders.ts";
import { captureOutput } from "../testing/captured-output.ts";
import { problem, startScriptedCoop } from "../testing/scripted-coop.ts";
import type { Reply, ScriptedCoop } from "../testing/scripted-coop.ts";
import { submitBatch } from "./submit.ts";
import type { SubmitOptions } from "./submit.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "coop-submit-"));
});
afterEach(() => rm(folder, { recursive: true }));

interface FakeJobs {
  /** Looks that a job takes until it has ended. */
  looks: number;
  /** Most jobs that were submitted and had not ended. */
  most: number;
  reply(route: string): Reply;
}

/** A co-op whose jobs end after a number of looks at each. */
function fakeJobs(): FakeJobs {
  const looksLeft = new Map<string, number>();
  const fake: FakeJobs = {
    looks: 2,
    most: 0,
    reply(route) {
      if (route === "GET /v1/quota") return { status: 200, json: buildQuota() };
      if (route === "POST /v1/jobs") {
        const id = `job_${looksLeft.size + 1}`;
        looksLeft.set(id, fake.looks);
        fake.most = Math.max(fake.most, [...looksLeft.values()].filter((left) => left > 0).length);
        return { status: 202, json: buildJobView({ id, state: "queued", finishedAtMs: null }) };
      }
      const [, id = "", isResponse] = /^GET \/v1\/jobs\/(\w+)(\/response)?/.exec(route) ?? [];
      if (isResponse !== undefined) return { status: 200, json: { id: `chatcmpl-${id}` } };
      const left = (looksLeft.get(id) ?? 0) - 1;
      looksLeft.set(id, left);
      const running = { state: "running", finishedAtMs: null } as const;
      return { status: 200, json: buildJobView({ id, ...(left > 0 && running) }) };
    },
  };
  return fake;
}

const requestLine = (id: number): string =>
  JSON.stringify({
    custom_id: `r${id}`,
    method: "POST",
    url: "/v1/chat/completions",
    body: { model: "coop/edge", messages: [{ role: "user", content: "Hi" }] },
  });

interface Bench extends AsyncDisposable {
  readonly coop: ScriptedCoop;
  readonly stop: AbortController;
  start(changes?: Partial<SubmitOptions>): {
    readonly ended: Promise<void>;
    readonly output: ReturnType<typeof captureOutput>;
  };
  results(): Promise<string[]>;
}

async function bench(lines: number, reply: (route: string) => Reply, drawn?: string[]): Promise<Bench> {
  const coop = await startScriptedCoop(reply);
  const stop = new AbortController();
  const [file, results] = [join(folder, "b.jsonl"), join(folder, "b.results.jsonl")];
  await writeFile(file, Array.from({ length: lines }, (_, id) => requestLine(id)).join("\n"));
  const hint = hintsFor({});
  const client = createClient({
    url: coop.url,
    source: { key: "k", place: "a test" },
    hint,
    signal: stop.signal,
  });
  const screen =
    drawn === undefined
      ? null
      : { draw: (text: readonly string[]) => void drawn.push(...text), leave: () => undefined };
  return {
    coop,
    stop,
    start(changes = {}) {
      const output = captureOutput();
      const ended = submitBatch(
        { client, output, json: false, hint, screen, signal: stop.signal },
        {
          place: { names: { file: "b.jsonl", results: "b.results.jsonl" }, file, results },
          options: { model: null, privacy: null, deadlineSeconds: null },
          concurrency: 4,
          again: false,
          resumeCommand: "coop submit b.jsonl",
          ...changes,
        },
      );
      return { ended, output };
    },
    [Symbol.asyncDispose]: () => coop[Symbol.asyncDispose](),
    results: async () => (await readFile(results, "utf8")).trimEnd().split("\n"),
  };
}

describe("submitting a batch", () => {
  it("keeps to the jobs it may have at once, and leaves results and journal alone behind", async () => {
    const jobs = fakeJobs();
    await using test = await bench(20, jobs.reply);
    const { ended, output } = test.start();
    await ended;
    expect(jobs.most).toBe(4);
    expect((await test.results()).map((line) => JSON.parse(line).custom_id)).toEqual(
      Array.from({ length: 20 }, (_, id) => `r${id}`),
    );
    expect(output.stdout()).toMatch(/pi +llama3\.2:3b +edge +20 +0[^]*Results: b\.results\.jsonl/);
    expect(output.stderr()).toMatch(/20 of 20 lines done \(100 %\).*, 0 in flight/);
    expect(await readdir(folder)).toEqual(["b.jsonl", "b.results.jsonl", "b.results.jsonl.journal"]);
  });

  it("says how to go on when it is interrupted, and goes on", async () => {
    const jobs = fakeJobs();
    jobs.looks = Infinity;
    await using test = await bench(6, (route) => {
      if (route === "GET /v1/jobs/job_3") test.stop.abort(new Error("Ctrl-C"));
      return jobs.reply(route);
    });
    const { ended, output } = test.start();
    await expect(ended).rejects.toThrow("Ctrl-C");
    expect(output.stderr()).toMatch(
      /Stopped with 0 of 6 lines done\. 4 jobs may still run .*Go on: coop submit b\.jsonl/,
    );
    expect(await readdir(folder)).not.toContain("b.results.jsonl.lock");
  });

  it("stops all lines when one is told that the key serves no longer", async () => {
    const jobs = fakeJobs();
    let submitted = 0;
    await using test = await bench(50, (route) => {
      if (route === "POST /v1/jobs" && (submitted += 1) === 10)
        return { status: 401, json: problem("Revoked.") };
      return jobs.reply(route);
    });
    const { ended, output } = test.start();
    await expect(ended).rejects.toMatchObject({ code: "no-key" });
    expect(submitted).toBeLessThan(20);
    expect(output.stderr()).toMatch(/Stopped with \d+ of 50/);
  });

  it("does not go on with other options than it began with", async () => {
    await using test = await bench(2, fakeJobs().reply);
    await test.start().ended;
    const options = { model: "qwen3:8b", privacy: null, deadlineSeconds: null };
    await expect(test.start({ options }).ended).rejects.toMatchObject({
      code: "bad-input",
      message: expect.stringMatching(/another run of b\.jsonl: it began without --model/),
    });
  });

  it("tells a wrong address before it submits, without a try more", async () => {
    await using test = await bench(2, () => "hang-up");
    await expect(test.start().ended).rejects.toMatchObject({ code: "server-not-reachable" });
    expect(test.coop.requests).toHaveLength(1);
  });

  it("draws a bar on a terminal instead of telling lines", async () => {
    const drawn: string[] = [];
    await using test = await bench(3, fakeJobs().reply, drawn);
    const { ended, output } = test.start();
    await ended;
    expect(drawn[0]).toMatch(/^░{24} {2}0\/3/);
    expect(drawn.at(-1)).toMatch(/^█{24} {2}3\/3/);
    expect(output.stderr()).toBe("");
  });

  it("leaves results alone that are not its own", async () => {
    await using test = await bench(2, fakeJobs().reply);
    await writeFile(join(folder, "b.results.jsonl"), "mine\n");
    await expect(test.start().ended).rejects.toMatchObject({ code: "bad-input" });
    expect(await test.results()).toEqual(["mine"]);
    await test.start({ again: true }).ended;
    expect(await test.results()).toHaveLength(2);
  });

  it("says what it could not write, and that a file is not there", async () => {
    await using test = await bench(1, fakeJobs().reply);
    const names = { file: "b.jsonl", results: "x/r.jsonl" };
    const file = join(folder, "b.jsonl");
    const results = join(folder, "x", "r.jsonl");
    await expect(test.start({ place: { names, file, results } }).ended).rejects.toMatchObject({
      code: "file-unwritable",
      message: expect.stringMatching(/cannot be written: ENOENT/),
    });
    await expect(test.start({ place: { names, file: `${file}x`, results } }).ended).rejects.toMatchObject({
      code: "bad-input",
      message: "b.jsonl cannot be read: there is no such file.",
    });
  });
});
