import type { AddressInfo } from "node:net";
import { DEFAULT_SETTINGS } from "@coop/core";
import type { JobId } from "@coop/core";
import {
  createdJoinTokenSchema,
  erasureViewSchema,
  memberDetailSchema,
  memberListSchema,
  jobViewSchema,
  problemSchema,
} from "@coop/protocol";
import { serve } from "@hono/node-server";
import { beforeEach, describe, expect, test } from "vitest";
import { eventually } from "./testing/eventually.ts";
import { CANARY, chatBody, createWorld, jobIdOf } from "./testing/world.ts";
import type { World } from "./testing/world.ts";

let world: World;

describe("erasing a member", () => {
  beforeEach(async () => {
    world = await createWorld();
  });

  const admin = async (method: string, path: string, body?: unknown): Promise<Response> =>
    world.request(`/admin/${path}`, {
      method,
      key: world.operator.key,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const codeOf = async (response: Response) =>
    [response.status, problemSchema.parse(await response.json()).error.code] as const;

  test("takes content, keys and name, and says what; again it finds no more", async () => {
    world.answerWith("Hej");
    const job = jobIdOf(await world.post("/v1/chat/completions", chatBody()));
    const erased = erasureViewSchema.parse(await (await admin("DELETE", "members/ada")).json());
    expect(erased).toMatchObject({ member: "mem_ada", name: "erased-em_ada", jobs: 1, keys: 1, nodes: 0 });
    expect((await world.request("/v1/quota")).status).toBe(401);
    const view = jobViewSchema.parse(
      await (await world.request(`/v1/jobs/${job}`, { key: world.operator.key })).json(),
    );
    expect(view).toMatchObject({ result: null, metadata: {} });
    expect(await codeOf(await admin("DELETE", "members/ada"))).toEqual([404, "not_found"]);
    const again = erasureViewSchema.parse(await (await admin("DELETE", "members/mem_ada")).json());
    expect(again).toMatchObject({ name: "erased-em_ada", jobs: 0, keys: 0 });
  });

  test("shows in lists when it was, and of the others that it was not", async () => {
    await admin("DELETE", "members/ada");
    const { data } = memberListSchema.parse(await (await admin("GET", "members")).json());
    const erasedAtMs = world.clock.now();
    expect(data.map((row) => [row.id, row.erasedAtMs])).toEqual([
      ["mem_ada", erasedAtMs],
      ["mem_bob", null],
      ["mem_olga", null],
    ]);
    const one = memberDetailSchema.parse(await (await admin("GET", "members/mem_ada")).json());
    expect(one.erasedAtMs).toBe(erasedAtMs);
  });

  test("leaves nobody to do anything for, or to", async () => {
    await admin("DELETE", "members/ada");
    for (const [method, path, body] of [
      ["POST", "members/mem_ada/enable", undefined],
      ["POST", "members/mem_ada/keys", {}],
      ["PATCH", "members/erased-em_ada", { name: "ada" }],
      ["POST", "join-tokens", { member: "mem_ada" }],
    ] as const)
      expect(await codeOf(await admin(method, path, body)), path).toEqual([409, "member_erased"]);
    expect(
      createdJoinTokenSchema.parse(await (await admin("POST", "join-tokens", { member: "bob" })).json()),
    ).toBeDefined();
  });

  test("is for operators, and never takes the last one", async () => {
    expect((await world.request("/admin/members/bob", { method: "DELETE" })).status).toBe(403);
    expect(await codeOf(await admin("DELETE", "members/olga"))).toEqual([409, "last_operator"]);
    expect(await codeOf(await admin("DELETE", "members/nobody"))).toEqual([404, "not_found"]);
  });
});

describe("a co-op that keeps nothing", () => {
  beforeEach(async () => {
    world = await createWorld({ replace: () => ({ settings: { ...DEFAULT_SETTINGS, retentionMs: 0 } }) });
    world.answerWith("Hej", "då");
  });

  const kept = async (job: JobId): Promise<boolean> =>
    (await world.deps.output.read(job, { epoch: 0, seq: -1 })).length > 0;
  const gone = async (job: JobId): Promise<void> =>
    eventually("what was delivered is gone", async () => !(await kept(job)));
  const detached = async (): Promise<JobId> => {
    const job = jobIdOf(await world.post("/v1/jobs", { request: chatBody() }));
    await world.until(job, ({ state }) => state.state === "succeeded");
    return job;
  };

  test("forgets an answer that went out whole, streamed or not", async () => {
    const whole = await world.post("/v1/chat/completions", chatBody());
    expect(JSON.stringify(await whole.json())).toContain("Hejdå");
    await gone(jobIdOf(whole));
    const streamed = await world.post("/v1/chat/completions", chatBody({ stream: true }));
    expect(await streamed.text()).toContain("[DONE]");
    await gone(jobIdOf(streamed));
  });

  test("keeps what its reader left before the end", async () => {
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      await attempt.say("Hej");
    });
    const streamed = await world.post("/v1/chat/completions", chatBody({ stream: true }));
    const job = jobIdOf(streamed);
    await streamed.body?.cancel();
    await world.until(job, ({ state }) => state.state === "cancelled");
    expect(await kept(job)).toBe(true);
  });

  test("forgets a detached job's output once its response was read, and not before", async () => {
    const job = await detached();
    const view = jobViewSchema.parse(await (await world.request(`/v1/jobs/${job}`)).json());
    expect(view).toMatchObject({ state: "succeeded", result: null });
    expect((await world.request(`/v1/jobs/${job}/response`, { key: world.operator.key })).status).toBe(200);
    expect((await world.request(`/v1/jobs/${job}/response`, { method: "HEAD" })).status).toBe(200);
    expect(await kept(job)).toBe(true);
    expect(await (await world.request(`/v1/jobs/${job}/response`)).text()).toContain("Hejdå");
    await gone(job);
    expect((await world.request(`/v1/jobs/${job}/response`)).status).toBe(410);
  });

  test("forgets it once its events were read to the end", async () => {
    const job = await detached();
    expect(await (await world.request(`/v1/jobs/${job}/events`)).text()).toContain("succeeded");
    await gone(job);
    expect((await world.request(`/v1/jobs/${job}/events`)).status).toBe(204);
  });

  test("tells a repeated request that its answer is no longer there", async () => {
    const headers = { "idempotency-key": "once" };
    const first = await world.post("/v1/chat/completions", chatBody(), { headers });
    await first.json();
    await gone(jobIdOf(first));
    const again = await world.post("/v1/chat/completions", chatBody(), { headers });
    expect([again.status, problemSchema.parse(await again.json()).error.code]).toEqual([410, "output_gone"]);
  });

  test("does so over a socket too, and keeps an answer whose connection broke", async () => {
    const server = await new Promise<ReturnType<typeof serve>>((resolve) => {
      const listening = serve({ fetch: world.app.fetch, port: 0, hostname: "127.0.0.1" }, () =>
        resolve(listening),
      );
    });
    const { port } = server.address() as AddressInfo;
    const post = async (body: object, signal: AbortSignal): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
        method: "POST",
        headers: { authorization: `Bearer ${world.ada.key}` },
        body: JSON.stringify(body),
        signal,
      });
    const stays = new AbortController();
    for (const stream of [false, true]) {
      const answer = await post(chatBody({ stream }), stays.signal);
      expect(await answer.text()).toMatch(/Hej/);
      await gone(jobIdOf(answer));
    }

    const goes = new AbortController();
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      await attempt.say("Hej");
    });
    const broken = await post(chatBody({ stream: true }), goes.signal);
    const job = jobIdOf(broken);
    goes.abort();
    await world.until(job, ({ state }) => state.state === "cancelled");
    await new Promise((resolve) => server.close(resolve));
    expect(await kept(job)).toBe(true);
  });

  test("says nothing of it in a log", async () => {
    await detached();
    expect(world.logged.join("\n")).not.toContain(CANARY);
  });
});

test("a co-op that keeps things a while does so", async () => {
  world = await createWorld();
  world.answerWith("Hej");
  const job = jobIdOf(await world.post("/v1/jobs", { request: chatBody() }));
  await world.until(job, ({ state }) => state.state === "succeeded");
  for (let times = 0; times < 2; times++)
    expect(await (await world.request(`/v1/jobs/${job}/response`)).text()).toContain("Hej");
});
