import fc from "fast-check";
import { expect, test } from "vitest";
import { estimatePrompt } from "./prompt.ts";

test("holds a token a byte, 64 for the template and 1,000 an image", () => {
  expect(estimatePrompt({ bytes: 1001, images: 0 }).promptTokensMax).toBe(1001 + 64);
  expect(estimatePrompt({ bytes: 0, images: 2 }).promptTokensMax).toBe(64 + 2000);
});

test("expects a quarter of a token a byte, and never nothing", () => {
  expect(estimatePrompt({ bytes: 4000, images: 1 }).promptTokens).toBe(2000);
  expect(estimatePrompt({ bytes: 0, images: 0 }).promptTokens).toBe(1);
});

test("holds at least what it expects, in whole tokens, and more for more", () => {
  const size = fc.record({ bytes: fc.nat(5_000_000), images: fc.nat(50) });
  fc.assert(
    fc.property(size, fc.nat(1000), (prompt, more) => {
      const estimate = estimatePrompt(prompt);
      const longer = estimatePrompt({ ...prompt, bytes: prompt.bytes + more });
      return (
        Number.isInteger(estimate.promptTokensMax) &&
        Number.isInteger(estimate.promptTokens) &&
        estimate.promptTokensMax >= estimate.promptTokens &&
        longer.promptTokensMax >= estimate.promptTokensMax
      );
    }),
  );
});
