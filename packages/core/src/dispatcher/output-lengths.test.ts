import { describe, expect, test } from "vitest";
import { asMemberId } from "../terms.ts";
import { createOutputLengths } from "./output-lengths.ts";

const chat = { member: asMemberId("mem_ada"), endpoint: "chat" } as const;

describe("output lengths", () => {
  test("start from what is usual, and from nothing for embeddings", () => {
    const outputs = createOutputLengths();
    expect(outputs.meansFor(chat)("llama3.2:3b")).toBe(210);
    expect(outputs.meansFor({ ...chat, endpoint: "embeddings" })("nomic-embed-text")).toBe(0);
  });

  test("come to a member's own mean on a model", () => {
    const outputs = createOutputLengths();
    for (let count = 0; count < 60; count += 1) outputs.learn(chat, "llama3.2:3b", 900);
    expect(outputs.meansFor(chat)("llama3.2:3b")).toBeCloseTo(900, 0);
    expect(outputs.meansFor({ ...chat, member: asMemberId("mem_bo") })("llama3.2:3b")).toBe(210);
  });

  test("a model that is new to a member takes the member's mean", () => {
    const outputs = createOutputLengths();
    for (let count = 0; count < 60; count += 1) outputs.learn(chat, "llama3.2:3b", 20);
    expect(outputs.meansFor(chat)("qwen3:8b")).toBeLessThan(30);
  });
});
