import { asJobId } from "@coop/core";
import {
  chatCompletionSchema,
  embeddingListSchema,
  jobListSchema,
  jobViewSchema,
  problemSchema,
} from "@coop/protocol";
import type { JobView } from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { chatBody, createWorld, jobIdOf } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.expectQuiet();
});

const submit = async (
  body: Readonly<Record<string, unknown>> = {},
  init: Parameters<World["post"]>[2] = {},
): Promise<JobView> => {
  const response = await world.post("/v1/jobs", { request: chatBody(), ...body }, init);
  expect(response.status).toBe(202);
  const view = jobViewSchema.parse(await response.json());
  expect(response.headers.get("location")).toBe(`/v1/jobs/${view.id}`);
  return view;
};
const view = async (id: string, key?: string): Promise<JobView> =>
  jobViewSchema.parse(await (await world.request(`/v1/jobs/${id}`, key === undefined ? {} : { key })).json());
const cancel = async (id: string): Promise<JobView> =>
  jobViewSchema.parse(await (await world.request(`/v1/jobs/${id}`, { method: "DELETE" })).json());

describe("a submitted job", () => {
  test("is accepted at once, runs though nobody watches, and shows its result", async () => {
    world.answerWith("Hello", " Ada");
    const submitted = await submit({
      metadata: { project: "demo" },
      deadlineSeconds: 60,
      band: "interactive",
    });
    expect(submitted).toMatchObject({
      attachment: "detached",
      requested: "coop/edge",
      metadata: { project: "demo" },
      result: null,
    });
    await world.until(asJobId(submitted.id), ({ state }) => state.state === "succeeded");
    expect(await view(submitted.id)).toMatchObject({
      state: "succeeded",
      node: "node_studio",
      nodeName: "studio",
      model: "llama3.2:3b",
      tier: "edge",
      promptTokens: 11,
      outputTokens: 2,
      chargedTokens: 13,
      error: null,
      result: { content: "Hello Ada", reasoning: null, toolCalls: [], embeddings: [], finishReason: "stop" },
    });
    const record = await world.desk.read(asJobId(submitted.id));
    expect(record?.spec).toMatchObject({ band: "interactive", deadlineMs: world.clock.now() + 60_000 });
  });

  test("may ask for embeddings", async () => {
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec, { model: "nomic-embed-text:latest" });
      await attempt.output([{ kind: "embedding", index: 0, vector: [1, 2] }]);
      await attempt.succeed({ promptTokens: 1, outputTokens: 0 });
    });
    const { id } = await submit({
      endpoint: "embeddings",
      request: { model: "nomic-embed-text", input: "one" },
    });
    await world.until(asJobId(id), ({ state }) => state.state === "succeeded");
    expect((await view(id)).result?.embeddings).toEqual([[1, 2]]);
  });

  test("says why it failed", async () => {
    world.onAdmitted(async (spec) => (await world.start(spec)).fail("engine-error", "it broke"));
    const { id } = await submit();
    await world.until(asJobId(id), ({ state }) => state.state === "failed");
    expect(await view(id)).toMatchObject({
      state: "failed",
      error: { code: "engine-error", message: "it broke" },
      nodeName: "studio",
      model: "llama3.2:3b",
      result: null,
    });
  });

  test("names the field at fault inside its request", async () => {
    const response = await world.post("/v1/jobs", {
      request: chatBody({ messages: [{ role: "user", content: 3 }] }),
    });
    expect([response.status, problemSchema.parse(await response.json()).error.param]).toEqual([
      400,
      "request.messages[0].content",
    ]);
  });

  test("is cancelled by its member, once and for all", async () => {
    const { id } = await submit();
    expect(await cancel(id)).toMatchObject({ state: "cancelled", error: { code: "cancelled-member" } });
    expect(await cancel(id)).toMatchObject({ state: "cancelled" });
  });
});

describe("the response of a job", () => {
  const response = (id: string, query = ""): Promise<Response> =>
    world.request(`/v1/jobs/${id}/response${query}`);

  test("is the completion that a chat's endpoint would have answered", async () => {
    world.answerWith("Hello", " Ada");
    const { id, submittedAtMs } = await submit();
    await world.until(asJobId(id), ({ state }) => state.state === "succeeded");
    const answered = await response(id);
    expect(answered.status).toBe(200);
    expect(answered.headers.get("x-coop-node")).toBe("studio");
    expect(chatCompletionSchema.parse(await answered.json())).toMatchObject({
      id: `chatcmpl-${id}`,
      created: Math.floor(submittedAtMs / 1000),
      model: "llama3.2:3b",
      choices: [{ message: { role: "assistant", content: "Hello Ada" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 11, completion_tokens: 2, total_tokens: 13 },
    });
  });

  test("is the list that embeddings' endpoint would have answered, in the encoding asked for", async () => {
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec, { model: "nomic-embed-text:latest" });
      await attempt.output([{ kind: "embedding", index: 0, vector: [1, 2] }]);
      await attempt.succeed({ promptTokens: 4, outputTokens: 0 });
    });
    const { id } = await submit({
      endpoint: "embeddings",
      request: { model: "nomic-embed-text", input: "one" },
    });
    await world.until(asJobId(id), ({ state }) => state.state === "succeeded");
    const floats = embeddingListSchema.parse(await (await response(id)).json());
    expect(floats).toMatchObject({
      data: [{ index: 0, embedding: [1, 2] }],
      usage: { prompt_tokens: 4, total_tokens: 4 },
    });
    const packed = embeddingListSchema.parse(await (await response(id, "?encoding_format=base64")).json());
    expect(packed.data[0]?.embedding).toBe("AACAPwAAAEA=");
    expect((await response(id, "?encoding_format=octal")).status).toBe(400);
  });

  test("is the problem that its endpoint would have told, and none before its end", async () => {
    const { id } = await submit();
    const early = await response(id);
    expect([early.status, problemSchema.parse(await early.json()).error.code]).toEqual([
      409,
      "job_not_ended",
    ]);
    await cancel(id);
    const late = await response(id);
    expect([late.status, problemSchema.parse(await late.json()).error.code]).toEqual([409, "job_cancelled"]);
  });
});

describe("another member's job", () => {
  test("is a 404 on every path, as if it had never been; operators see it", async () => {
    const { id } = await submit();
    for (const [method, path] of [
      ["GET", ""],
      ["GET", "/events"],
      ["GET", "/response"],
      ["GET", "/placement"],
      ["DELETE", ""],
    ] as const) {
      const others = await world.request(`/v1/jobs/${id}${path}`, { method, key: world.bob.key });
      const nobodys = await world.request(`/v1/jobs/job_0${path}`, { method, key: world.bob.key });
      expect([others.status, nobodys.status]).toEqual([404, 404]);
      expect((await others.text()).replace(id, "ID")).toBe((await nobodys.text()).replace("job_0", "ID"));
      expect(others.headers.get("x-coop-job")).toBeNull();
    }
    expect(await view(id, world.operator.key)).toMatchObject({ id, state: "queued" });
    await cancel(id);
  });
});

describe("the list", () => {
  test("is the caller's, newest first, in pages; operators may ask for another's", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) {
      world.clock.advance(10);
      ids.unshift((await submit()).id);
    }
    await submit({}, { key: world.bob.key }).then(async ({ id }) =>
      world.desk.cancel(asJobId(id), null, "member", world.clock.now()),
    );
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? "" : `&cursor=${cursor}`;
      const page = jobListSchema.parse(await (await world.request(`/v1/jobs?limit=2${query}`)).json());
      expect(page.data.length).toBeLessThanOrEqual(2);
      seen.push(...page.data.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(ids);
    const adas = `/v1/jobs?member=${world.ada.member.id}`;
    expect((await world.request(adas, { key: world.bob.key })).status).toBe(403);
    expect(
      jobListSchema.parse(await (await world.request(adas, { key: world.operator.key })).json()).data,
    ).toHaveLength(5);
    for (const limit of ["0", "-1", "1.5", "x", "201"])
      expect((await world.request(`/v1/jobs?limit=${limit}`)).status).toBe(400);
    for (const id of ids) await cancel(id);
  });
});

describe("events", () => {
  const parse = (text: string): { id: string | undefined; event: string | undefined; data: unknown }[] =>
    text
      .split("\n\n")
      .filter((block) => block.includes("data: "))
      .map((block) => ({
        id: /^id: (.*)$/m.exec(block)?.[1],
        event: /^event: (.*)$/m.exec(block)?.[1],
        data: JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "null"),
      }));

  test("tell all from the start, and go on after the last one seen", async () => {
    world.answerWith("one", "two");
    const { id } = await submit();
    await world.until(asJobId(id), ({ state }) => state.state === "succeeded");
    const all = parse(await (await world.request(`/v1/jobs/${id}/events`)).text());
    expect(all.map(({ id: position, event }) => [position, event])).toEqual([
      ["1-0", "placed"],
      ["1-1", "deltas"],
      ["1-2", "deltas"],
      ["1-3", "succeeded"],
    ]);
    const byHeader = await world.request(`/v1/jobs/${id}/events`, { headers: { "last-event-id": "1-1" } });
    const byQuery = await world.request(`/v1/jobs/${id}/events?after=1-1`);
    expect(parse(await byHeader.text())).toEqual(all.slice(2));
    expect(parse(await byQuery.text())).toEqual(all.slice(2));
    expect((await world.request(`/v1/jobs/${id}/events?after=1-3`)).status).toBe(204);
    expect((await world.request(`/v1/jobs/${id}/events?after=soon`)).status).toBe(400);
  });

  test("come live, with pings between, and going away leaves the job alone", async () => {
    const gate = Promise.withResolvers<void>();
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      await attempt.say("one");
      await gate.promise;
      await attempt.succeed();
    });
    const { id } = await submit();
    const first = await world.request(`/v1/jobs/${id}/events`);
    const reader = first.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!/event: deltas[\s\S]*: ping/.test(text)) text += (await reader?.read())?.value ?? "";
    await reader?.cancel();
    expect((await view(id)).state).toBe("running");
    const second = await world.request(`/v1/jobs/${id}/events?after=1-1`);
    gate.resolve();
    expect(parse(await second.text()).map(({ event }) => event)).toEqual(["succeeded"]);
  });
});

describe("placement", () => {
  test("of a waiting job is what the fleet as it is would make of it; later, the decision that was taken", async () => {
    const { id } = await submit();
    const waiting: unknown = await (await world.request(`/v1/jobs/${id}/placement`)).json();
    expect(waiting).toMatchObject({
      decision: { kind: "assigned", nodeName: "studio" },
      nodes: [{ nodeName: "studio" }, { nodeName: "pi" }],
    });
    const record = await world.desk.read(asJobId(id));
    if (record === null) throw new Error("the job is there");
    const attempt = await world.start(record.spec);
    await attempt.succeed();
    expect(await (await world.request(`/v1/jobs/${id}/placement`)).json()).toMatchObject({
      decision: { kind: "assigned", model: "llama3.2:3b" },
      nodes: [],
    });
  });

  test("of a job that ended before it was placed is a 404", async () => {
    const { id } = await submit();
    await cancel(id);
    expect((await world.request(`/v1/jobs/${id}/placement`)).status).toBe(404);
  });
});

describe("an idempotency key", () => {
  const headers = { "idempotency-key": "once" };

  test("leads the same body to the same job, however many come at once", async () => {
    world.answerWith("Hello");
    const views = await Promise.all(Array.from({ length: 50 }, async () => submit({}, { headers })));
    expect(new Set(views.map(({ id }) => id)).size).toBe(1);
    expect(world.admitted).toHaveLength(1);
    await world.until(asJobId(views[0]?.id ?? ""), ({ state }) => state.state === "succeeded");
  });

  test("attaches a chat to the job that runs or has run, streamed or not", async () => {
    world.answerWith("Hello");
    for (const stream of [false, true]) {
      const init = { headers: { "idempotency-key": `chat-${stream}` } };
      const first = await world.post("/v1/chat/completions", chatBody({ stream }), init);
      const firstText = await first.text();
      const again = await world.post("/v1/chat/completions", chatBody({ stream }), init);
      expect(jobIdOf(again)).toBe(jobIdOf(first));
      expect(await again.text()).toBe(firstText);
    }
    expect(world.admitted).toHaveLength(2);
  });

  test("refuses another body, and is each member's own", async () => {
    const { id } = await submit({}, { headers });
    const other = await world.post("/v1/jobs", { request: chatBody({ max_tokens: 5 }) }, { headers });
    const { error } = problemSchema.parse(await other.json());
    expect([other.status, error.code, error.param]).toEqual([409, "idempotency_conflict", "Idempotency-Key"]);
    expect(other.headers.get("x-should-retry")).toBe("false");
    expect(error.message).toContain(id);
    const bobs = await submit({}, { headers, key: world.bob.key });
    expect(bobs.id).not.toBe(id);
    await cancel(id);
    await world.request(`/v1/jobs/${bobs.id}`, { method: "DELETE", key: world.bob.key });
  });
});
