import { describe, expect, test } from "vitest";
import { z } from "zod";
import { sampleOf } from "./json-sample.ts";

const shapes: readonly [what: string, schema: z.ZodType][] = [
  ["nested objects", z.object({ a: z.object({ b: z.string(), c: z.number().int() }), d: z.boolean() })],
  ["lists", z.object({ tags: z.array(z.string()).min(2), grid: z.array(z.array(z.number())) })],
  [
    "choices",
    z.object({ unit: z.enum(["C", "F"]), kind: z.literal("x"), either: z.union([z.string(), z.null()]) }),
  ],
  ["bounds", z.object({ age: z.number().int().min(18), name: z.string().min(20) })],
  ["optional fields", z.object({ a: z.string().optional(), b: z.string() })],
];

describe("a sample fits its schema", () => {
  test.each(shapes)("%s", (_what, schema) => {
    expect(schema.safeParse(sampleOf(z.toJSONSchema(schema)))).toMatchObject({ success: true });
  });

  test("that refers to its own parts, and to itself for ever", () => {
    const tree = {
      $defs: { node: { type: "object", properties: { next: { $ref: "#/$defs/node" } }, required: ["next"] } },
      type: "object",
      properties: { city: { $ref: "#/$defs/city" }, root: { $ref: "#/$defs/node" } },
    };
    expect(sampleOf(tree)).toMatchObject({ city: "simulated", root: { next: { next: {} } } });
  });

  test("that says nothing", () => {
    expect(sampleOf({ type: "object" })).toEqual({});
    expect(sampleOf(true)).toBeNull();
  });
});
