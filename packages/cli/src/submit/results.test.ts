import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { keptResults, openResults } from "./results.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "coop-results-"));
  path = join(folder, "results.jsonl");
});
afterEach(() => rm(folder, { recursive: true }));

const NOTHING = { lines: 0, bytes: 0 };
const ids = Array.from({ length: 6 }, (_, index) => `r${index}`);
const result = (index: number): string => JSON.stringify({ custom_id: ids[index], text: "å".repeat(index) });
const text = (count: number): string =>
  ids
    .slice(0, count)
    .map((_, index) => `${result(index)}\n`)
    .join("");
const fits = (index: number, id: string): boolean => ids[index] === id;

describe("results", () => {
  it("are written in order, whatever order they come in, each told of before", async () => {
    const told: number[] = [];
    {
      using results = openResults(path, NOTHING, (index) => told.push(index));
      for (const index of [2, 1]) results.put(index, result(index));
      expect(await readFile(path, "utf8")).toBe("");
      results.put(0, result(0));
      expect(await readFile(path, "utf8")).toBe(text(3));
      for (const index of [5, 4, 3]) results.put(index, result(index));
    }
    expect(await readFile(path, "utf8")).toBe(text(6));
    expect(told).toEqual([0, 1, 2, 3, 4, 5]);
    expect(await readdir(folder)).toEqual(["results.jsonl"]);
  });

  it("survive a crash at every byte: whole ones are kept, and the file goes on behind them", async () => {
    const whole = Buffer.from(text(3));
    for (let bytes = 0; bytes <= whole.length; bytes += 1) {
      await writeFile(path, whole.subarray(0, bytes));
      const kept = await keptResults(path, fits);
      expect(kept.bytes).toBe(Buffer.byteLength(text(kept.lines)));
      expect(kept.bytes).toBeLessThanOrEqual(bytes);
      {
        using results = openResults(path, kept, () => undefined);
        for (let index = 2; index >= kept.lines; index -= 1) results.put(index, result(index));
      }
      expect(await readFile(path, "utf8")).toBe(text(3));
    }
  });

  it("are kept up to the first that is another's or not final", async () => {
    await writeFile(path, `${text(2)}${result(4)}\n${result(3)}\n`);
    expect(await keptResults(path, fits)).toEqual({ lines: 2, bytes: Buffer.byteLength(text(2)) });
    expect((await keptResults(path, (index, id) => fits(index, id) && index < 1)).lines).toBe(1);
    await writeFile(path, `not JSON\n${text(2)}`);
    expect(await keptResults(path, fits)).toEqual(NOTHING);
  });

  it("are read over the limits of a block", async () => {
    const long = (id: string): string => JSON.stringify({ custom_id: id, text: "x".repeat(150_000) });
    await writeFile(path, `${long("r0")}\n${long("r1")}\n`);
    expect((await keptResults(path, fits)).lines).toBe(2);
  });
});
