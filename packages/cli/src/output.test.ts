import { describe, expect, it } from "vitest";
import { renderTable, seconds } from "./output.ts";

describe("renderTable", () => {
  it("aligns columns under their headings", () => {
    const lines = renderTable(
      [{ heading: "NODE" }, { heading: "TOKENS", align: "right" }],
      [
        ["studio", "12"],
        ["pi", "3,456"],
      ],
    );
    expect(lines).toEqual(["NODE    TOKENS", "studio      12", "pi       3,456"]);
  });

  it("cuts flexible columns, and says so, until the table fits 100 columns", () => {
    const lines = renderTable(
      [{ heading: "A", flexible: true }, { heading: "B" }, { heading: "C", flexible: true }],
      [["a".repeat(60), "b".repeat(30), "c".repeat(60)]],
    );
    expect(Math.max(...lines.map((line) => line.length))).toBe(100);
    expect(lines[1]).toMatch(/^a{7}… {2}b{30} {2}c{57}…$/);
  });
});

it.each([
  [0.0421, "0.04 s"],
  [2.46, "2.5 s"],
  [41.4, "41 s"],
  [150, "3 min"],
])("%f seconds read %s", (value, text) => {
  expect(seconds(value)).toBe(text);
});
