import { describe, expect, it } from "vitest";
import { differenceOf, idempotencyKey, identifyRun } from "./run.ts";

const options = { model: null, privacy: null, deadlineSeconds: null };
const bytes = Buffer.from("lines");
const run = identifyRun(bytes, "/data/batch.results.jsonl", options);

describe("a run", () => {
  it("is the same for the same file, results and options", () => {
    expect(identifyRun(Buffer.from("lines"), "/data/batch.results.jsonl", { ...options })).toEqual(run);
  });

  it.each([
    ["another file", identifyRun(Buffer.from("line"), "/data/batch.results.jsonl", options)],
    ["other results", identifyRun(bytes, "/data/more.results.jsonl", options)],
    ["another model", identifyRun(bytes, "/data/batch.results.jsonl", { ...options, model: "m" })],
    ["another privacy", identifyRun(bytes, "/data/batch.results.jsonl", { ...options, privacy: "own" })],
    [
      "another deadline",
      identifyRun(bytes, "/data/batch.results.jsonl", { ...options, deadlineSeconds: 60 }),
    ],
    ["a salt", identifyRun(bytes, "/data/batch.results.jsonl", options, "anew")],
  ])("is another for %s", (_, other) => {
    expect(other.id).not.toBe(run.id);
    expect(idempotencyKey(other, 1, 1)).not.toBe(idempotencyKey(run, 1, 1));
  });

  it("has a key for each line and round, short enough for a header", () => {
    const keys = [
      idempotencyKey(run, 1, 1),
      idempotencyKey(run, 2, 1),
      idempotencyKey(run, 1, 2),
      idempotencyKey(run, 11, 1),
    ];
    expect(new Set(keys).size).toBe(4);
    expect(Math.max(...keys.map((key) => key.length))).toBeLessThanOrEqual(255);
    expect(idempotencyKey(run, 1, 1)).toBe(keys[0]);
  });

  it("says what changed since it began", () => {
    const wanted = (changes: object, file = bytes) =>
      differenceOf(run, identifyRun(file, "/data/batch.results.jsonl", { ...options, ...changes }));
    expect(wanted({})).toBeNull();
    expect(wanted({}, Buffer.from("x"))).toMatch(/file has changed/);
    expect(wanted({ privacy: "own" })).toBe("it began without --privacy");
    const timed = identifyRun(bytes, "/r", { ...options, deadlineSeconds: 60 });
    expect(differenceOf(timed, run)).toBe("it began with --deadline 60s");
  });
});
