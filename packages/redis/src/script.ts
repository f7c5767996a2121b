import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { StorePolicy } from "@coop/core";
import type { Redis } from "ioredis";
import { luaNames, scriptText } from "./script-text.ts";
import { answered } from "./store-unavailable.ts";

export type ScriptName =
  | "admit"
  | "lease"
  | "accept"
  | "append"
  | "renew"
  | "finish"
  | "expire"
  | "cancel"
  | "cancel-attached"
  | "settle-node"
  | "refund"
  | "grant"
  | "sum-usage"
  | "read-usage"
  | "read-sums"
  | "settle-absent"
  | "sweep"
  | "append-audit"
  | "deliver"
  | "mark-erased"
  | "erase-job"
  | "erase-node"
  | "rename-in-output"
  | "swap-text"
  | "campaign"
  | "resign"
  | "publish-fleet"
  | "add-member"
  | "set-member"
  | "disable-member"
  | "add-key"
  | "read-key"
  | "revoke-key"
  | "limit-key"
  | "use-key"
  | "redeem"
  | "revoke-node"
  | "drain-node"
  | "record-offer"
  | "read-mirror"
  | "clear-dirty";

/** Runs one of the scripts of `scripts/`; `key` is its KEYS[1], `args` its ARGV. */
export type RunScript = (
  name: ScriptName,
  key: string,
  args: readonly (string | number)[],
) => Promise<unknown>;

/** Hears how long each step in Redis took, from the call to its answer, seconds. */
export type OnStep = (step: ScriptName, seconds: number) => void;

/**
 * Loads the scripts of one prefix. Each is sent once in full and then by its hash; a Redis that has
 * forgotten it (a restart) gets it again.
 * @param onStep hears of the steps that were answered; those that failed tell nothing of Redis' pace
 */
export function createScripts(
  redis: Redis,
  prefix: string,
  policy: StorePolicy,
  onStep: OnStep = () => undefined,
): RunScript {
  const folder = join(import.meta.dirname, "scripts");
  const names = luaNames(prefix, policy);
  const shared = readFileSync(join(folder, "_common.lua"), "utf8");
  const loaded = new Map<ScriptName, { readonly text: string; readonly sha: string }>();

  const load = (name: ScriptName): { readonly text: string; readonly sha: string } => {
    const known = loaded.get(name);
    if (known !== undefined) return known;
    const text = scriptText(readFileSync(join(folder, `${name}.lua`), "utf8"), shared, names);
    const script = { text, sha: createHash("sha1").update(text).digest("hex") };
    loaded.set(name, script);
    return script;
  };

  const run = async (name: ScriptName, key: string, args: readonly (string | number)[]): Promise<unknown> => {
    const { text, sha } = load(name);
    try {
      return await redis.evalsha(sha, 1, key, ...args);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith("NOSCRIPT"))) throw error;
      return await redis.eval(text, 1, key, ...args);
    }
  };
  return async (name, key, args) => {
    const beganMs = performance.now();
    const answer = await answered(run(name, key, args));
    onStep(name, (performance.now() - beganMs) / 1000);
    return answer;
  };
}
