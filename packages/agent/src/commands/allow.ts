import { changeSettings } from "../owner/settings-file.ts";
import type { OwnerCommandDeps } from "./owner.ts";

/**
 * Sets which models the co-op may use: `all`, or the given names and patterns.
 * @throws OperationalError `bad-setting`; nothing is changed then
 */
export const allowModels = (deps: OwnerCommandDeps, patterns: readonly string[]): Promise<void> =>
  setModels(deps, "allow", patterns.join() === "all" ? [] : patterns);

/**
 * Sets which models the co-op may not use, whatever is allowed: `none`, or the given names and patterns.
 * @throws OperationalError `bad-setting`; nothing is changed then
 */
export const forbidModels = (deps: OwnerCommandDeps, patterns: readonly string[]): Promise<void> =>
  setModels(deps, "forbid", patterns.join() === "none" ? [] : patterns);

async function setModels(
  { home, say }: OwnerCommandDeps,
  list: "allow" | "forbid",
  patterns: readonly string[],
): Promise<void> {
  const { owner } = await changeSettings(home, [{ path: ["models", list], value: patterns }]);
  const { allow, forbid } = owner.models;
  say(
    `The co-op may use ${allow.length === 0 ? "every model" : allow.join(", ")}${forbid.length === 0 ? "." : ` but ${forbid.join(", ")}.`}`,
  );
  say("`agent models` shows what that comes to.");
}
