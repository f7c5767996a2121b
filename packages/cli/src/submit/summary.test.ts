import { buildJobView } from "../testing/builders.ts";
import { problem } from "../testing/scripted-coop.ts";
import { describe, expect, it } from "vitest";
import { lineEnd, resultLine } from "./result-line.ts";
import type { LineOutcome } from "./run-line.ts";
import { identifyRun } from "./run.ts";
import { failureSentence, summarize, summaryTable } from "./summary.ts";

const run = identifyRun(Buffer.from("x"), "/r", { model: null, privacy: null, deadlineSeconds: null });
const answered: LineOutcome = { kind: "answered", job: buildJobView(), body: { object: "chat.completion" } };
const expired: LineOutcome = {
  kind: "unsuccessful",
  job: buildJobView({
    id: "job_2",
    state: "expired",
    nodeName: null,
    node: null,
    model: null,
    tier: null,
    promptTokens: null,
    outputTokens: 0,
    error: { code: "expired", message: "deadline" },
  }),
};
const refused: LineOutcome = { kind: "refused", status: 422, problem: problem("No node can.") };

describe("a result", () => {
  it("has the shape of OpenAI's batch output", () => {
    expect(JSON.parse(resultLine(run, 1, "a", answered))).toEqual({
      id: "batch_req_job_1",
      custom_id: "a",
      response: { status_code: 200, request_id: "job_1", body: { object: "chat.completion" } },
      error: null,
    });
    expect(JSON.parse(resultLine(run, 2, "b", expired))).toEqual({
      id: "batch_req_job_2",
      custom_id: "b",
      response: null,
      error: { code: "expired", message: "deadline" },
    });
    expect(JSON.parse(resultLine(run, 3, "c", refused))).toMatchObject({
      custom_id: "c",
      response: { status_code: 422, body: { error: { message: "No node can." } } },
      error: null,
    });
  });

  it("is one line, whatever the text", () => {
    const body = { text: "one\ntwo\r\u2028three" };
    const line = resultLine(run, 1, "a\nb", { ...answered, body });
    expect(line).not.toMatch(/[\n\r]/);
    expect(JSON.parse(line)).toMatchObject({ custom_id: "a\nb", response: { body } });
  });
});

describe("the summary", () => {
  const summary = summarize([answered, answered, expired, refused].map(lineEnd));

  it("counts by node and model, and failures by reason", () => {
    expect(summary).toMatchObject({
      lines: 4,
      succeeded: 2,
      failed: 2,
      where: [
        {
          node: "pi",
          model: "llama3.2:3b",
          tier: "edge",
          lines: 2,
          failed: 0,
          promptTokens: 20,
          outputTokens: 40,
        },
        { node: null, lines: 2, failed: 2, promptTokens: 0, outputTokens: 0 },
      ],
      failures: { expired: 1, some_code: 1 },
    });
    expect(failureSentence(summary)).toBe("2 of 4 lines failed: expired 1, some_code 1.");
  });

  it("is a table", () => {
    expect(summaryTable(summary).slice(1)).toEqual([
      expect.stringMatching(/^pi +llama3\.2:3b +edge +2 +0 +20 +40$/),
      expect.stringMatching(/^\(never placed\) +2 +2 +0 +0$/),
    ]);
  });
});
