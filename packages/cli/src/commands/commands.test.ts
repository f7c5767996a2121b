import { describe, expect, it } from "vitest";
import { createClient } from "../client.ts";
import { hintsFor } from "../invocation.ts";
import {
  buildJobView,
  buildMemberRow,
  buildNodeRow,
  buildPlacement,
  costed,
  tierBelow,
} from "../testing/builders.ts";
import { captureOutput } from "../testing/captured-output.ts";
import type { CapturedOutput } from "../testing/captured-output.ts";
import { problem, startScriptedCoop } from "../testing/scripted-coop.ts";
import type { Reply, ScriptedCoop } from "../testing/scripted-coop.ts";
import { ask } from "./ask.ts";
import type { CommandContext } from "./context.ts";
import { explainJob } from "./explain.ts";
import { cancelJob, listJobs } from "./jobs.ts";
import { listNodes } from "./nodes.ts";

interface Bench extends AsyncDisposable {
  readonly coop: ScriptedCoop;
  readonly output: CapturedOutput;
  readonly context: CommandContext;
}

async function bench(
  replies: Readonly<Record<string, Reply>>,
  json = false,
  signal = new AbortController().signal,
): Promise<Bench> {
  const coop = await startScriptedCoop(
    (route) => replies[route] ?? { status: 404, json: problem(`no ${route}`) },
  );
  const output = captureOutput();
  const source = { key: "coop_a_b", place: "a test" };
  const hint = hintsFor({});
  const client = createClient({ url: coop.url, source, hint, signal });
  return {
    coop,
    output,
    context: { client, output, json, hint },
    [Symbol.asyncDispose]: () => coop[Symbol.asyncDispose](),
  };
}

const chunk = (content: string, finish: string | null = null): string =>
  `data: ${JSON.stringify({ choices: [{ delta: { content }, finish_reason: finish }] })}\n\n`;
const stream = (text: string): Reply => ({ status: 200, text, headers: { "x-coop-job": "job_1" } });
const asJson = (json: unknown): Reply => ({ status: 200, json });
const question = { prompt: "Hi?", model: "coop/edge", privacy: null, maxTokens: null };
const afterAsking = {
  "GET /v1/jobs/job_1": asJson(buildJobView()),
  "GET /v1/nodes": asJson({ object: "list", data: [buildNodeRow()], snapshotAtMs: null }),
};

describe("ask", () => {
  it("writes the answer to stdout, and where it ran beside it", async () => {
    await using test = await bench({
      "POST /v1/chat/completions": stream(`: ping\n\n${chunk("Hel")}${chunk("lo.", "stop")}data: [DONE]\n\n`),
      ...afterAsking,
    });
    await ask(test.context, { ...question, privacy: "own", maxTokens: 5 });
    expect(test.output.stdout()).toBe("Hello.\n");
    expect(test.output.stderr()).toBe(
      "— pi (simulated) with llama3.2:3b (edge): 10 + 20 tokens in 2.0 s. Why there: coop explain job_1\n",
    );
    const [request] = test.coop.requests;
    expect(request?.headers["x-coop-privacy"]).toBe("own");
    expect(JSON.parse(request?.body ?? "")).toMatchObject({
      model: "coop/edge",
      stream: true,
      max_tokens: 5,
    });
  });

  it.each<[string, Reply, RegExp]>([
    [
      "why it waits",
      asJson(buildPlacement({}, { kind: "waiting", why: "every node is busy" })),
      /It waits: every node is busy\.\n$/,
    ],
    [
      "that nobody knows why",
      { status: 404, json: problem("No decision yet.") },
      /not known.*No decision yet/,
    ],
  ])("when nothing happens tells beside the answer %s", async (_, placement, told) => {
    const interrupt = new AbortController();
    const ended = buildJobView({ id: "job_0", attachment: "attached" });
    const waits = { attachment: "attached", state: "queued", finishedAtMs: null } as const;
    const other = buildJobView({ id: "job_9", ...waits, attachment: "detached" });
    const mine = buildJobView({ id: "job_1", ...waits });
    await using test = await bench(
      {
        "POST /v1/chat/completions": "silence",
        "GET /v1/jobs?limit=20": asJson({ object: "list", data: [ended, other, mine], nextCursor: null }),
        "GET /v1/jobs/job_1/placement": placement,
      },
      false,
      interrupt.signal,
    );
    const asked = ask(test.context, question, 20);
    await expect.poll(() => test.output.stderr()).toMatch(told);
    expect(test.output.stdout()).toBe("");
    interrupt.abort(new Error("enough"));
    await expect(asked).rejects.toThrow("enough");
  });

  it("says when the answer was cut", async () => {
    await using test = await bench({
      "POST /v1/chat/completions": stream(`${chunk("Hel", "length")}data: [DONE]\n\n`),
      ...afterAsking,
    });
    await ask(test.context, question);
    expect(test.output.stderr()).toMatch(/cut at its token limit/);
  });

  it("fails with the reason that comes in the middle of the answer", async () => {
    await using test = await bench({
      "POST /v1/chat/completions": stream(
        `${chunk("Hel")}data: ${JSON.stringify(problem("The node was lost."))}\n\n`,
      ),
    });
    await expect(ask(test.context, question)).rejects.toMatchObject({
      code: "job-failed",
      message: "The node was lost.",
    });
  });

  it("does not take a broken stream for an answer", async () => {
    await using test = await bench({ "POST /v1/chat/completions": stream(chunk("Hel")) });
    await expect(ask(test.context, question)).rejects.toThrow(/broke off/);
  });
});

describe("explain", () => {
  it("tells the decision, the cost of each option and the refusals", async () => {
    const placement = buildPlacement({
      studio: [costed("llama3.2:3b", 0.5, 9), tierBelow("nomic-embed-text")],
      pi: [costed("llama3.2:3b", 4)],
    });
    await using test = await bench({
      "GET /v1/jobs/job_1": asJson(buildJobView()),
      "GET /v1/jobs/job_1/placement": asJson(placement),
    });
    await explainJob(test.context, "job_1");
    expect(test.output.stdout().split("\n")).toEqual([
      "job_1 asked for coop/edge (privacy coop): succeeded.",
      "It went to pi with llama3.2:3b (edge) at a cost of 4.0 s; the best elsewhere was studio at 9.5 s.",
      "",
      "NODE      MODEL        TIER  NOW  WAIT  DECODE  COST s",
      "pi *      llama3.2:3b  edge  yes     -    4.00    4.00",
      "studio *  llama3.2:3b  edge  no   9.00    0.50    9.50",
      "* simulated",
      "",
      "Not considered:",
      "  studio, nomic-embed-text: asks for more than nomic-embed-text is (tier-below)",
      "",
    ]);
  });

  it("tells what a held job waits for, and what it does not take meanwhile", async () => {
    const decision = {
      kind: "held" as const,
      forNode: "node_studio",
      forNodeName: "studio",
      model: "llama3.2:3b",
      expectedWaitS: 1,
    };
    const nodes = { studio: [costed("llama3.2:3b", 0.5, 1)], pi: [costed("llama3.2:3b", 4)] };
    await using test = await bench({
      "GET /v1/jobs/job_1": asJson(buildJobView({ state: "queued", node: null, nodeName: null })),
      "GET /v1/jobs/job_1/placement": asJson(buildPlacement(nodes, decision)),
    });
    await explainJob(test.context, "job_1");
    expect(test.output.stdout()).toContain(
      "It waits about 1.0 s for studio with llama3.2:3b, though pi is free: it would cost 4.0 s there.",
    );
  });
});

describe("jobs", () => {
  it("lists every member's jobs together, newest first, for operators", async () => {
    const member = (id: string, name: string) => buildMemberRow({ id, name });
    const list = (...data: unknown[]): Reply => asJson({ object: "list", data, nextCursor: null });
    await using test = await bench(
      {
        "GET /admin/members": asJson({
          object: "list",
          month: "2026-03",
          data: [member("mem_1", "maja"), member("mem_2", "ben")],
        }),
        "GET /v1/jobs?limit=2&member=mem_1": list(buildJobView({ id: "job_old" })),
        "GET /v1/jobs?limit=2&member=mem_2": list(
          buildJobView({ id: "job_new", submittedAtMs: buildJobView().submittedAtMs + 1 }),
        ),
      },
      true,
    );
    await listJobs(test.context, { all: true, limit: 2 });
    expect(JSON.parse(test.output.stdout())).toMatchObject([
      { id: "job_new", memberName: "ben" },
      { id: "job_old", memberName: "maja" },
    ]);
  });

  it("tells which were given back", async () => {
    const job = buildJobView({ chargedTokens: 0, refundedTokens: 30, refundedAtMs: 9 });
    await using test = await bench({
      "GET /v1/jobs?limit=20": asJson({ object: "list", data: [job], nextCursor: null }),
    });
    await listJobs(test.context, { all: false, limit: 20 });
    expect(test.output.stdout()).toMatch(/succeeded, refunded +pi +30/);
  });

  it("says what to do when there are none", async () => {
    await using test = await bench({
      "GET /v1/jobs?limit=20": asJson({ object: "list", data: [], nextCursor: null }),
    });
    await listJobs(test.context, { all: false, limit: 20 });
    expect(test.output.stdout()).toMatch(/coop ask/);
  });
});

it("cancel tells whether the job had ended before", async () => {
  await using test = await bench({ "DELETE /v1/jobs/job_1": asJson(buildJobView()) });
  await cancelJob(test.context, "job_1");
  expect(test.output.stdout()).toBe("job_1 had ended before: succeeded.\n");
});

it("nodes tells why an owner keeps a machine from serving, and until when", async () => {
  const untilMs = new Date(2026, 10, 21, 18).getTime();
  const data = [
    buildNodeRow({ closed: { reason: "paused", untilMs } }),
    buildNodeRow({ name: "attic", closed: { reason: "owner-active", untilMs: null } }),
  ];
  await using test = await bench({ "GET /v1/nodes": asJson({ object: "list", data, snapshotAtMs: 1 }) });
  await listNodes(test.context);
  expect(test.output.stdout()).toMatch(/pi +chidi +paused until 2026-11-21 18:00 +0\/1/);
  expect(test.output.stdout()).toMatch(/attic +chidi +owner active +0\/1/);
});

it("nodes tells simulated machines and rates that were not measured", async () => {
  const model = {
    name: "llama3.2:3b",
    tier: "edge" as const,
    loaded: true,
    contextTokens: 8192,
    cloud: false,
    capabilities: ["completion"],
    decodeTokensPerSecond: { value: 4.71, basis: "prior" as const },
    prefillTokensPerSecond: { value: 40, basis: "prior" as const },
    loadMs: { value: 900, basis: "prior" as const },
    unhealthy: null,
  };
  await using test = await bench({
    "GET /v1/nodes": asJson({ object: "list", data: [buildNodeRow({ models: [model] })], snapshotAtMs: 1 }),
  });
  await listNodes(test.context);
  expect(test.output.stdout()).toMatch(/pi +chidi +ready +0\/1 +llama3\.2:3b \(loaded\) +edge +8192 +4\.7~/);
  expect(test.output.stdout()).toMatch(/Raspberry Pi 5 Model B, 8 GiB, ollama 0\.35\.1 \(simulated\)/);
  expect(test.output.stdout()).toMatch(/not yet measured/);
});
