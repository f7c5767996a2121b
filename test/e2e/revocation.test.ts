import { createdKeySchema, ledgerAuditSchema } from "@coop/protocol";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { startCluster } from "../harness/cluster.ts";
import type { Cluster, TestMember } from "../harness/cluster.ts";
import { piece, startScriptedOllama } from "../harness/scripted-ollama.ts";
import type { ScriptedOllama } from "../harness/scripted-ollama.ts";

/** What an operator takes away is away at once: at the door, in open streams, and on the engine behind them. */

const MODEL = "llama3.2:3b";

let cluster: Cluster;
let member: TestMember;
let ollama: ScriptedOllama;

const ask = async (key: string): Promise<Response> =>
  cluster.request("/v1/chat/completions", {
    method: "POST",
    key,
    body: JSON.stringify({ model: MODEL, stream: true, messages: [{ role: "user", content: "Hello" }] }),
  });
const asOperator = async (method: "POST" | "DELETE" | "GET", path: string): Promise<Response> =>
  cluster.request(`/admin${path}`, {
    method,
    key: cluster.operatorKey,
    ...(method === "POST" && { body: "{}" }),
  });

beforeAll(async () => {
  ollama = await startScriptedOllama();
  const [model] = ollama.models;
  ollama.models = [{ ...model, name: MODEL }];
  ollama.loaded.set(MODEL, 8192);
  cluster = await startCluster();
  member = await cluster.addMember("astrid");
  await cluster.startAgent("studio", ollama.url.href, member, ["--slots", "1"]);
});
// The node's one slot is free again, and the member's first key serves.
beforeEach(async () => {
  const answer = await ask(member.key);
  expect(answer.status).toBe(200);
  await answer.text();
});
afterAll(async () => {
  await cluster.stop();
  await ollama[Symbol.asyncDispose]();
});

/** Opens a stream with a key that has begun on the engine and would go on for ever. */
async function openStream(key: string) {
  ollama.script("/api/chat", piece("Once"), { do: "hang" });
  const call = ollama.call("/api/chat", ollama.callsOf("/api/chat").length);
  const response = ask(key);
  return { response: await response, call: await call };
}

async function expectEnded({ response, call }: Awaited<ReturnType<typeof openStream>>): Promise<void> {
  const text = await response.text();
  expect(text).toContain("Once");
  expect(text).toContain("revoked_api_key");
  expect(text).toContain("The job was cancelled.");
  expect(text).not.toContain("[DONE]");
  expect(await call.ended).toBe("destroyed");
}

it("a revoked key ends its stream in words and frees the engine", async () => {
  const created = await asOperator("POST", `/members/${member.id}/keys`);
  const { id, key } = createdKeySchema.parse(await created.json());
  const open = await openStream(key);
  expect((await asOperator("DELETE", `/keys/${id}`)).status).toBe(204);
  await expectEnded(open);
  expect((await ask(key)).status).toBe(401);
});

it("a disabled member is refused, and served again once enabled", async () => {
  const open = await openStream(member.key);
  expect((await asOperator("POST", `/members/${member.id}/disable`)).status).toBe(200);
  await expectEnded(open);
  expect((await ask(member.key)).status).toBe(403);
  expect((await asOperator("POST", `/members/${member.id}/enable`)).status).toBe(200);
  await (await ask(member.key)).text();
});

it("the books agree after all of it", async () => {
  const audit = ledgerAuditSchema.parse(await (await asOperator("GET", "/ledger/verify")).json());
  expect(audit.lines).toBeGreaterThan(0);
  expect(audit.findings).toEqual([]);
});
