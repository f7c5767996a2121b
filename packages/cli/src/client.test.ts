import { describe, expect, it } from "vitest";
import { z } from "zod";
import { CliError } from "./cli-error.ts";
import { createClient } from "./client.ts";
import type { KeySource } from "./home.ts";
import { hintsFor } from "./invocation.ts";
import { problem, startScriptedCoop } from "./testing/scripted-coop.ts";
import type { Reply } from "./testing/scripted-coop.ts";

const withKey: KeySource = { key: "coop_a_b", place: "/home/x/operator.key" };
const hint = hintsFor({});
const answer = z.object({ name: z.string() });

async function errorOf(reply: Reply, source: KeySource = withKey): Promise<CliError> {
  await using coop = await startScriptedCoop(() => reply);
  const client = createClient({
    url: coop.url,
    source,
    hint,
    signal: new AbortController().signal,
    patienceMs: 100,
  });
  const error = await client.get("/v1/nodes", answer).catch((thrown: unknown) => thrown);
  if (error instanceof CliError) return error;
  throw new Error(`expected a CliError, got ${String(error)}`);
}

describe("the client", () => {
  it("sends the key and the body, and reads the answer", async () => {
    await using coop = await startScriptedCoop(() => ({ status: 201, json: { name: "maja" } }));
    const client = createClient({
      url: coop.url,
      source: withKey,
      hint,
      signal: new AbortController().signal,
    });
    expect(await client.post("/admin/members", { name: "maja" }, answer, { "x-more": "1" })).toEqual({
      name: "maja",
    });
    expect(coop.requests[0]).toMatchObject({
      method: "POST",
      path: "/admin/members",
      body: '{"name":"maja"}',
      headers: { authorization: "Bearer coop_a_b", "x-more": "1" },
    });
  });

  it("says how to start a co-op where none answers", async () => {
    const gone = await startScriptedCoop(() => "silence");
    await gone[Symbol.asyncDispose]();
    const client = createClient({
      url: gone.url,
      source: withKey,
      hint,
      signal: new AbortController().signal,
    });
    await expect(client.get("/v1/nodes", answer)).rejects.toMatchObject({
      code: "server-not-reachable",
      message: expect.stringMatching(/No co-op answers at .* \(ECONNREFUSED\).*npm start.*COOP_URL/),
    });
  });

  it("gives up on a server that says nothing", async () => {
    expect((await errorOf("silence")).code).toBe("server-silent");
  });

  it("tells a broken connection", async () => {
    expect((await errorOf("hang-up")).message).toMatch(/connection .* broke.*try once more/);
  });

  it("says where a refused key came from, and where keys are", async () => {
    const error = await errorOf({ status: 401, json: problem("This key is revoked.") });
    expect(error.code).toBe("no-key");
    expect(error.message).toMatch(/revoked.*came from \/home\/x\/operator\.key.*coop keys create/);
  });

  it("says where it looked for a key when it has none", async () => {
    const none = { key: null, place: "/home/x/operator.key" };
    const error = await errorOf({ status: 401, json: problem("A key is needed.") }, none);
    expect(error.message).toMatch(/COOP_API_KEY is not set, and there is no \/home\/x\/operator\.key/);
  });

  it("shows each node's reasons with a refusal", async () => {
    const nodes = [{ node: "pi", reasons: ["asks for local-large or better"] }];
    const error = await errorOf({ status: 422, json: problem("No node can serve it.", { nodes }) });
    expect(error.message).toBe("No node can serve it.\n  pi: asks for local-large or better");
  });

  it.each<[string, Reply]>([
    ["an error page of something else", { status: 404, text: "<html>" }],
    ["an answer of another shape", { status: 200, json: { other: 1 } }],
    ["an answer that is no JSON", { status: 200, text: "hello" }],
  ])("does not take %s for a co-op", async (_, reply) => {
    expect((await errorOf(reply)).code).toBe("not-a-coop");
  });

  it("lets an interruption be one", async () => {
    await using coop = await startScriptedCoop(() => "silence");
    const stop = new AbortController();
    const client = createClient({ url: coop.url, source: withKey, hint, signal: stop.signal });
    const asked = client.get("/v1/nodes", answer);
    stop.abort(new Error("enough"));
    await expect(asked).rejects.toThrow("enough");
  });
});
