/** Where something is in a JSON value: keys and positions from its root. */
export type JsonPath = readonly string[];

/** Every place in a value, its root first. */
export const pathsIn = (value: unknown): readonly JsonPath[] =>
  typeof value === "object" && value !== null
    ? [[], ...Object.entries(value).flatMap(([key, inner]) => pathsIn(inner).map((path) => [key, ...path]))]
    : [[]];

/** The value with what is at the path replaced; undefined takes it away. A path that leads nowhere changes nothing. */
export function replaceAt(value: unknown, [head, ...rest]: JsonPath, put: unknown): unknown {
  if (head === undefined) return put;
  if (typeof value !== "object" || value === null) return value;
  const replaced = (key: string, inner: unknown): unknown =>
    key === head ? replaceAt(inner, rest, put) : inner;
  return Array.isArray(value)
    ? value.map((item: unknown, index) => replaced(String(index), item))
    : Object.fromEntries(
        Object.entries(value).map(([key, inner]: [string, unknown]) => [key, replaced(key, inner)]),
      );
}

/** Values that readers of JSON trip over, beside random ones. */
export const AWKWARD_VALUES: readonly unknown[] = [
  null,
  "",
  "__proto__",
  "constructor",
  "\u0000",
  "\ud800",
  "x".repeat(5_000),
  -1,
  0,
  0.5,
  1e308,
  2 ** 53,
  true,
  [],
  {},
  [[]],
];
