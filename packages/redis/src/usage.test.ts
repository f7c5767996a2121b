import { asMemberId } from "@coop/core";
import { expect, test } from "vitest";
import { createKeys } from "./keys.ts";
import { createUsageReader } from "./usage.ts";

/** Reads these fields as a member's usage. */
const read = (fields: Readonly<Record<string, string>>) =>
  createUsageReader(createKeys("{test}"), async () => JSON.stringify(Object.entries(fields).flat())).month(
    asMemberId("mem_a"),
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

test("waits come by day, each in its bucket", async () => {
  const { waits, rows } = await read({ "wait|2026-11-03|0": "2", "wait|2026-11-03|21": "5" });
  expect(rows).toEqual([]);
  expect(waits).toHaveLength(1);
  expect([waits[0]?.jobs[0], waits[0]?.jobs[1], waits[0]?.jobs[21]]).toEqual([2, 0, 5]);
});

test("a month without usage is empty", async () => {
  expect(await read({})).toEqual({ member: "mem_a", month: "2026-11", rows: [], waits: [] });
});

test.each([
  ["row|2026-11-03", "1,2,3,4,5,6,7"],
  ["row|2026-11-03", "1,2,3,4,5,6,7,8,9"],
  ["row|2026-11-03", "1,2,3,4,5,6,-7,8"],
  ["row|2026-11-03", "1,2,3,4,5,6,7,8.5"],
  ["row|yesterday", "1,2,3,4,5,6,7,8"],
  ["row|2026-11-03|node_a|huge|m", "1,2,3,4,5,6,7,8"],
  ["row|2026-11-03|node_a|edge", "1,2,3,4,5,6,7,8"],
  ["wait|2026-11-03|22", "1"],
  ["wait|2026-11-03|1", "many"],
  ["something|2026-11-03", "1"],
])("%s with %s is a broken invariant, not a number", async (field, text) => {
  await expect(read({ [field]: text })).rejects.toThrow(/broken invariant.*usage has/);
});
