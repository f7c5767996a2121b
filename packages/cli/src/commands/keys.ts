import { createdKeySchema, keyListSchema } from "@coop/protocol";
import type { CreatedKey, KeyList } from "@coop/protocol";
import { moment, renderTable } from "../output.ts";
import type { CommandContext } from "./context.ts";

export interface CreateKeyOptions {
  readonly privacy: string | null;
  /** Null: it serves until it is revoked. */
  readonly expiresInSeconds: number | null;
}

/** Makes a key and shows it, once. @param member id or name */
export async function createKey(
  context: CommandContext,
  member: string,
  { privacy, expiresInSeconds }: CreateKeyOptions,
): Promise<void> {
  const body = {
    ...(privacy !== null && { defaultPrivacy: privacy }),
    ...(expiresInSeconds !== null && { expiresInSeconds }),
  };
  show(context, await context.client.post(keysOf(member), body, createdKeySchema));
}

/** The id of a key that is named as lists show it or by its id alone; of a whole key, nothing secret is kept. */
const keyIdOf = (named: string): string => /^coop_([0-9A-Za-z]+)(?:_.*)?$/.exec(named)?.[1] ?? named;

/**
 * Replaces a key and shows the new one, once.
 * @param named as lists show it, or its id
 * @param overlapSeconds how long the old one goes on
 */
export async function rotateKey(
  context: CommandContext,
  named: string,
  overlapSeconds: number,
): Promise<void> {
  const id = keyIdOf(named);
  const created = await context.client.post(
    `/admin/keys/${encodeURIComponent(id)}/rotate`,
    { overlapSeconds },
    createdKeySchema,
  );
  if (!context.json && overlapSeconds === 0) context.output.note(`The key ${id} no longer serves.`);
  show(context, created);
}

function show({ output, json }: CommandContext, created: CreatedKey): void {
  if (json) {
    output.json(created);
    return;
  }
  output.note("Shown once; whoever has it acts as this member.");
  if (created.expiresAtMs !== null) output.note(`It serves until ${moment(created.expiresAtMs)}.`);
  output.line(created.key);
}

/** Lists a member's keys. @param member id or name */
export async function listKeys({ client, output, json }: CommandContext, member: string): Promise<void> {
  const { data } = await client.get(keysOf(member), keyListSchema);
  if (json) output.json(data);
  else for (const line of keyLines(data)) output.line(line);
}

/** Keys as a table, by what a person knows them again. */
export function keyLines(keys: KeyList["data"]): string[] {
  if (keys.length === 0) return ["There is no key yet; coop keys create makes one."];
  const orNever = (atMs: number | null): string => (atMs === null ? "never" : moment(atMs));
  return renderTable(
    [
      { heading: "KEY" },
      { heading: "PRIVACY" },
      { heading: "MADE" },
      { heading: "LAST USED" },
      { heading: "EXPIRES" },
      { heading: "REVOKED" },
    ],
    keys.map((key) => [
      `${key.prefix}...`,
      key.defaultPrivacy,
      moment(key.createdAtMs),
      orNever(key.lastUsedAtMs),
      orNever(key.expiresAtMs),
      key.revokedAtMs === null ? "" : moment(key.revokedAtMs),
    ]),
  );
}

/** @param named as lists show it, or its id */
export async function revokeKey({ client, output, json }: CommandContext, named: string): Promise<void> {
  const id = keyIdOf(named);
  await client.send("DELETE", `/admin/keys/${encodeURIComponent(id)}`);
  if (json) output.json({ id, revoked: true });
  else output.line(`The key ${id} no longer serves.`);
}

/** @param member id or name */
export const keysOf = (member: string): string => `/admin/members/${encodeURIComponent(member)}/keys`;
