import { describe, expect, it } from "vitest";
import { createClient } from "../client.ts";
import { hintsFor } from "../invocation.ts";
import { captureOutput } from "../testing/captured-output.ts";
import { buildMemberView } from "../testing/builders.ts";
import { problem, startScriptedCoop } from "../testing/scripted-coop.ts";
import { eraseMember } from "./erase-member.ts";
import type { Ask } from "./erase-member.ts";

const erasure = {
  object: "coop.erasure",
  member: "mem_1",
  name: "erased-mem_1",
  jobs: 3,
  keys: 1,
  nodes: 0,
  journal: "kept",
};

async function erase(sure: boolean, ask: Ask, json = false) {
  const asked: string[] = [];
  await using coop = await startScriptedCoop((route) => {
    asked.push(route);
    if (route === "GET /admin/members/maja") return { status: 200, json: buildMemberView({ name: "maja" }) };
    if (route === "DELETE /admin/members/maja") return { status: 200, json: erasure };
    return { status: 404, json: problem(`no ${route}`) };
  });
  const output = captureOutput();
  const hint = hintsFor({});
  const source = { key: "coop_a_b", place: "a test" };
  const client = createClient({ url: coop.url, source, hint, signal: new AbortController().signal });
  const failure = await eraseMember({ client, output, json, hint }, "maja", sure, ask).then(
    () => null,
    (error: unknown) => error,
  );
  return { printed: output.stdout(), failure, erased: asked.includes("DELETE /admin/members/maja") };
}

describe("members erase", () => {
  it("asks for the name, and erases whom it was told", async () => {
    const questions: string[] = [];
    const { printed, erased } = await erase(false, async (question) => {
      questions.push(question);
      return " maja\n";
    });
    expect(questions).toEqual([expect.stringContaining("for good")]);
    expect(erased).toBe(true);
    expect(printed.split("\n")).toEqual([
      "Erased: 3 jobs, 1 key, 0 nodes. What is left are counts, under the name erased-mem_1.",
      expect.stringContaining("BGREWRITEAOF"),
      "",
    ]);
  });

  it("erases nobody on another answer, or where nobody can answer", async () => {
    for (const ask of [async () => "yes", async () => "", null]) {
      const { failure, erased } = await erase(false, ask);
      expect(failure).toMatchObject({
        code: "not-confirmed",
        message: expect.stringContaining("Nothing was erased"),
      });
      expect(erased).toBe(false);
    }
  });

  it("asks nothing with --yes", async () => {
    const { printed, erased } = await erase(true, null, true);
    expect(erased).toBe(true);
    expect(JSON.parse(printed)).toEqual(erasure);
  });
});
