import { describe, expect, it } from "vitest";
import { createClient } from "../client.ts";
import { hintsFor } from "../invocation.ts";
import { buildJobView } from "../testing/builders.ts";
import { problem, startScriptedCoop } from "../testing/scripted-coop.ts";
import type { Reply, SeenRequest } from "../testing/scripted-coop.ts";
import { readBatch } from "./batch-file.ts";
import type { BatchLine } from "./batch-file.ts";
import type { SubmittedLine } from "./journal.ts";
import { createPace } from "./pace.ts";
import { runLine } from "./run-line.ts";
import type { LineOutcome } from "./run-line.ts";
import { idempotencyKey, identifyRun } from "./run.ts";
import type { RunOptions } from "./run.ts";

const chatBody = { model: "coop/edge", messages: [{ role: "user", content: "Hi" }] };
const usual: RunOptions = { model: null, privacy: null, deadlineSeconds: null };

function line(url = "/v1/chat/completions", body: object = chatBody): BatchLine {
  const text = JSON.stringify({ custom_id: "a", method: "POST", url, body });
  const batch = readBatch(Buffer.from(`\n\n${text}`), null);
  const [first] = batch.kind === "valid" ? batch.lines : [];
  if (first === undefined) throw new Error("the test's own line is flawed");
  return first;
}

interface Ran {
  readonly outcome: Promise<LineOutcome>;
  readonly submitted: readonly SubmittedLine[];
  readonly requests: readonly SeenRequest[];
  readonly waits: readonly number[];
  readonly key: (round: number) => string;
}

/** Each route answers its replies one after the other, the last for ever. */
async function runWith(
  replies: Readonly<Record<string, readonly Reply[]>>,
  what: { readonly line?: BatchLine; readonly known?: SubmittedLine; readonly options?: RunOptions } = {},
): Promise<Ran> {
  const left = new Map(Object.entries(replies).map(([route, list]) => [route, [...list]]));
  const coop = await startScriptedCoop((route) => {
    const list = left.get(route) ?? [];
    return (list.length > 1 ? list.shift() : list[0]) ?? { status: 400, json: problem(`no ${route}`) };
  });
  const submitted: SubmittedLine[] = [];
  const waits: number[] = [];
  const run = identifyRun(Buffer.from("file"), "/results", what.options ?? usual);
  const source = { key: "coop_a_b", place: "a test" };
  const pause = (): Promise<void> => Promise.resolve();
  const pace = () => createPace({ nowMs: () => 0, pause, onTrouble: (_, waitMs) => void waits.push(waitMs) });
  const client = createClient({
    url: coop.url,
    source,
    hint: hintsFor({}),
    signal: new AbortController().signal,
  });
  const outcome = runLine(
    {
      client,
      run,
      submitting: pace(),
      looking: pace(),
      pause,
      nowMs: () => 0,
      onSubmitted: (job) => submitted.push(job),
    },
    what.line ?? line(),
    what.known ?? null,
  );
  await outcome.catch(() => undefined);
  await coop[Symbol.asyncDispose]();
  return {
    outcome,
    submitted,
    requests: coop.requests,
    waits,
    key: (round) => idempotencyKey(run, 3, round),
  };
}

const view = (id: string, changes: Parameters<typeof buildJobView>[0] = {}): Reply => ({
  status: 200,
  json: buildJobView({ id, ...changes }),
});
const accepted = (id: string): Reply => ({
  status: 202,
  json: buildJobView({ id, state: "queued", finishedAtMs: null }),
});
const answer: Reply = { status: 200, json: { object: "chat.completion", choices: [] } };
const refuse = (status: number, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status,
  text: JSON.stringify(problem(`status ${status}`)),
  headers,
});
const gone = refuse(410);
const keysOf = ({ requests }: Ran): unknown[] =>
  requests.filter(({ method }) => method === "POST").map(({ headers }) => headers["idempotency-key"]);

describe("a line", () => {
  it("is submitted, looked at until it ends, and answered", async () => {
    const ran = await runWith({
      "POST /v1/jobs": [accepted("job_1")],
      "GET /v1/jobs/job_1": [view("job_1", { state: "running", finishedAtMs: null }), view("job_1")],
      "GET /v1/jobs/job_1/response": [answer],
    });
    expect(await ran.outcome).toMatchObject({
      kind: "answered",
      job: { id: "job_1" },
      body: { object: "chat.completion", choices: [] },
    });
    expect(ran.submitted).toEqual([{ job: "job_1", round: 1 }]);
    expect(JSON.parse(ran.requests[0]?.body ?? "")).toMatchObject({
      endpoint: "chat",
      request: chatBody,
      metadata: { line: "3" },
    });
    expect(ran.requests[0]?.headers).not.toHaveProperty("x-coop-privacy");
    expect(keysOf(ran)).toEqual([ran.key(1)]);
  });

  it("carries the run's options, and asks for embeddings in the encoding of its line", async () => {
    const ran = await runWith(
      {
        "POST /v1/jobs": [accepted("job_1")],
        "GET /v1/jobs/job_1": [view("job_1")],
        "GET /v1/jobs/job_1/response?encoding_format=base64": [answer],
      },
      {
        line: line("/v1/embeddings", { model: "m", input: "x", encoding_format: "base64" }),
        options: { model: "n", privacy: "own", deadlineSeconds: 60 },
      },
    );
    expect((await ran.outcome).kind).toBe("answered");
    expect(ran.requests[0]?.headers).toMatchObject({ "x-coop-privacy": "own" });
    expect(JSON.parse(ran.requests[0]?.body ?? "")).toMatchObject({
      endpoint: "embeddings",
      request: { model: "n", input: "x" },
      deadlineSeconds: 60,
    });
  });

  it("is the same job however often its submission has to be repeated", async () => {
    const ran = await runWith({
      "POST /v1/jobs": [refuse(429, { "retry-after": "3" }), "hang-up", refuse(503), accepted("job_1")],
      "GET /v1/jobs/job_1": [refuse(502), view("job_1")],
      "GET /v1/jobs/job_1/response": [refuse(503, { "retry-after": "2" }), answer],
    });
    expect((await ran.outcome).kind).toBe("answered");
    expect(keysOf(ran)).toEqual(Array.from({ length: 4 }, () => ran.key(1)));
    expect(ran.waits).toEqual([3_000, 1_000, 2_000, 500, 2_000]);
  });

  it("goes on with the job that an earlier start left, without submitting it again", async () => {
    const ran = await runWith(
      { "GET /v1/jobs/job_7": [view("job_7")], "GET /v1/jobs/job_7/response": [answer] },
      { known: { job: "job_7", round: 2 } },
    );
    expect(await ran.outcome).toMatchObject({ kind: "answered", job: { id: "job_7" } });
    expect(keysOf(ran)).toEqual([]);
  });

  it.each<[string, Readonly<Record<string, readonly Reply[]>>]>([
    ["is not known any more", { "GET /v1/jobs/job_1": [refuse(404)] }],
    ["kept no answer", { "GET /v1/jobs/job_1": [view("job_1")], "GET /v1/jobs/job_1/response": [gone] }],
  ])("runs again when its job %s", async (_, replies) => {
    const ran = await runWith({
      "POST /v1/jobs": [accepted("job_1"), accepted("job_2")],
      "GET /v1/jobs/job_2": [view("job_2")],
      "GET /v1/jobs/job_2/response": [answer],
      ...replies,
    });
    expect(await ran.outcome).toMatchObject({ kind: "answered", job: { id: "job_2" } });
    expect(keysOf(ran)).toEqual([ran.key(1), ran.key(2)]);
    expect(ran.submitted).toEqual([
      { job: "job_1", round: 1 },
      { job: "job_2", round: 2 },
    ]);
  });

  it("takes a new key when its own belongs to a job that is no longer kept, but not for ever", async () => {
    const ran = await runWith({ "POST /v1/jobs": [gone] });
    await expect(ran.outcome).rejects.toThrow(/Line 3 ran 4 times/);
    expect(keysOf(ran)).toEqual([1, 2, 3, 4].map(ran.key));
  });

  it.each([400, 404, 409, 413, 422, 500])("is refused alone with status %i", async (status) => {
    const ran = await runWith({ "POST /v1/jobs": [refuse(status)] });
    expect(await ran.outcome).toMatchObject({ kind: "refused", status });
    expect(keysOf(ran)).toHaveLength(1);
  });

  it.each<[string, Reply]>([
    ["a key that does not serve", refuse(401)],
    ["what a member may not", refuse(403)],
    [
      "a quota that is spent for the month",
      refuse(429, { "x-should-retry": "false", "retry-after": "9999" }),
    ],
    ["something that is no co-op", { status: 404, text: "<html>" }],
  ])("stops the run for %s", async (_, reply) => {
    const ran = await runWith({ "POST /v1/jobs": [reply] });
    await expect(ran.outcome).rejects.toHaveProperty("name", "CliError");
    expect(keysOf(ran)).toHaveLength(1);
  });

  it.each(["failed", "cancelled", "expired"] as const)("may end as %s", async (state) => {
    const ran = await runWith({
      "POST /v1/jobs": [accepted("job_1")],
      "GET /v1/jobs/job_1": [view("job_1", { state, error: { code: "why", message: "because" } })],
    });
    expect(await ran.outcome).toMatchObject({ kind: "unsuccessful", job: { state } });
  });
});
