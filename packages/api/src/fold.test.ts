import { asNodeId } from "@coop/core";
import type { Delta } from "@coop/core";
import { expect, test } from "vitest";
import { createFold } from "./fold.ts";
import type { Placed } from "./fold.ts";

const placed: Placed = {
  kind: "placed",
  node: asNodeId("node_air"),
  nodeName: "air",
  model: "llama3.2:3b",
  tier: "edge",
  restarted: false,
};

const deltasOf = (word: string): readonly Delta[] => [
  { kind: "reasoning", text: `think ${word}` },
  { kind: "content", text: word },
  { kind: "logprobs", tokens: [{ token: word, logprob: -1, bytes: null, top: [] }] },
  { kind: "tool-call", index: 0, call: { id: word, name: "f", arguments: "{}" } },
  { kind: "embedding", index: 0, vector: [word.length] },
];

test("an attempt that starts anew discards all that the one before had produced", () => {
  const anew = createFold();
  const once = createFold();
  for (const fold of [anew, once]) {
    fold.take(placed);
    if (fold === anew) {
      fold.take({ kind: "deltas", deltas: deltasOf("wrong") });
      fold.take({ ...placed, restarted: true });
    }
    fold.take({ kind: "deltas", deltas: deltasOf("right") });
  }
  expect(anew.result()).toEqual({ ...once.result(), placed: { ...placed, restarted: true } });
  expect(once.result()).toMatchObject({
    content: "right",
    reasoning: "think right",
    logprobs: [{ token: "right" }],
    toolCalls: [{ id: "right" }],
    embeddings: [[5]],
    end: null,
  });
});

test("calls and vectors are put in order, whatever order they came in", () => {
  const fold = createFold();
  fold.take(placed);
  for (const index of [2, 0, 1]) {
    const call = { id: `c${index}`, name: "f", arguments: "{}" };
    fold.take({
      kind: "deltas",
      deltas: [
        { kind: "tool-call", index, call },
        { kind: "embedding", index, vector: [index] },
      ],
    });
  }
  const { toolCalls, embeddings } = fold.result();
  expect(toolCalls.map(({ id }) => id)).toEqual(["c0", "c1", "c2"]);
  expect(embeddings).toEqual([[0], [1], [2]]);
});
