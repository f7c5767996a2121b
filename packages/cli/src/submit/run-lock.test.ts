import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { lockRun } from "./run-lock.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "coop-lock-"));
  path = join(folder, "lock");
});
afterEach(() => rm(folder, { recursive: true }));

/** No process has it. */
const DEAD_PID = 2 ** 22 + 1;

it("keeps another living program out, and names it", async () => {
  await writeFile(path, String(process.ppid));
  expect(() => lockRun(path, "out.jsonl")).toThrow(new RegExp(`out\\.jsonl .* process ${process.ppid}`));
  expect(await readdir(folder)).toEqual(["lock"]);
});

it.each([
  ["a program that is gone", String(DEAD_PID)],
  ["an earlier program of the same id", String(process.pid)],
  ["nobody", "?"],
])("is taken over from %s, and is gone at the end", async (_, text) => {
  await writeFile(path, text);
  {
    using lock = lockRun(path, "out.jsonl");
    expect(lock).toBeDefined();
    expect(await readdir(folder)).toEqual(["lock"]);
  }
  expect(await readdir(folder)).toEqual([]);
});
