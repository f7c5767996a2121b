import { expect, test } from "vitest";
import { ALL_MODELS, allowsModel } from "./allowed-models.ts";

test.for([
  ["anything without a word against it", ALL_MODELS, "qwen3:8b", true],
  ["a name", { allow: ["qwen3:8b"], forbid: [] }, "qwen3:8b", true],
  ["another name", { allow: ["qwen3:8b"], forbid: [] }, "qwen3:32b", false],
  [
    "a name without its tag, which means the latest",
    { allow: ["llama3.2"], forbid: [] },
    "llama3.2:latest",
    true,
  ],
  ["but not any other tag", { allow: ["llama3.2"], forbid: [] }, "llama3.2:3b", false],
  ["a pattern", { allow: ["qwen3:*"], forbid: [] }, "qwen3:32b", true],
  ["a pattern in the middle", { allow: ["hf.co/*/phi*:q4"], forbid: [] }, "hf.co/me/phi-4:q4", true],
  ["a pattern whose parts would have to overlap", { allow: ["ab*ba"], forbid: [] }, "aba", false],
  ["a pattern that is almost met", { allow: ["qwen3:*"], forbid: [] }, "qwen2.5:7b", false],
  ["what is forbidden, though it is allowed", { allow: ["*"], forbid: ["*:cloud"] }, "gpt-oss:cloud", false],
  ["what is not forbidden", { allow: [], forbid: ["*:70b"] }, "llama3.3:8b", true],
] as const)("%s: %j on %s is %s", ([, models, name, allowed]) => {
  expect(allowsModel(models, name)).toBe(allowed);
});
