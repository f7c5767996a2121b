import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { hintsFor, shellWord, userPath } from "./invocation.ts";

const byNpm = { npm_package_name: "coop-cluster", INIT_CWD: "/home/ada/texts" };

describe("a hint", () => {
  it("goes through npm where npm started the program", () => {
    expect(hintsFor(byNpm)("explain job_1")).toBe("npm run coop -- explain job_1");
  });

  it("names the program where it was started by name, or by the script of another package", () => {
    expect(hintsFor({})("explain job_1")).toBe("coop explain job_1");
    expect(hintsFor({ npm_package_name: "my-app" })("jobs")).toBe("coop jobs");
  });

  it("quotes what a shell would take apart", () => {
    for (const word of ["plain.jsonl", "two words", "it's", "$HOME", "a\\b", "*"]) {
      expect(execFileSync("sh", ["-c", `printf %s ${shellWord(word)}`]).toString()).toBe(word);
    }
  });
});

it("takes a path from where npm was called", () => {
  expect(userPath(byNpm, "batch.jsonl")).toBe("/home/ada/texts/batch.jsonl");
  expect(userPath(byNpm, "/tmp/batch.jsonl")).toBe("/tmp/batch.jsonl");
  expect(userPath({ INIT_CWD: "/elsewhere" }, "/tmp/../tmp/b")).toBe("/tmp/b");
});
