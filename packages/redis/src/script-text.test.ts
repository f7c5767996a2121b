import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defaultStorePolicy } from "@coop/core";
import { expect, test } from "vitest";
import { luaNames, scriptText } from "./script-text.ts";

const names = luaNames("{test}", { ...defaultStorePolicy, retentionMs: 7 });
const shared = `-- What all share: helper, idle.
local call = redis.call

local function helper()
  -- Calls idle? No.
  return call('GET', one.fence)
end

local function idle()
  return policy.nothing
end
`;

test("a script has only what it uses, directly or through others, and what names stand for", () => {
  expect(scriptText("return helper() + policy.retentionMs", shared, names)).toBe(`local call = redis.call

local function helper()
  return call('GET', "{test}:fence")
end

return helper() + 7`);
  expect(scriptText("return many.job .. ARGV[1]", shared, names)).toBe('return "{test}:job:" .. ARGV[1]');
  expect(scriptText("return policy.creditPerMille.edge", shared, names)).toMatch(
    /^return \(\{\["edge"\]=250,.*\}\)\.edge$/,
  );
});

test("a script that names what is not there is refused", () => {
  expect(() => scriptText("return idle()", shared, names)).toThrow("policy.nothing");
  expect(() => scriptText("return one.thing", shared, names)).toThrow("one.thing");
});

test("every script has its names, and no table of all of them", () => {
  const folder = join(import.meta.dirname, "scripts");
  const common = readFileSync(join(folder, "_common.lua"), "utf8");
  const scripts = readdirSync(folder).filter((file) => !file.startsWith("_"));
  expect(scripts).not.toEqual([]);
  for (const file of scripts) {
    const text = scriptText(readFileSync(join(folder, file), "utf8"), common, names);
    expect(text, file).not.toMatch(/\b(one|many|policy)\b[.[]/);
  }
});
