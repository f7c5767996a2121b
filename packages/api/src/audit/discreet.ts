import { PRIVACIES, TIERS } from "@coop/core";

/** Words of the co-op: they say what was asked and nothing of who. */
const WORDS: ReadonlySet<string> = new Set([
  ...TIERS,
  ...PRIVACIES,
  "member",
  "operator",
  "default",
  "tokens",
  "unlimited",
  "equal-share",
]);

const FIELD = /^[A-Za-z][A-Za-z-]{0,39}$/;
const MONTH = /^\d{4}-\d{2}$/;
const DEEPEST = 4;
const FIELDS_MOST = 40;

/**
 * A request as the audit log may keep it for good: fields, numbers and the co-op's own words. Any other text is
 * only said to be there: it may be a name, which erasing a member would have to take out of a log that cannot change.
 */
export function discreet(value: unknown, depth = 0): unknown {
  if (value === null || typeof value === "boolean" || typeof value === "number") return value;
  if (typeof value === "string") return WORDS.has(value) || MONTH.test(value) ? value : "(text)";
  if (typeof value !== "object" || depth === DEEPEST) return "(more)";
  if (Array.isArray(value)) return value.slice(0, FIELDS_MOST).map((item) => discreet(item, depth + 1));
  const fields = Object.entries(value).filter(([name]) => FIELD.test(name));
  return Object.fromEntries(
    fields.slice(0, FIELDS_MOST).map(([name, inner]) => [name, discreet(inner, depth + 1)]),
  );
}
