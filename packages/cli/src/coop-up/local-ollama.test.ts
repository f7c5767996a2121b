import { expect, it } from "vitest";
import { startScriptedCoop } from "../testing/scripted-coop.ts";
import type { Reply } from "../testing/scripted-coop.ts";
import { findOllama } from "./local-ollama.ts";

const never = new AbortController().signal;

async function found(replies: Readonly<Record<string, Reply>>) {
  await using server = await startScriptedCoop((route) => replies[route] ?? { status: 404, text: "" });
  return await findOllama(server.url, never);
}

it("finds an Ollama and its models", async () => {
  expect(
    await found({
      "GET /api/version": { status: 200, json: { version: "0.35.1" } },
      "GET /api/tags": { status: 200, json: { models: [{ name: "llama3.2:3b", size: 1 }] } },
    }),
  ).toEqual({ kind: "present", version: "0.35.1", models: ["llama3.2:3b"] });
});

it.each<[string, Readonly<Record<string, Reply>>]>([
  ["something else", { "GET /api/version": { status: 200, text: "<html>" } }],
  ["an error", {}],
  ["a connection that breaks", { "GET /api/version": "hang-up" }],
])("does not take %s for one", async (_, replies) => {
  expect(await found(replies)).toEqual({ kind: "absent" });
});

it("finds none where nothing listens", async () => {
  const gone = await startScriptedCoop(() => "silence");
  await gone[Symbol.asyncDispose]();
  expect(await findOllama(gone.url, never)).toEqual({ kind: "absent" });
});
