import {
  createdKeySchema,
  keyListSchema,
  memberDetailSchema,
  memberListSchema,
  memberViewSchema,
  problemSchema,
} from "@coop/protocol";
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

const problemOf = async (response: Response) => ({
  status: response.status,
  ...problemSchema.parse(await response.json()).error,
});
const admin = async (method: string, path: string, body?: unknown): Promise<Response> =>
  world.request(`/admin${path}`, {
    method,
    key: world.operator.key,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
const keysOf = async (member: string) =>
  keyListSchema.parse(await (await admin("GET", `/members/${member}/keys`)).json()).data;
const createKey = async (member: string, body: unknown = {}) =>
  createdKeySchema.parse(await (await admin("POST", `/members/${member}/keys`, body)).json());
const asks = async (key: string): Promise<Response> => world.request("/v1/quota", { key });

describe("a disabled member", () => {
  test("is refused in words with every key, until enabled again", async () => {
    const second = await createKey("bob");
    const view = memberViewSchema.parse(await (await admin("POST", "/members/bob/disable")).json());
    expect(view).toMatchObject({ id: "mem_bob", disabledAtMs: world.clock.now() });
    for (const key of [world.bob.key, second.key]) {
      const refusal = await problemOf(await asks(key));
      expect(refusal).toMatchObject({ status: 403, code: "member_disabled", param: "Authorization" });
      expect(refusal.message).toMatch(/disabled.*operator/);
    }
    expect((await asks(world.ada.key)).status).toBe(200);
    expect((await admin("POST", "/members/bob/enable")).status).toBe(200);
    expect((await asks(second.key)).status).toBe(200);
  });

  test("is not the last operator", async () => {
    expect(await problemOf(await admin("POST", "/members/olga/disable"))).toMatchObject({
      status: 409,
      code: "last_operator",
      param: "id",
    });
    expect((await asks(world.operator.key)).status).toBe(200);
    const second = memberViewSchema.parse(
      await (await admin("POST", "/members", { name: "omar", role: "operator" })).json(),
    );
    expect((await admin("POST", `/members/${second.id}/disable`)).status).toBe(200);
    expect((await admin("POST", "/members/olga/disable")).status).toBe(409);
    expect((await admin("POST", `/members/${second.id}/enable`)).status).toBe(200);
    expect((await admin("POST", "/members/olga/disable")).status).toBe(200);
    expect((await asks(world.operator.key)).status).toBe(403);
  });

  test("who is not there is named, and nothing changes", async () => {
    const before = memberListSchema.parse(await (await admin("GET", "/members")).json());
    for (const [method, path] of [
      ["GET", "/members/nobody"],
      ["POST", "/members/nobody/disable"],
      ["POST", "/members/nobody/enable"],
      ["POST", "/members/nobody/keys"],
      ["GET", "/members/nobody/keys"],
      ["POST", "/keys/nobody/rotate"],
      ["DELETE", "/keys/nobody"],
    ] as const) {
      const body = method === "POST" ? {} : undefined;
      expect(await problemOf(await admin(method, path, body)), path).toMatchObject({
        status: 404,
        param: "id",
      });
    }
    expect(memberListSchema.parse(await (await admin("GET", "/members")).json())).toEqual(before);
  });

  test("is shown with the tokens of the month", async () => {
    world.answerWith("one", "two");
    await world.post("/v1/chat/completions", chatBody(), { key: world.bob.key });
    const detail = memberDetailSchema.parse(await (await admin("GET", "/members/bob")).json());
    expect(detail).toMatchObject({
      name: "bob",
      limits: { tokensPerMonth: { kind: "tokens", tokens: 10_000 } },
      quota: { limitTokens: 10_000, month: "2026-03", usedTokens: 13 },
    });
  });
});

describe("a key", () => {
  test("is refused once it has expired", async () => {
    const { id, key, expiresAtMs } = await createKey("ada", { expiresInSeconds: 60 });
    expect(expiresAtMs).toBe(world.clock.now() + 60_000);
    world.clock.advance(59_999);
    expect((await asks(key)).status).toBe(200);
    world.clock.advance(1);
    expect(await problemOf(await asks(key))).toMatchObject({ status: 401, code: "expired_api_key" });
    expect((await keysOf("ada")).find((row) => row.id === id)).toMatchObject({ expiresAtMs });
  });

  test("takes no life that is none", async () => {
    const before = await keysOf("ada");
    for (const expiresInSeconds of [0, -1, 1.5, "90d", 1e12]) {
      expect(await problemOf(await admin("POST", "/members/ada/keys", { expiresInSeconds }))).toMatchObject({
        status: 400,
        param: "expiresInSeconds",
      });
    }
    expect(await keysOf("ada")).toEqual(before);
  });

  test("is listed by how it begins, with its last use to the minute", async () => {
    const startedMs = world.clock.now();
    const lastUse = async () => (await keysOf("ada"))[0]?.lastUsedAtMs;
    expect(await lastUse()).toBeNull();
    await asks(world.ada.key);
    await eventually("the first use is written", async () => (await lastUse()) === startedMs);
    world.clock.advance(59_999);
    await asks(world.ada.key);
    expect(await lastUse()).toBe(startedMs);
    world.clock.advance(1);
    await asks(world.ada.key);
    await eventually("a later use is written", async () => (await lastUse()) === startedMs + 60_000);
    expect((await keysOf("ada"))[0]?.prefix).toBe("coop_keyada00000_");
    expect(JSON.stringify(await keysOf("ada"))).not.toContain("digest");
  });

  test("writes its use once for many requests at a time, and delays none of them", async () => {
    const held = Promise.withResolvers<void>();
    let written = 0;
    world = await createWorld({
      replace: ({ members }) => ({
        members: {
          ...members,
          keyUsed: async (id, nowMs) => {
            if (id !== "keyada00000") return;
            written += 1;
            await held.promise;
            await members.keyUsed(id, nowMs);
          },
        },
      }),
    });
    const answers = await Promise.all(Array.from({ length: 20 }, async () => asks(world.ada.key)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(written).toBe(1);
    held.resolve();
    const lastUse = async () => (await keysOf("ada"))[0]?.lastUsedAtMs;
    await eventually("the use is written", async () => (await lastUse()) === world.clock.now());
    world.clock.advance(59_999);
    await asks(world.ada.key);
    expect(written).toBe(1);
    world.clock.advance(1);
    await asks(world.ada.key);
    expect(written).toBe(2);
  });

  test("is replaced by one like it, at once or with an overlap", async () => {
    const old = await createKey("ada", { defaultPrivacy: "own", expiresInSeconds: 86_400 });
    world.clock.advance(1_000);
    const rotate = async (id: string, body: unknown) => admin("POST", `/keys/${id}/rotate`, body);
    const next = createdKeySchema.parse(await (await rotate(old.id, { overlapSeconds: 60 })).json());
    expect(next.expiresAtMs).toBe(world.clock.now() + 86_400_000);
    expect((await keysOf("ada")).find(({ id }) => id === next.id)?.defaultPrivacy).toBe("own");
    expect([(await asks(old.key)).status, (await asks(next.key)).status]).toEqual([200, 200]);
    world.clock.advance(60_000);
    expect([(await asks(old.key)).status, (await asks(next.key)).status]).toEqual([401, 200]);

    const last = createdKeySchema.parse(await (await rotate(next.id, {})).json());
    expect(await problemOf(await asks(next.key))).toMatchObject({ code: "revoked_api_key" });
    expect((await asks(last.key)).status).toBe(200);
    expect(await problemOf(await rotate(next.id, {}))).toMatchObject({ status: 409, param: "id" });
    expect(await problemOf(await rotate(last.id, { overlapSeconds: -1 }))).toMatchObject({
      status: 400,
      param: "overlapSeconds",
    });
    expect((await asks(last.key)).status).toBe(200);
  });
});

describe("what is open when a key is revoked", () => {
  const revokeAda = async () => admin("DELETE", "/keys/keyada00000");

  test("ends in words: a stream that runs, an answer that waits; detached jobs run on", async () => {
    world.onAdmitted(async (spec) => {
      if (!spec.streamed) return;
      await (await world.start(spec)).say("Hello");
    });
    const stream = await world.post("/v1/chat/completions", chatBody({ stream: true }));
    const waiting = world.post("/v1/chat/completions", chatBody());
    const detached = jobIdOf(await world.post("/v1/jobs", { request: chatBody() }));
    await eventually("all are admitted", async () => world.admitted.length === 3);
    expect((await revokeAda()).status).toBe(204);
    const text = await stream.text();
    expect(text).toContain("Hello");
    expect(text).toContain("revoked_api_key");
    expect(text).toContain("The job was cancelled.");
    const refused = await waiting;
    expect(refused.headers.get("x-should-retry")).toBe("false");
    expect(await problemOf(refused)).toMatchObject({ status: 401, code: "revoked_api_key" });
    expect((await world.desk.read(detached))?.state.state).toBe("queued");
    await world.desk.cancel(detached, null, "member", world.clock.now());
  });

  test("leaves the streams of other keys and members alone; disabling ends all of a member's", async () => {
    const { key } = await createKey("ada");
    const jobs = await Promise.all(
      [world.ada.key, key, world.bob.key].map(async (by) => {
        const before = world.admitted.length;
        const answer = world.post("/v1/chat/completions", chatBody({ max_tokens: 10 }), { key: by });
        await eventually("it is admitted", async () => world.admitted.length > before);
        return { answer };
      }),
    );
    await eventually("all are admitted", async () => world.admitted.length === 3);
    await revokeAda();
    expect((await jobs[0]?.answer)?.status).toBe(401);
    const states = async () =>
      Promise.all(world.admitted.map(async (id) => String((await world.desk.read(id))?.state.state)));
    expect((await states()).toSorted()).toEqual(["cancelled", "queued", "queued"]);
    await admin("POST", "/members/ada/disable");
    expect(await problemOf((await jobs[1]?.answer) ?? new Response())).toMatchObject({ status: 401 });
    expect((await states()).toSorted()).toEqual(["cancelled", "cancelled", "queued"]);
    await admin("POST", "/members/bob/disable");
    await jobs[2]?.answer;
  });

  test("a request that was let in before gets nothing into the queue after", async () => {
    const within = Promise.withResolvers<void>();
    const revoked = Promise.withResolvers<void>();
    world = await createWorld({
      replace: ({ board }) => ({
        board: {
          ...board,
          read: async () => {
            within.resolve();
            await revoked.promise;
            return board.read();
          },
        },
      }),
    });
    const answer = world.post("/v1/chat/completions", chatBody());
    await within.promise;
    await revokeAda();
    revoked.resolve();
    expect(await problemOf(await answer)).toMatchObject({ status: 401, code: "revoked_api_key" });
    expect(world.admitted).toEqual([]);
  });

  test("the events of a detached job end within a few seconds, and the job runs on", async () => {
    const job = jobIdOf(await world.post("/v1/jobs", { request: chatBody() }));
    const events = await world.request(`/v1/jobs/${job}/events`);
    await revokeAda();
    world.clock.advance(world.deps.defaults.followEveryMs);
    const text = await events.text();
    expect(text).toContain("event: error");
    expect(text).toContain("revoked_api_key");
    expect((await world.desk.read(job))?.state.state).toBe("queued");
    await world.desk.cancel(job, null, "member", world.clock.now());
  });
});
