import { createdKeySchema, memberListSchema, memberViewSchema } from "@coop/protocol";
import { count, renderTable } from "../output.ts";
import type { CommandContext } from "./context.ts";

export interface AddMemberOptions {
  readonly name: string;
  readonly operator: boolean;
  /** Tokens a month; null for no limit. */
  readonly quotaTokens: number | null;
}

/** Adds a member; the key is made apart, so that it is shown when it is wanted. */
export async function addMember(
  { client, output, json, hint }: CommandContext,
  { name, operator, quotaTokens }: AddMemberOptions,
): Promise<void> {
  const member = await client.post(
    "/admin/members",
    { name, role: operator ? "operator" : "member", quotaTokens },
    memberViewSchema,
  );
  if (json) output.json(member);
  else
    output.line(`${member.name} is a member (${member.id}). Make a key: ${hint(`keys create ${member.id}`)}`);
}

export async function listMembers({ client, output, json }: CommandContext): Promise<void> {
  const { data } = await client.get("/admin/members", memberListSchema);
  if (json) {
    output.json(data);
    return;
  }
  const rows = data.map(({ id, name, role, quotaTokens }) => [
    name,
    id,
    role,
    quotaTokens === null ? "none" : count(quotaTokens),
  ]);
  const lines = renderTable(
    [
      { heading: "MEMBER", flexible: true },
      { heading: "ID" },
      { heading: "ROLE" },
      { heading: "TOKENS A MONTH", align: "right" },
    ],
    rows,
  );
  for (const line of lines) output.line(line);
}

/** Makes a key and shows it, once. @param member id or name */
export async function createKey(
  { client, output, json }: CommandContext,
  member: string,
  privacy: string | null,
): Promise<void> {
  const created = await client.post(
    `/admin/members/${encodeURIComponent(member)}/keys`,
    privacy === null ? {} : { defaultPrivacy: privacy },
    createdKeySchema,
  );
  if (json) {
    output.json(created);
    return;
  }
  output.note("Shown once; whoever has it acts as this member.");
  output.line(created.key);
}

export async function revokeKey({ client, output, json }: CommandContext, id: string): Promise<void> {
  await client.send("DELETE", `/admin/keys/${encodeURIComponent(id)}`);
  if (json) output.json({ id, revoked: true });
  else output.line(`The key ${id} no longer serves.`);
}
