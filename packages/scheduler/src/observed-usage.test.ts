import fc from "fast-check";
import { expect, test } from "vitest";
import { believedFrameTokens, believedUsage, observedBytes } from "./observed-usage.ts";

test("bytes are those of the text, in UTF-8, of whatever kind", () => {
  expect(observedBytes([{ kind: "content", text: "åäö" }])).toBe(6);
  expect(
    observedBytes([
      { kind: "reasoning", text: "so" },
      { kind: "tool-call", index: 0, call: { id: "call_1", name: "add", arguments: "{}" } },
      { kind: "embedding", index: 0, vector: [0.5] },
    ]),
  ).toBe(7);
});

test("what is claimed is believed up to what was seen, and never raised", () => {
  const count = fc.nat(1_000_000);
  fc.assert(
    fc.property(count, count, count, count, (promptTokens, outputTokens, promptTokensMax, bytes) => {
      const believed = believedUsage({ promptTokens, outputTokens }, { promptTokensMax }, bytes);
      expect(believed.outputTokens).toBe(Math.min(outputTokens, bytes + 64));
      expect(believed.promptTokens).toBe(Math.min(promptTokens, promptTokensMax));
      expect(believedFrameTokens(outputTokens, bytes)).toBeLessThanOrEqual(bytes + 8);
    }),
  );
});
