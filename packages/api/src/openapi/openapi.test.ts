import { createHash } from "node:crypto";
import { asNodeId, assert } from "@coop/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { chatBody, createWorld, jobIdOf } from "../testing/world.ts";
import type { World } from "../testing/world.ts";
import { OPERATIONS } from "./operations.ts";
import { SCHEMAS } from "./schemas.ts";
import type { SchemaName } from "./schemas.ts";

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(async () => {
  await world.expectQuiet();
});

const objectSchema = z.record(z.string(), z.unknown());
const documentSchema = z.object({
  openapi: z.string(),
  servers: z.array(z.object({ url: z.url() })),
  paths: z.record(z.string(), z.record(z.string(), objectSchema)),
  components: z.object({ schemas: z.record(z.string(), objectSchema) }),
});
const document = async () => documentSchema.parse(await (await world.app.request("/openapi.json")).json());

/** Every object in a value. */
function* objectsIn(value: unknown): Generator<Readonly<Record<string, unknown>>> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield objectSchema.parse(value);
  for (const inner of Object.values(value)) yield* objectsIn(inner);
}

describe("the description", () => {
  test("has every route that is served, the page for people aside, and no other", async () => {
    const served = world.app.routes
      .filter(({ method, path }) => method !== "ALL" && path !== "/" && !path.startsWith("/page/"))
      .map(({ method, path }) => `${method} ${path}`.replace(/\/\*$/, "/{model}"))
      .map((route) => route.replaceAll(/:(\w+)/g, "{$1}"));
    const { paths } = await document();
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.toSorted()).toEqual([...new Set(served)].toSorted());
  });

  test("names each part of a path, gives each operation one name, and refers to what is there", async () => {
    const { openapi, paths, components } = await document();
    expect(openapi).toBe("3.1.0");
    const ids = OPERATIONS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, parameters = [] } of OPERATIONS) {
      const parts = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(parameters.filter((one) => one.in === "path").map(({ name }) => name)).toEqual(parts);
    }
    const references = [...objectsIn(paths)].flatMap(({ $ref }) => (typeof $ref === "string" ? [$ref] : []));
    expect(references.length).toBeGreaterThan(50);
    for (const reference of references)
      expect(Object.keys(components.schemas)).toContain(reference.replace("#/components/schemas/", ""));
  });

  test("is public, and says where the server is", async () => {
    const { servers } = await document();
    expect(servers).toEqual([{ url: "http://127.0.0.1:7070" }]);
  });
});

describe("answers are as described", () => {
  /** Fails when the answer lacks a field of its schema, or has one that the schema does not know. */
  function expectDescribed(name: SchemaName, value: unknown): void {
    expect(SCHEMAS[name].parse(value), name).toEqual(value);
  }
  async function answerOf(
    path: string,
    init: RequestInit & { readonly key?: string } = {},
  ): Promise<unknown> {
    const response = await world.request(path, init);
    return response.json();
  }
  const posted = async (path: string, body: unknown, key = world.ada.key): Promise<unknown> =>
    (await world.post(path, body, { key })).json();

  test("of inference", async () => {
    world.onAdmitted(async (spec) => {
      const attempt = await world.start(spec);
      await attempt.output([
        { kind: "reasoning", text: "hm" },
        { kind: "content", text: "Hej" },
        { kind: "logprobs", tokens: [{ token: "Hej", logprob: -1, bytes: null, top: [] }] },
        { kind: "tool-call", index: 0, call: { id: "c", name: "f", arguments: "{}" } },
        { kind: "embedding", index: 0, vector: [1, 0] },
      ]);
      await attempt.succeed();
    });
    expectDescribed("ChatCompletion", await posted("/v1/chat/completions", chatBody()));
    expectDescribed(
      "EmbeddingList",
      await posted("/v1/embeddings", { model: "nomic-embed-text", input: "a" }),
    );
    expectDescribed("ModelList", await answerOf("/v1/models"));
    expectDescribed("Model", await answerOf("/v1/models/coop/edge"));
    const stream = chatBody({ stream: true, stream_options: { include_usage: true } });
    const text = await (await world.post("/v1/chat/completions", stream)).text();
    const chunks = text.split("\n\n").filter((block) => block.startsWith("data: {"));
    expect(chunks.length).toBeGreaterThan(3);
    for (const chunk of chunks)
      expectDescribed("ChatCompletionChunk", JSON.parse(chunk.slice("data: ".length)));
  });

  test("of jobs and the fleet", async () => {
    world.answerWith("Hej");
    const response = await world.post("/v1/jobs", { request: chatBody() });
    expectDescribed("Job", await response.json());
    const job = jobIdOf(response);
    await world.until(job, ({ state }) => state.state === "succeeded");
    expectDescribed("Job", await answerOf(`/v1/jobs/${job}`));
    expectDescribed("JobList", await answerOf("/v1/jobs"));
    expectDescribed("Placement", await answerOf(`/v1/jobs/${job}/placement`));
    expectDescribed("NodeList", await answerOf("/v1/nodes"));
    expectDescribed("Fleet", await answerOf("/v1/fleet"));
    expectDescribed("Quota", await answerOf("/v1/quota"));
    expectDescribed("Health", await answerOf("/healthz"));
    expectDescribed("Readiness", await answerOf("/readyz"));
    expectDescribed("Lead", await answerOf("/leadz"));
    expectDescribed("ServerIdentity", await answerOf(`/install/identity?nonce=${"n".repeat(22)}`));
  });

  test("of administration", async () => {
    const { key } = world.operator;
    const admin = async (path: string, body: unknown) => posted(`/admin/${path}`, body, key);
    expectDescribed("Member", await admin("members", { name: "dana" }));
    expectDescribed("MemberList", await answerOf("/admin/members", { key }));
    expectDescribed("CreatedKey", await admin("members/dana/keys", {}));
    expectDescribed("KeyList", await answerOf("/admin/members/dana/keys", { key }));
    expectDescribed("CreatedJoinToken", await admin("join-tokens", {}));
    expectDescribed("NodeRegistrationList", await answerOf("/admin/nodes", { key }));
    const { nodes } = world.deps;
    const attic = { id: asNodeId("node_attic"), name: "attic", publicKey: "k" };
    await nodes.addJoinToken({ id: "t", digest: "d", member: world.bob.member.id, expiresAtMs: Infinity });
    await nodes.redeem("t", "d", attic, world.clock.now());
    expectDescribed("NodeRegistration", await admin("nodes/node_attic/drain", {}));
    expectDescribed("NodeRegistration", await admin("nodes/node_attic/undrain", {}));
    expectDescribed("MemberDetail", await answerOf("/admin/members/dana", { key }));
    const weight = { method: "PATCH", body: JSON.stringify({ weight: 2 }), key };
    expectDescribed("MemberDetail", await answerOf("/admin/members/dana", weight));
    expectDescribed("Grant", await admin("members/dana/grants", { tokens: 5 }));
    expectDescribed("Member", await admin("members/dana/disable", {}));
    world.answerWith("Hej");
    const job = jobIdOf(await world.post("/v1/chat/completions", chatBody()));
    expectDescribed("Refund", await admin(`jobs/${job}/refund`, {}));
    expectDescribed("LedgerList", await answerOf("/admin/ledger", { key }));
    expectDescribed("LedgerAudit", await answerOf("/admin/ledger/verify", { key }));
    expectDescribed("ReplayJobList", await answerOf("/admin/replay/jobs?member=mem_ada", { key }));
    expectDescribed("ReplayFleet", await answerOf("/admin/replay/machines", { key }));
  });

  test("of reports", async () => {
    world.answerWith("Hej");
    await posted("/v1/chat/completions", chatBody());
    const { key } = world.operator;
    expectDescribed("UsagePage", await answerOf("/v1/usage?groupBy=node"));
    expectDescribed("UsagePage", await answerOf("/admin/usage", { key }));
    expectDescribed("Statement", await answerOf("/v1/statement"));
    expectDescribed("Statement", await answerOf("/admin/statement", { key }));
  });

  test("of problems", async () => {
    expectDescribed("Problem", await posted("/v1/chat/completions", {}));
    expectDescribed("Problem", await posted("/v1/chat/completions", chatBody({ model: "coop/edgy" })));
    const tools = [{ type: "function", function: { name: "f" } }];
    expectDescribed("Problem", await posted("/v1/chat/completions", chatBody({ model: "gemma4", tools })));
    expectDescribed("Problem", await answerOf("/v1/nothing"));
  });
});

describe("the page", () => {
  test("shows every operation, and what its body takes", async () => {
    const page = await (await world.app.request("/docs")).text();
    for (const { path, summary } of OPERATIONS) {
      expect(page).toContain(`<code>${path}</code>`);
      expect(page).toContain(summary.replaceAll("'", "&#39;"));
    }
    expect(page).toContain("<code>max_completion_tokens</code>");
    expect(page).toContain("<code>tool_choice</code>");
    expect(page).toMatch(/<code>stream<\/code>\s+boolean or null/);
  });

  test("loads nothing and runs nothing: no other file is named, and the browser is told so", async () => {
    const response = await world.app.request("/docs");
    const page = await response.text();
    expect(page).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|\bsrc=|\son\w+=/i);
    expect([...page.matchAll(/href="([^"]*)"/g)].map(([, href]) => href)).toEqual(["/openapi.json"]);
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain("unsafe");
    const style = /<style>([^]*?)<\/style>/.exec(page)?.[1];
    assert(style !== undefined, "the page has a style");
    const digest = createHash("sha256").update(style).digest("base64");
    expect(policy).toContain(`style-src 'sha256-${digest}'`);
  });
});
