import { asMemberId } from "@coop/core";
import { expect, test } from "vitest";
import { createKeys } from "./keys.ts";
import { createUsageReader } from "./usage.ts";

type Fields = Readonly<Record<string, string>>;
const textOf = (fields: Fields): string => JSON.stringify(Object.entries(fields).flat());

/** Reads these fields as a member's usage. */
const read = (fields: Fields) =>
  createUsageReader(createKeys("{test}"), async () => textOf(fields)).month(asMemberId("mem_a"), "2026-11");

/** Reads these fields as the sums of a member's usage. */
const readSums = (fields: Fields) =>
  createUsageReader(createKeys("{test}"), async () => [textOf(fields)]).sums(
    [asMemberId("mem_a")],
    "2026-11",
  );

test("a row tells its place, and one without a place that there was none", async () => {
  const { rows } = await read({
    "row|2026-11-03|node_a|local-small|hf.co/a|b:q4": "1,2,3,4,5,6,7,8499",
    "row|2026-11-04": "0,0,1,0,0,0,0,0",
  });
  expect(rows).toMatchObject([
    {
      day: "2026-11-03",
      place: { node: "node_a", tier: "local-small", model: "hf.co/a|b:q4" },
      succeeded: 1,
      failed: 2,
      cancelled: 3,
      expired: 4,
      promptTokens: 5,
      outputTokens: 6,
      chargedTokens: 7,
      nodeMs: 8,
    },
    { day: "2026-11-04", place: null, cancelled: 1 },
  ]);
});

test("sums are of days and of places, and waits each in its bucket", async () => {
  const [sums] = await readSums({
    "day|2026-11-03": "1,2,3,4,5,6,7,8499",
    "place|node_a|local-small|hf.co/a|b:q4": "1,2,3,4,5,6,7,8499",
    place: "0,0,1,0,0,0,0,0",
    "wait|0": "2",
    "wait|21": "5",
  });
  expect(sums?.days).toMatchObject([{ day: "2026-11-03", failed: 2, nodeMs: 8_499 }]);
  expect(sums?.places).toMatchObject([
    { place: { node: "node_a", tier: "local-small", model: "hf.co/a|b:q4" }, chargedTokens: 7 },
    { place: null, cancelled: 1 },
  ]);
  expect(sums?.waits).toEqual([2, ...Array.from({ length: 20 }, () => 0), 5]);
});

test("a month without usage is empty", async () => {
  const whose = { member: "mem_a", month: "2026-11" };
  expect(await read({ "wait|2026-11-03|0": "2" })).toEqual({ ...whose, rows: [] });
  const waits = Array.from({ length: 22 }, () => 0);
  expect(await readSums({})).toEqual([{ ...whose, days: [], places: [], waits }]);
});

test.each([
  ["row|2026-11-03", "1,2,3,4,5,6,7"],
  ["row|2026-11-03", "1,2,3,4,5,6,7,8,9"],
  ["row|2026-11-03", "1,2,3,4,5,6,-7,8"],
  ["row|2026-11-03", "1,2,3,4,5,6,7,8.5"],
  ["row|yesterday", "1,2,3,4,5,6,7,8"],
  ["row|2026-11-03|node_a|huge|m", "1,2,3,4,5,6,7,8"],
  ["row|2026-11-03|node_a|edge", "1,2,3,4,5,6,7,8"],
  ["something|2026-11-03", "1"],
])("%s with %s is a broken invariant, not a number", async (field, text) => {
  await expect(read({ [field]: text })).rejects.toThrow(/broken invariant.*usage has/);
});

test.each([
  ["day|2026-11-03", "1,2,3,4,5,6,7"],
  ["day|2026-11-03|node_a", "1,2,3,4,5,6,7,8"],
  ["place|node_a|huge|m", "1,2,3,4,5,6,7,8"],
  ["place|node_a", "1,2,3,4,5,6,7,8"],
  ["wait|22", "1"],
  ["wait|1", "many"],
  ["wait", "1"],
])("a sum %s with %s is a broken invariant, not a number", async (field, text) => {
  await expect(readSums({ [field]: text })).rejects.toThrow(/broken invariant.*usage has/);
});
