import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonDepth, locateJsonFlaw } from "./json-text.ts";

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

const depthOf = (value: unknown): number =>
  typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;

describe("depth", () => {
  test("is that of the value, whatever its strings hold", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 2), (value, indent) => {
        expect(jsonDepth(JSON.stringify(value, null, indent))).toBe(depthOf(value));
      }),
    );
    expect(jsonDepth(String.raw`["[[[", "\"[[[", "\\"]`)).toBe(1);
  });
});

describe("the flaw of a text that is no JSON", () => {
  /** Text near JSON: a value's own, cut or with a few characters replaced. */
  const nearJson = fc
    .tuple(
      fc.jsonValue({ maxDepth: 3 }),
      fc.nat(60),
      fc.constantFrom("", "{", "}", "[", "]", ",", ":", '"', "\\", "x", "\n", "1", "-", "."),
      fc.nat(3),
    )
    .map(([value, at, put, dropped]) => {
      const text = JSON.stringify(value);
      return text.slice(0, at) + put + text.slice(at + dropped);
    })
    .filter((text) => !parses(text));

  test("is named by line and column too, and lies inside the text", () => {
    fc.assert(
      fc.property(nearJson, (text) => {
        const { offset, line, column } = locateJsonFlaw(text);
        expect(offset).toBeLessThanOrEqual(text.length);
        const before = text.slice(0, offset).split("\n");
        expect([line, column]).toEqual([before.length, (before.at(-1) ?? "").length + 1]);
      }),
    );
  });

  test("agrees with the engine's own message where that has a position", () => {
    fc.assert(
      fc.property(nearJson, (text) => {
        let said: string | undefined;
        try {
          JSON.parse(text);
        } catch (error) {
          said = error instanceof Error ? /at position (\d+)/.exec(error.message)?.[1] : undefined;
        }
        fc.pre(said !== undefined && !/Bad escaped|Unterminated|number|fraction|exponent/i.test(said));
        expect(Math.abs(locateJsonFlaw(text).offset - Number(said))).toBeLessThanOrEqual(4);
      }),
    );
  });

  test("is found in a long text without deep recursion", () => {
    const text = `{"a": "${"x".repeat(3_000_000)}", "b": ${"[".repeat(100_000)} oops`;
    expect(locateJsonFlaw(text).offset).toBe(text.indexOf("oops"));
  });
});
