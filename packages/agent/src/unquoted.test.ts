import type { EngineRequest } from "@coop/protocol";
import { expect, test } from "vitest";
import { unquoted } from "./unquoted.ts";

const secret = "the letter that nobody else is to read";
const chat = (changes: object): EngineRequest => ({
  kind: "chat",
  messages: [{ role: "user", content: "hello" }],
  sampling: {},
  maxOutputTokens: 8,
  ...changes,
});

test.for<[string, EngineRequest]>([
  ["a message", chat({ messages: [{ role: "user", content: `Read ${secret}.` }] })],
  ["a tool's schema", chat({ tools: [{ name: "f", parameters: { properties: { [secret]: {} } } }] })],
  ["the answer's format", chat({ format: { description: secret } })],
  ["an input", { kind: "embed", inputs: ["one", secret] }],
])("words that quote %s are left out, wherever the quote lies in them", ([, request]) => {
  for (let shift = 0; shift < 5; shift += 1) {
    for (const quote of [secret, secret.slice(7, 22)]) {
      const words = `the engine answered 400: ${"x".repeat(shift)}"${quote}"`;
      expect(unquoted(words, request)).not.toContain(quote);
    }
  }
});

test("words of the engine's own stay as they are", () => {
  const words = "the engine answered 500: llama runner process has terminated";
  expect(unquoted(words, chat({}))).toBe(words);
  expect(unquoted("", chat({}))).toBe("");
});
