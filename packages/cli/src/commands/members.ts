import { keyListSchema, memberDetailSchema, memberListSchema, memberViewSchema } from "@coop/protocol";
import type { MemberView } from "@coop/protocol";
import { count, moment, renderTable } from "../output.ts";
import type { CommandContext } from "./context.ts";
import { keyLines, keysOf } from "./keys.ts";

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
  const rows = data.map(({ id, name, role, quotaTokens, disabledAtMs }) => [
    name,
    id,
    role,
    quotaTokens === null ? "none" : count(quotaTokens),
    disabledAtMs === null ? "" : moment(disabledAtMs),
  ]);
  const lines = renderTable(
    [
      { heading: "MEMBER", flexible: true },
      { heading: "ID" },
      { heading: "ROLE" },
      { heading: "TOKENS A MONTH", align: "right" },
      { heading: "DISABLED" },
    ],
    rows,
  );
  for (const line of lines) output.line(line);
}

/** Shows a member, the tokens of the month, and the keys. @param wanted id or name */
export async function showMember({ client, output, json }: CommandContext, wanted: string): Promise<void> {
  const member = await client.get(memberPath(wanted), memberDetailSchema);
  const { data: keys } = await client.get(keysOf(member.id), keyListSchema);
  if (json) {
    output.json({ ...member, keys });
    return;
  }
  const { name, id, role, createdAtMs, month, usedTokens, heldTokens, quotaTokens } = member;
  output.line(`${name} (${id}), ${role} since ${moment(createdAtMs)}, ${standing(member)}`);
  const limit = quotaTokens === null ? "no limit" : `of ${count(quotaTokens)}`;
  output.line(`${month}: ${count(usedTokens)} tokens used, ${count(heldTokens)} held, ${limit}`);
  output.line();
  for (const line of keyLines(keys)) output.line(line);
}

/** Disables or enables a member. @param wanted id or name */
export async function setDisabled(
  { client, output, json }: CommandContext,
  wanted: string,
  disabled: boolean,
): Promise<void> {
  const action = disabled ? "disable" : "enable";
  const member = await client.post(`${memberPath(wanted)}/${action}`, {}, memberViewSchema);
  if (json) output.json(member);
  else output.line(`${member.name} (${member.id}) is ${standing(member)}.`);
}

const standing = ({ disabledAtMs }: MemberView): string =>
  disabledAtMs === null ? "enabled" : `disabled since ${moment(disabledAtMs)}`;

const memberPath = (wanted: string): string => `/admin/members/${encodeURIComponent(wanted)}`;
