import { headerText } from "./job-headers.ts";
import type { ApiContext } from "./deps.ts";

/** Most fields that the header names, and most characters of one. */
const NAMED_MOST = 20;
const NAME_CHARACTERS_MOST = 100;

/**
 * Paths of what was sent and not read, without the positions in lists: `messages[].name`. Pure: no I/O.
 * @param read what the schema made of `sent`: the same value without the fields that the schema does not know
 */
export function ignoredFields(sent: unknown, read: unknown, path = ""): ReadonlySet<string> {
  const ignored = new Set<string>();
  const walk = (from: unknown, to: unknown, at: string): void => {
    if (!isContainer(from) || !isContainer(to)) return;
    for (const [key, value] of Object.entries(from)) {
      const name = Array.isArray(from) ? `${at}[]` : at === "" ? key : `${at}.${key}`;
      if (!Object.hasOwn(to, key)) ignored.add(name);
      else walk(value, to[key], name);
    }
  };
  walk(sent, read, path);
  return ignored;
}

const isContainer = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

/** Tells the member which fields changed nothing. */
export function setIgnoredHeader(c: ApiContext, ignored: ReadonlySet<string>): void {
  if (ignored.size === 0) return;
  const named = [...ignored]
    .slice(0, NAMED_MOST)
    .map((name) => headerText(name.slice(0, NAME_CHARACTERS_MOST)));
  const more = ignored.size - named.length;
  c.header("x-coop-ignored-fields", [...named, ...(more > 0 ? [`and ${more} more`] : [])].join(", "));
}
