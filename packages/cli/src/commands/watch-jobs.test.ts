import type { JobView } from "@coop/protocol";
import { expect, it } from "vitest";
import { createClient } from "../client.ts";
import { hintsFor } from "../invocation.ts";
import { buildJobView } from "../testing/builders.ts";
import { captureOutput } from "../testing/captured-output.ts";
import { problem, startScriptedCoop } from "../testing/scripted-coop.ts";
import type { Reply } from "../testing/scripted-coop.ts";
import { watchJobs } from "./watch-jobs.ts";

const list = (...jobs: readonly Partial<JobView>[]): Reply => ({
  status: 200,
  json: { object: "list", data: jobs.map((job) => buildJobView(job)), nextCursor: null },
});
const queued = { state: "queued", finishedAtMs: null, node: null, nodeName: null, model: null } as const;

/** Looks once for each reply, then is interrupted. */
async function watch(
  replies: readonly Reply[],
  changes: { readonly json?: boolean; readonly drawn?: string[][] } = {},
) {
  const stop = new AbortController();
  const left = [...replies];
  await using coop = await startScriptedCoop(() => {
    const reply = left.shift();
    if (reply === undefined) stop.abort();
    return reply ?? "silence";
  });
  const output = captureOutput();
  const hint = hintsFor({});
  const client = createClient({
    url: coop.url,
    source: { key: "k", place: "a test" },
    hint,
    signal: stop.signal,
  });
  const { drawn } = changes;
  const screen =
    drawn === undefined
      ? null
      : { draw: (lines: readonly string[]) => void drawn.push([...lines]), leave: () => undefined };
  const context = {
    client,
    output,
    json: changes.json === true,
    hint,
    screen,
    signal: stop.signal,
    everyMs: 1,
  };
  await watchJobs(context, { all: false, limit: 5 });
  return output;
}

it("tells each change once, oldest first, where output is no terminal", async () => {
  const output = await watch([
    list({ id: "job_2", ...queued, submittedAtMs: 2 }, { id: "job_1", submittedAtMs: 1 }),
    list({ id: "job_2", ...queued, submittedAtMs: 2 }, { id: "job_1", submittedAtMs: 1 }),
    list({ id: "job_2", state: "failed", error: { code: "engine-error", message: "" }, submittedAtMs: 2 }),
  ]);
  expect(output.stdout().trimEnd().split("\n")).toEqual([
    expect.stringMatching(/^\d\d:\d\d:\d\d {2}job_1 {2}succeeded {2}on pi with llama3\.2:3b$/),
    expect.stringMatching(/ {2}job_2 {2}queued$/),
    expect.stringMatching(/ {2}job_2 {2}failed {2}on pi with llama3\.2:3b {2}\(engine-error\)$/),
  ]);
});

it("draws the table again on a terminal, and a line of JSON for each change when asked", async () => {
  const drawn: string[][] = [];
  await watch([list({ id: "job_1", ...queued }), list({ id: "job_1" })], { drawn });
  expect(drawn.map((lines) => lines.join("\n"))).toEqual([
    expect.stringMatching(/the latest 1 job: 0 running, 1 waiting; Ctrl-C ends\n\nJOB[^]*job_1 .*queued/),
    expect.stringMatching(/0 running, 0 waiting[^]*job_1 .*succeeded/),
  ]);
  const output = await watch([list({ id: "job_1" }), list({ id: "job_1" })], { json: true, drawn });
  expect(
    output
      .stdout()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).id),
  ).toEqual(["job_1"]);
});

it("waits for a server that goes away, and says so once; a refusal ends it", async () => {
  const output = await watch([
    list({ id: "job_1", ...queued }),
    "hang-up",
    "hang-up",
    { status: 503, json: problem("Redis is away.") },
    list({ id: "job_1" }),
  ]);
  expect(output.stderr().trimEnd().split("\n")).toEqual([
    expect.stringMatching(/connection .* broke/),
    "Redis is away.",
  ]);
  expect(output.stdout()).toMatch(/queued\n.*succeeded/);
  await expect(watch(["hang-up"])).rejects.toMatchObject({ code: "server-not-reachable" });
  await expect(watch([list(), { status: 401, json: problem("Revoked.") }])).rejects.toMatchObject({
    code: "no-key",
  });
});
