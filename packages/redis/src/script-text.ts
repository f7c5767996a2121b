import { assert, WAIT_EDGES_MS, type StorePolicy } from "@coop/core";
import { keyNamesForScripts } from "./keys.ts";

/** What a script's `one.x`, `many.x` and `policy.x` stand for, in Lua. */
export type LuaNames = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** The names that scripts under a key prefix use. */
export const luaNames = (prefix: string, policy: StorePolicy): LuaNames => ({
  ...keyNamesForScripts(prefix),
  policy: Object.fromEntries(
    Object.entries({ ...policy, waitEdges: WAIT_EDGES_MS }).map(([name, value]) => [name, luaValue(value)]),
  ),
});

/**
 * A script as Redis gets it. Redis runs a text from its first line at every call, so the text has only what it uses:
 * of `shared` those `local`s that it names, directly or through others, and for each name what it stands for.
 * @param shared top-level `local`s, each of which uses only those before it
 */
export function scriptText(script: string, shared: string, names: LuaNames): string {
  const text = withoutComments(shared)
    .split(/^(?=local )/m)
    .reduceRight((used, part) => (isUsed(part, used) ? part + used : used), withoutComments(script));
  return text.replaceAll(/\b(one|many|policy)\.(\w+)/g, (written, table: string, name: string) => {
    const value = names[table]?.[name];
    assert(value !== undefined, `scripts name only what there is, and not ${written}`);
    return value;
  });
}

const withoutComments = (text: string): string => text.replaceAll(/^ *--.*\n/gm, "");

function isUsed(part: string, by: string): boolean {
  const name = /^local (?:function )?(\w+)/.exec(part)?.[1];
  return name !== undefined && new RegExp(`\\b${name}\\b`).test(by);
}

/** A number, a list of them, or numbers by name. */
function luaValue(value: number | readonly number[] | Readonly<Record<string, number>>): string {
  if (typeof value === "number") return String(value);
  const parts = Array.isArray(value)
    ? value.map(String)
    : Object.entries(value).map(([name, part]) => `[${JSON.stringify(name)}]=${part}`);
  return `({${parts.join(",")}})`;
}
