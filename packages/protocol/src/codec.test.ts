import { buildNodeReport } from "@coop/core/testing";
import { expect, test } from "vitest";
import { decodeAgentFrame, decodeSchedulerFrame } from "./codec.ts";

const output = { kind: "output", job: "job_1", epoch: 1, seq: 1, tokens: 1 };

test("a report of an agent that knows of no hours and pauses sets no such limits", () => {
  const { tokensPerMonth, servingSecondsPerDay, availability, ...older } = buildNodeReport();
  expect(decodeAgentFrame(JSON.stringify({ kind: "report", report: older }))).toEqual({
    kind: "frame",
    frame: { kind: "report", report: { ...older, tokensPerMonth, servingSecondsPerDay, availability } },
  });
});

test.for<[string, string, object]>([
  ["cut off", `{"kind":"output","deltas":["a secret`, { kind: "bad", problem: "not JSON" }],
  ["words", "a secret", { kind: "bad", problem: "not JSON" }],
  ["without a kind", `{"text":"a secret"}`, { kind: "bad", problem: "no `kind`" }],
  [
    "of a wrong shape",
    JSON.stringify({ ...output, deltas: [{ kind: "content", text: ["a secret"] }] }),
    { kind: "bad", problem: expect.stringMatching(/^output: deltas\.0\.text /) },
  ],
  ["of an unknown kind", `{"kind":"rumour","text":"a secret"}`, { kind: "unknown", frameKind: "rumour" }],
])("a frame %s is told apart by what is wrong, with nothing of what it says", ([, text, decoded]) => {
  for (const decode of [decodeAgentFrame, decodeSchedulerFrame]) {
    expect(JSON.stringify(decode(text))).not.toContain("secret");
  }
  expect(decodeAgentFrame(text)).toEqual(decoded);
});
