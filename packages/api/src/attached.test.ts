import { asJobId, assert, OperationalError } from "@coop/core";
import type { JobSpec, OutputLog } from "@coop/core";
import { buildModelReport, buildNodeReport, buildNodeView } from "@coop/core/testing";
import { jobViewSchema, problemSchema } from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "./testing/eventually.ts";
import { chatBody, createWorld, jobIdOf } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.expectQuiet();
});

/** Each plays a job into a phase and leaves it there. */
const phases: readonly [string, (spec: JobSpec) => Promise<void>][] = [
  ["queued", async () => undefined],
  ["prefill", async (spec) => void (await world.start(spec))],
  ["decode", async (spec) => (await world.start(spec)).say("one", "two")],
];

describe("a member who goes takes the job along", () => {
  test.each(phases)("while it is in %s, streamed and not", async (_phase, script) => {
    for (const stream of [false, true]) {
      const reached = Promise.withResolvers<JobSpec>();
      world.onAdmitted(async (spec) => {
        await script(spec);
        reached.resolve(spec);
      });
      const leaving = new AbortController();
      const answer = world.post("/v1/chat/completions", chatBody({ stream }), { signal: leaving.signal });
      const { id } = await reached.promise;
      leaving.abort();
      const { state } = await world.until(id, (record) => record.state.state === "cancelled");
      expect(state).toMatchObject({ reason: "unfollowed" });
      await (await answer).body?.cancel();
    }
  });

  test("also when only the body of a stream is dropped", async () => {
    world.onAdmitted(async (spec) => (await world.start(spec)).say("one"));
    const response = await world.post("/v1/chat/completions", chatBody({ stream: true }));
    await response.body?.cancel();
    await world.until(jobIdOf(response), (record) => record.state.state === "cancelled");
  });

  test("also before the job was there", async () => {
    const leaving = new AbortController();
    leaving.abort();
    await world.post("/v1/chat/completions", chatBody(), { signal: leaving.signal });
    const [job] = world.admitted;
    assert(job !== undefined, "it was admitted all the same");
    await world.until(job, (record) => record.state.state === "cancelled");
  });

  test("but not while another follows the same job", async () => {
    const gate = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    // Who comes to a job that is there already renews its mark at once; nobody else does in this test.
    const joined = Promise.withResolvers<void>();
    world = await createWorld({
      defaults: { followEveryMs: 60_000 },
      replace: ({ desk }) => ({
        desk: {
          ...desk,
          follow: async (...following) => {
            await desk.follow(...following);
            joined.resolve();
          },
        },
      }),
    });
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      started.resolve();
      await gate.promise;
      await attempt.say("both");
      await attempt.succeed();
    });
    const headers = { "idempotency-key": "k1" };
    const leaving = new AbortController();
    const first = world.post("/v1/chat/completions", chatBody(), { headers, signal: leaving.signal });
    await started.promise;
    const second = world.post("/v1/chat/completions", chatBody(), { headers });
    await joined.promise;
    leaving.abort();
    gate.resolve();
    expect(await (await second).json()).toMatchObject({ choices: [{ message: { content: "both" } }] });
    await first;
    expect(world.admitted).toHaveLength(1);
  });
});

test("an attached job is marked as followed as long as someone is there", async () => {
  const marks: number[] = [];
  world = await createWorld({
    replace: ({ desk }) => ({
      desk: {
        ...desk,
        follow: async (jobs, untilMs) => {
          marks.push(untilMs);
          await desk.follow(jobs, untilMs);
        },
      },
    }),
  });
  const enough = Promise.withResolvers<void>();
  world.onAdmitted(async (spec) => {
    const attempt = await world.start(spec);
    // 400 ms of marks, renewed every 50 ms, while time goes on by 1.5 s.
    for (let round = 0; round < 5; round++) {
      const seen = marks.length;
      world.clock.advance(300);
      await eventually("the mark is renewed", () => marks.length > seen);
      const swept = await world.desk.sweep(0, world.clock.now(), false);
      expect(swept).toMatchObject({ kind: "swept", report: { unfollowed: [] } });
    }
    await attempt.succeed();
    enough.resolve();
  });
  expect((await world.post("/v1/chat/completions", chatBody())).status).toBe(200);
  await enough.promise;
});

describe("an open connection waits for a node only so long", () => {
  beforeEach(async () => {
    world = await createWorld({ defaults: { attachedWaitMs: 90 } });
  });

  test("then hears 504, and the job is gone", async () => {
    const response = await world.post("/v1/chat/completions", chatBody());
    expect([response.status, problemSchema.parse(await response.json()).error.code]).toEqual([
      504,
      "job_expired",
    ]);
    const { state } = await world.until(jobIdOf(response), (record) => record.state.state === "cancelled");
    expect(state).toMatchObject({ reason: "unplaced", chargedTokens: 0 });
    const view = await world.request(`/v1/jobs/${jobIdOf(response)}`);
    expect(jobViewSchema.parse(await view.json()).error?.code).toBe("cancelled-unplaced");
  });

  test("with what keeps the last node that could serve it, and nothing of nodes that never could", async () => {
    const view = buildNodeView({
      report: buildNodeReport({
        models: [buildModelReport(), buildModelReport({ name: "far:cloud", cloud: true })],
        unhealthy: { "llama3.2:3b": "idle-timeout: the next piece of output took longer than 45000 ms" },
      }),
    });
    await world.publish([view]);
    const response = await world.post("/v1/chat/completions", chatBody({ model: "llama3.2:3b" }));
    expect(response.status).toBe(504);
    const { error } = problemSchema.parse(await response.json());
    expect(error.nodes).toEqual([
      { node: "studio", reasons: [expect.stringMatching(/^llama3\.2:3b: idle-timeout/)] },
    ]);
    expect(error.message).toMatch(/No node became free.*studio: llama3\.2:3b: idle-timeout/);
  });

  test("also who asks again with the same Idempotency-Key", async () => {
    const ask = async () =>
      world.post("/v1/chat/completions", chatBody(), { headers: { "idempotency-key": "k" } });
    const first = await ask();
    await world.until(jobIdOf(first), (record) => record.state.state === "cancelled");
    expect((await ask()).status).toBe(504);
  });

  test("or an error event when the headers went out before", async () => {
    const response = await world.post("/v1/chat/completions", chatBody({ stream: true }));
    expect(response.status).toBe(200);
    expect(await response.text()).toContain('"code":"job_expired"');
    await world.until(jobIdOf(response), (record) => record.state.state === "cancelled");
  });
});

test("a reader who takes nothing is given up, and the job with it", async () => {
  world.onAdmitted(async (spec) => (await world.start(spec)).say("one", "two", "three"));
  const response = await world.post("/v1/chat/completions", chatBody({ stream: true }));
  const reader = response.body?.getReader();
  await reader?.read();
  await world.until(jobIdOf(response), (record) => record.state.state === "cancelled");
  await expect(reader?.read()).rejects.toThrow(/took nothing/);
});

describe("when the store goes away in the middle", () => {
  const breaking =
    (entriesBefore: number) =>
    ({ output }: { readonly output: OutputLog }) => ({
      output: {
        read: output.read,
        follow: async function* (...following: Parameters<OutputLog["follow"]>) {
          let seen = 0;
          for await (const entry of output.follow(...following)) {
            if (seen++ === entriesBefore)
              throw new OperationalError("output-unavailable", "gone", { retriable: true });
            yield entry;
          }
        },
      },
    });

  test("an answer that had not begun is a 503, one that had ends with an error event", async () => {
    for (const [before, status] of [
      [1, 503],
      [2, 200],
    ] as const) {
      world = await createWorld({ replace: breaking(before) });
      world.answerWith("one", "two");
      const response = await world.post("/v1/chat/completions", chatBody({ stream: true }));
      expect(response.status).toBe(status);
      expect(await response.text()).toContain('"code":"output-unavailable"');
    }
    world = await createWorld({ replace: breaking(1) });
    world.answerWith("one");
    const whole = await world.post("/v1/chat/completions", chatBody());
    expect([whole.status, whole.headers.get("retry-after")]).toEqual([503, "2"]);
  });
});

describe("a server that stops", () => {
  test.each(phases)("cancels what is attached to it in %s, and says so", async (_phase, script) => {
    const reached = Promise.withResolvers<void>();
    world.onAdmitted(async (spec) => {
      await script(spec);
      if (world.admitted.length === 2) reached.resolve();
    });
    const whole = world.post("/v1/chat/completions", chatBody());
    const streamed = world.post("/v1/chat/completions", chatBody({ stream: true }));
    await reached.promise;
    await world.stop();
    for (const job of world.admitted) {
      expect((await world.desk.read(job))?.state).toMatchObject({
        state: "cancelled",
        reason: "server-stopped",
      });
    }
    const answer = await whole;
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "2"]);
    expect(await answer.text()).toContain('"code":"server_stopped"');
    expect(await (await streamed).text()).toContain('"code":"server_stopped"');
  });

  test("takes no more attached work, and leaves detached work alone", async () => {
    const accepted = await world.post("/v1/jobs", { request: chatBody() });
    const { id } = (await accepted.json()) as { id: string };
    await world.stop();
    const refused = await world.post("/v1/chat/completions", chatBody());
    expect([refused.status, problemSchema.parse(await refused.json()).error.code]).toEqual([
      503,
      "server_stopped",
    ]);
    expect((await world.desk.read(asJobId(id)))?.state.state).toBe("queued");
    await world.request(`/v1/jobs/${id}`, { method: "DELETE" });
  });
});
