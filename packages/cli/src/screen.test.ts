import { expect, it } from "vitest";
import { createScreen } from "./screen.ts";

/** What a terminal shows after the sequences that a screen writes; throws on any other. */
function shown(written: string): string[] {
  const lines = [""];
  let row = 0;
  for (const [token] of written.replaceAll("\u001b", "^").matchAll(/\^\[\d*[A-Z]|\r|\n|[^^\r\n]+|\^/g)) {
    const [, up] = /^\^\[(\d+)A$/.exec(token) ?? [];
    if (up !== undefined) row -= Number(up);
    else if (token === "^[J") lines.splice(row, Infinity, "");
    else if (token === "\n") lines[(row += 1)] ??= "";
    else if (token === "\r" || token === "^[K") continue;
    else if (token.startsWith("^")) throw new Error(`not understood: ${JSON.stringify(token)}`);
    else lines[row] = token;
    if (row < 0) throw new Error("drew above its own place");
  }
  return lines;
}

it("draws over what it drew, also when there is less of it, and leaves it when told to", () => {
  let written = "";
  const screen = createScreen({ columns: 12, rows: 4, write: (text) => (written += text) });
  screen.draw(["one", "two", "three"]);
  screen.draw(["four"]);
  expect(shown(written)).toEqual(["four", ""]);
  screen.draw(["a line that is too long", "2", "3", "4", "5"]);
  expect(shown(written)).toEqual(["a line that", "2", "3", ""]);
  screen.draw(["a line that", "2", "3", "4"]);
  screen.leave();
  screen.draw(["below"]);
  expect(shown(written)).toEqual(["a line that", "2", "3", "below", ""]);
});
