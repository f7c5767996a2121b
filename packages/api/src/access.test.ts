import { generateKeyPairSync, verify, createPublicKey } from "node:crypto";
import { asNodeId } from "@coop/core";
import { buildNodeView } from "@coop/core/testing";
import {
  createdJoinTokenSchema,
  createdKeySchema,
  fleetSchema,
  keyListSchema,
  JOIN_REFUSALS,
  JOIN_TOKEN_PREFIX,
  joinResponseSchema,
  joinTicketSchema,
  memberListSchema,
  memberViewSchema,
  nodeListSchema,
  nodeRegistrationListSchema,
  problemSchema,
  PROTOCOL_VERSION,
  proofText,
  quotaSchema,
} from "@coop/protocol";
import type { JoinTicket } from "@coop/protocol";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeKey } from "./api-key.ts";
import { defaultFleet } from "./testing/fleet.ts";
import { chatBody, createWorld } from "./testing/world.ts";
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
const admin = async (
  path: string,
  body?: unknown,
  method = body === undefined ? "GET" : "POST",
): Promise<Response> =>
  world.request(`/admin${path}`, {
    method,
    key: world.operator.key,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

describe("a key", () => {
  const withKey = async (headers: Record<string, string>) => world.app.request("/v1/quota", { headers });

  test("is asked for, and each way of not having one is named", async () => {
    const stranger = makeKey("keystranger00", new Uint8Array(32)).text;
    const forged = makeKey("keyada00000", new Uint8Array(32)).text;
    for (const [headers, code] of [
      [{}, "missing_api_key"],
      [{ authorization: "Basic abc" }, "missing_api_key"],
      [{ authorization: `Bearer ${world.ada.key.slice(0, -1)}` }, "malformed_api_key"],
      [{ "x-api-key": "sk-123" }, "malformed_api_key"],
      [{ authorization: `Bearer ${stranger}` }, "unknown_api_key"],
      [{ authorization: `Bearer ${forged}` }, "unknown_api_key"],
    ] as const) {
      const refusal = await problemOf(await withKey(headers));
      expect(refusal).toMatchObject({ status: 401, code, type: "authentication_error" });
    }
    expect((await withKey({ "x-api-key": world.ada.key })).status).toBe(200);
  });

  test("that is mistyped is refused without asking any store", async () => {
    const asked: string[] = [];
    const noting = <T extends object>(name: string, port: T): T =>
      new Proxy(port, {
        get: (target, method, receiver) => {
          asked.push(`${name}.${String(method)}`);
          return Reflect.get(target, method, receiver) as unknown;
        },
      });
    const watched = await createWorld({
      replace: ({ members, desk, accounting, nodes, board, output, ledger }) => ({
        members: noting("members", members),
        desk: noting("desk", desk),
        accounting: noting("accounting", accounting),
        nodes: noting("nodes", nodes),
        board: noting("board", board),
        output: noting("output", output),
        ledger: noting("ledger", ledger),
      }),
    });
    const mistyped = watched.ada.key.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    asked.length = 0;
    for (const path of ["/v1/quota", "/v1/jobs", "/admin/members"]) {
      expect(await problemOf(await watched.request(path, { key: mistyped }))).toMatchObject({
        status: 401,
        code: "malformed_api_key",
      });
    }
    expect(asked).toEqual([]);
    expect((await watched.request("/v1/quota")).status).toBe(200);
    expect(asked).toContain("members.key");
    await watched.expectQuiet();
  });

  test("stops working the moment it is revoked", async () => {
    const { id, key } = createdKeySchema.parse(
      await (await admin(`/members/${world.ada.member.id}/keys`, { defaultPrivacy: "own" })).json(),
    );
    expect((await world.request("/v1/quota", { key })).status).toBe(200);
    expect((await admin(`/keys/${id}`, undefined, "DELETE")).status).toBe(204);
    expect(await problemOf(await world.request("/v1/quota", { key }))).toMatchObject({
      status: 401,
      code: "revoked_api_key",
    });
    expect((await admin("/keys/nobody", undefined, "DELETE")).status).toBe(404);
    const { data } = keyListSchema.parse(await (await admin("/members/ada/keys")).json());
    expect(new Map(data.map((row) => [row.id, row.revokedAtMs]))).toEqual(
      new Map([
        ["keyada00000", null],
        [id, world.clock.now()],
      ]),
    );
  });

  test("sets the privacy of its requests, which a header may change", async () => {
    const { key } = createdKeySchema.parse(
      await (await admin("/members/ada/keys", { defaultPrivacy: "own" })).json(),
    );
    // The Studio is another member's, the Pi is Bob's: nothing is Ada's own.
    expect((await world.post("/v1/chat/completions", chatBody(), { key })).status).toBe(422);
    world.answerWith("ok");
    const open = await world.post("/v1/chat/completions", chatBody(), {
      key,
      headers: { "x-coop-privacy": "coop" },
    });
    expect(open.status).toBe(200);
  });
});

describe("administration", () => {
  test("is for operators", async () => {
    for (const path of ["/admin/members", "/admin/nowhere"]) {
      expect(await problemOf(await world.request(path))).toMatchObject({
        status: 403,
        code: "operators_only",
      });
      expect(await problemOf(await world.app.request(path))).toMatchObject({ status: 401 });
    }
  });

  test("adds members and lists them", async () => {
    const limits = { tokensPerMonth: { kind: "tokens", tokens: 500 } };
    const response = await admin("/members", { name: "  Cy  ", limits });
    expect(response.status).toBe(201);
    const cy = memberViewSchema.parse(await response.json());
    expect(cy).toMatchObject({ name: "Cy", role: "member", limits, weight: 1 });
    expect(memberListSchema.parse(await (await admin("/members")).json()).data).toContainEqual({
      ...cy,
      limitTokens: 500,
      source: { kind: "set", by: "operator" },
      usedTokens: 0,
      heldTokens: 0,
    });
    expect(await problemOf(await admin("/members", { name: "Cy" }))).toMatchObject({
      status: 409,
      code: "name_taken",
      param: "name",
    });
    for (const [body, param] of [
      [{}, "name"],
      [{ name: " " }, "name"],
      [{ name: "x", role: "king" }, "role"],
      [{ name: "x", quotaTokens: 1 }, "quotaTokens"],
    ] as const) {
      expect(await problemOf(await admin("/members", body))).toMatchObject({ status: 400, param });
    }
  });

  test("keeps secrets as digests only", async () => {
    const { key } = createdKeySchema.parse(await (await admin("/members/ada/keys", {})).json());
    const stored = JSON.stringify(await world.deps.members.keys(world.ada.member.id));
    expect(stored).not.toContain(key.split("_")[2]?.slice(0, 43));
  });
});

describe("joining", () => {
  const { publicKey } = generateKeyPairSync("ed25519");
  const machine = {
    name: "attic",
    publicKey: publicKey.export({ type: "spki", format: "der" }).toString("base64"),
    nonce: "n".repeat(22),
  };
  const invite = async (body: unknown = {}) =>
    createdJoinTokenSchema.parse(await (await admin("/join-tokens", body)).json());
  const ticketOf = (token: string): JoinTicket =>
    joinTicketSchema.parse(
      JSON.parse(Buffer.from(token.slice(JOIN_TOKEN_PREFIX.length), "base64url").toString()),
    );
  const join = async (ticket: Pick<JoinTicket, "id" | "secret">, changes = {}) =>
    world.app.request("/nodes/join", {
      method: "POST",
      body: JSON.stringify({ ...machine, id: ticket.id, secret: ticket.secret, ...changes }),
    });

  const listed = async (node: string) =>
    nodeRegistrationListSchema.parse(await (await admin("/nodes")).json()).data.find(({ id }) => id === node);

  test("with a token makes the machine its member's node, and proves who the server is", async () => {
    const { token, memberName, expiresAtMs, command } = await invite({ member: "bob" });
    expect([memberName, expiresAtMs - world.clock.now()]).toEqual(["bob", 15 * 60_000]);
    expect(command).toContain(`start --join ${token}`);
    const ticket = ticketOf(token);
    const response = await join(ticket);
    expect(response.status).toBe(201);
    const answer = joinResponseSchema.parse(await response.json());
    expect(answer).toMatchObject({ name: "attic", owner: world.bob.member.id, serverId: ticket.serverId });
    const serverKey = createPublicKey({
      key: Buffer.from(answer.serverPublicKey, "base64"),
      format: "der",
      type: "spki",
    });
    const proof = proofText("server", machine.nonce, ticket.serverId, answer.node, PROTOCOL_VERSION);
    expect(verify(null, Buffer.from(proof), serverKey, Buffer.from(answer.signature, "base64"))).toBe(true);
    expect(await world.deps.nodes.node(answer.node)).toMatchObject({
      publicKey: machine.publicKey,
      revokedAtMs: null,
    });

    expect(await listed(answer.node)).toMatchObject({
      name: "attic",
      owner: world.bob.member.id,
      revokedAtMs: null,
    });
    expect((await admin(`/nodes/${answer.node}/drain`, {})).status).toBe(200);
    const drainedAtMs = world.clock.now();
    world.clock.advance(5);
    expect((await admin(`/nodes/${answer.node}/drain`, {})).status).toBe(200);
    expect(await listed(answer.node)).toMatchObject({ drainedAtMs });
    expect((await admin(`/nodes/${answer.node}/undrain`, {})).status).toBe(200);
    expect(await listed(answer.node)).toMatchObject({ drainedAtMs: null });
    expect((await admin("/nodes/nobody/drain", {})).status).toBe(404);
    expect((await admin(`/nodes/${answer.node}`, undefined, "DELETE")).status).toBe(204);
    expect(await listed(answer.node)).toMatchObject({ revokedAtMs: world.clock.now() });
    expect((await world.deps.nodes.node(asNodeId(answer.node)))?.revokedAtMs).toBe(world.clock.now());
    expect((await admin("/nodes/nobody", undefined, "DELETE")).status).toBe(404);
  });

  test("twice, late, or with a token that never was is refused, each in its own words", async () => {
    const used = ticketOf((await invite()).token);
    await join(used);
    expect(await problemOf(await join(used))).toMatchObject({ status: 409, code: JOIN_REFUSALS.used });
    const late = ticketOf((await invite()).token);
    expect(await problemOf(await join({ ...late, secret: `${late.secret}x` }))).toMatchObject({
      status: 401,
      code: JOIN_REFUSALS.unknown,
    });
    expect(await problemOf(await join({ ...late, id: "jtnever" }))).toMatchObject({
      status: 401,
      code: JOIN_REFUSALS.unknown,
    });
    world.clock.advance(15 * 60_000);
    expect(await problemOf(await join(late))).toMatchObject({ status: 410, code: JOIN_REFUSALS.expired });
  });

  test("needs an ed25519 key, and spends no token on another", async () => {
    const ticket = ticketOf((await invite()).token);
    const rsa = generateKeyPairSync("ec", { namedCurve: "P-256" })
      .publicKey.export({ type: "spki", format: "der" })
      .toString("base64");
    for (const wrong of ["x".repeat(60), rsa]) {
      expect(await problemOf(await join(ticket, { publicKey: wrong }))).toMatchObject({
        status: 400,
        param: "publicKey",
      });
    }
    expect((await join(ticket)).status).toBe(201);
  });

  test("for a member who is not there is a 404", async () => {
    expect(await problemOf(await admin("/join-tokens", { member: "nobody" }))).toMatchObject({
      status: 404,
      param: "member",
    });
  });
});

describe("the fleet", () => {
  test("shows each node with its owner, models, tiers and rates, and whether a rate is measured", async () => {
    const { data, snapshotAtMs } = nodeListSchema.parse(await (await world.request("/v1/nodes")).json());
    expect(snapshotAtMs).toBe(world.clock.now());
    expect(data.map(({ name, ownerName }) => [name, ownerName])).toEqual([
      ["studio", ""],
      ["pi", "bob"],
    ]);
    const small = data[0]?.models.find(({ name }) => name === "llama3.2:3b");
    expect(small).toMatchObject({ tier: "edge", decodeTokensPerSecond: { value: 125, basis: "measured" } });
  });

  test("is summed over the nodes that are connected", async () => {
    await world.publish([...defaultFleet(), buildNodeView({ connected: false })]);
    const sum = fleetSchema.parse(await (await world.request("/v1/fleet")).json());
    expect(sum).toMatchObject({ nodes: 3, connected: 2, slots: 5, active: 0 });
    expect(sum.tiers.find(({ tier }) => tier === "edge")).toMatchObject({
      nodes: 2,
      decodeTokensPerSecond: 250,
    });
  });

  test("is empty, not an error, before any scheduler", async () => {
    world = await createWorld({
      replace: () => ({ board: { publish: async () => undefined, read: async () => null } }),
    });
    expect(await (await world.request("/v1/nodes")).json()).toEqual({
      object: "list",
      data: [],
      snapshotAtMs: null,
    });
    expect((await world.request("/v1/fleet")).status).toBe(200);
  });

  test("lists its models and the tiers as models", async () => {
    const list: unknown = await (await world.request("/v1/models")).json();
    expect(list).toMatchObject({
      object: "list",
      data: [
        { id: "coop/edge", object: "model", owned_by: "coop" },
        { id: "coop/local-small" },
        { id: "coop/local-large" },
        { id: "gemma4:latest" },
        {
          id: "llama3.2:3b",
          owned_by: "pi, studio",
          coop: { tier: "edge", nodes: ["pi", "studio"], connected: true },
        },
        { id: "nomic-embed-text:latest" },
        { id: "qwen3:32b", coop: { tier: "local-large", contextTokens: 32_768 } },
      ],
    });
    for (const id of ["coop/edge", "coop%2Fedge", "gemma4"]) {
      expect(await (await world.request(`/v1/models/${id}`)).json()).toMatchObject({
        object: "model",
        id: expect.stringMatching(/^(coop\/edge|gemma4:latest)$/),
      });
    }
    expect((await world.request("/v1/models/gpt-4")).status).toBe(404);
  });

  test("charges a member's month", async () => {
    world.answerWith("one", "two");
    await world.post("/v1/chat/completions", chatBody(), { key: world.bob.key });
    const quota = quotaSchema.parse(await (await world.request("/v1/quota", { key: world.bob.key })).json());
    expect(quota).toMatchObject({ memberName: "bob", month: "2026-03", usedTokens: 13, heldTokens: 0 });
  });
});

describe("whoever runs the server", () => {
  const from = async (path: string, remoteAddress: string | undefined, headers = {}) =>
    world.app.request(
      path,
      { headers },
      remoteAddress === undefined ? {} : { incoming: { socket: { remoteAddress } } },
    );

  test("learns without a key whether it lives and can serve", async () => {
    expect((await world.app.request("/healthz")).status).toBe(200);
    expect(await (await world.app.request("/readyz")).json()).toEqual({
      status: "ready",
      store: "answers",
      scheduler: "seen",
    });
  });

  test("gets metrics on the same machine only, and without ids in them", async () => {
    world.answerWith("one");
    const { id } = (await (await world.post("/v1/jobs", { request: chatBody() })).json()) as { id: string };
    await world.request(`/v1/jobs/${id}`);
    await (await world.post("/v1/chat/completions", chatBody({ stream: true }))).text();
    const here = await from("/metrics", "127.0.0.1");
    expect(here.headers.get("content-type")).toContain("text/plain");
    const text = await here.text();
    expect(text).toContain('route="/v1/jobs/:id",status="200"');
    expect(text).toContain('route="/v1/chat/completions",status="200"');
    expect(text).not.toContain(id);
    for (const [address, headers] of [
      ["10.0.0.9", {}],
      ["127.0.0.1", { "x-forwarded-for": "10.0.0.9" }],
      [undefined, {}],
    ] as const) {
      expect((await from("/metrics", address, headers)).status).toBe(403);
    }
    expect((await from("/metrics", "::ffff:127.0.0.1")).status).toBe(200);
  });
});
