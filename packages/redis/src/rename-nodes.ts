import { OperationalError, type NodeId } from "@coop/core";
import type { Redis } from "ioredis";
import type { Keys } from "./keys.ts";
import type { RunScript } from "./script.ts";
import { answered } from "./store-unavailable.ts";

/** New names by node. */
export type NodeNames = ReadonlyMap<NodeId, string>;

interface RenameDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly run: RunScript;
}

/** A text that changes under our hands is read again this often; a fleet snapshot changes once a second. */
const TRIES_MOST = 10;

/** Gives nodes other names in what one key holds: a job's placement or output, or the fleet snapshot. */
export async function renameNodes(
  { redis, keys, run }: RenameDeps,
  names: NodeNames,
  key: string,
): Promise<void> {
  if (key.startsWith(keys.output(""))) await run("rename-in-output", key, [...names].flat());
  else if (key.startsWith(keys.kept("")))
    await renameIn(
      names,
      () => answered(redis.hget(key, "placement")),
      (old, text) => run("swap-text", key, ["placement", old, text]),
    );
  else if (key === keys.fleet)
    await renameIn(
      names,
      () => answered(redis.get(key)),
      (old, text) => run("swap-text", key, ["", old, text]),
    );
}

async function renameIn(
  names: NodeNames,
  read: () => Promise<string | null>,
  swap: (old: string, text: string) => Promise<unknown>,
): Promise<void> {
  for (let tries = 0; tries < TRIES_MOST; tries++) {
    // Each try follows a change by somebody else.
    // oxlint-disable-next-line no-await-in-loop
    const old = await read();
    if (old === null || ![...names.keys()].some((id) => old.includes(id))) return;
    const text = JSON.stringify(renamed(JSON.parse(old), names));
    // oxlint-disable-next-line no-await-in-loop
    if (text === old || (await swap(old, text)) === 1) return;
  }
  throw new OperationalError("erasure-contended", "The names of nodes could not be replaced; erase again.", {
    retriable: true,
  });
}

/** Fields that name a node, beside the field with its id. */
const NAME_OF = { id: "name", node: "nodeName", forNode: "forNodeName" } as const;

/** A value with the new names wherever a node's id stands beside its name. */
function renamed(value: unknown, names: NodeNames): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, names));
  if (typeof value !== "object" || value === null) return value;
  const copy: Record<string, unknown> = {};
  for (const [field, inner] of Object.entries(value)) copy[field] = renamed(inner, names);
  const byText: ReadonlyMap<unknown, string> = names;
  for (const [id, name] of Object.entries(NAME_OF)) {
    const other = byText.get(copy[id]);
    if (other !== undefined && typeof copy[name] === "string") copy[name] = other;
  }
  return copy;
}
