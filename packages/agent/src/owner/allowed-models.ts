import { modelAnswersTo } from "@coop/core";

/** The models that an owner lets the co-op use, by name or pattern; `*` stands for any characters. */
export interface AllowedModels {
  /** Empty: every model that is not forbidden. */
  readonly allow: readonly string[];
  /** Goes before `allow`. */
  readonly forbid: readonly string[];
}

export const ALL_MODELS: AllowedModels = { allow: [], forbid: [] };

export const allowsModel = ({ allow, forbid }: AllowedModels, name: string): boolean =>
  (allow.length === 0 || allow.some((pattern) => matches(pattern, name))) &&
  !forbid.some((pattern) => matches(pattern, name));

function matches(pattern: string, name: string): boolean {
  if (!pattern.includes("*")) return modelAnswersTo(name, pattern);
  // The parts between the stars, in order; the first and the last at the ends.
  const parts = pattern.split("*");
  const first = parts[0] ?? "";
  const last = parts.at(-1) ?? "";
  if (!name.startsWith(first)) return false;
  let from = first.length;
  for (const part of parts.slice(1, -1)) {
    const at = name.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  return name.length - last.length >= from && name.endsWith(last);
}
