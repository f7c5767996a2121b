import { keyListSchema, memberDetailSchema, memberListSchema, memberViewSchema } from "@coop/protocol";
import type { MemberRow, MemberView } from "@coop/protocol";
import type { QuotaOption, TierQuotas } from "../limit-options.ts";
import { MEMBER_COLUMN, bar, count, moment, renderTable } from "../output.ts";
import type { CommandContext } from "./context.ts";
import { keyLines, keysOf } from "./keys.ts";
import { quotaLines } from "./quota.ts";

/** What may be set for a member; what is left out stays as it is, or follows the co-op's settings. */
export interface MemberOptions {
  readonly quota?: QuotaOption;
  readonly tierQuota?: TierQuotas;
  readonly jobsAtOnce?: number | "default";
  readonly requestsPerMinute?: number | "default";
  readonly weight?: number;
  readonly tier?: string;
  readonly name?: string;
}

/** The request's body. */
function bodyOf({ quota, tierQuota, jobsAtOnce, requestsPerMinute, weight, tier, name }: MemberOptions) {
  const orNull = (value: number | "default"): number | null => (value === "default" ? null : value);
  const limits = {
    ...(quota !== undefined && { tokensPerMonth: quota }),
    ...(tierQuota !== undefined && { tierTokensPerMonth: tierQuota }),
    ...(jobsAtOnce !== undefined && { jobsAtOnce: orNull(jobsAtOnce) }),
    ...(requestsPerMinute !== undefined && { requestsPerMinute: orNull(requestsPerMinute) }),
  };
  return {
    ...(name !== undefined && { name }),
    ...(Object.keys(limits).length > 0 && { limits }),
    ...(weight !== undefined && { weight }),
    ...(tier !== undefined && { defaultTier: tier }),
  };
}

/** Adds a member; the key is made apart, so that it is shown when it is wanted. */
export async function addMember(
  { client, output, json, hint }: CommandContext,
  options: MemberOptions & { readonly name: string; readonly operator: boolean },
): Promise<void> {
  const body = { ...bodyOf(options), role: options.operator ? "operator" : "member" };
  const member = await client.post("/admin/members", body, memberViewSchema);
  if (json) output.json(member);
  else
    output.line(`${member.name} is a member (${member.id}). Make a key: ${hint(`keys create ${member.id}`)}`);
}

/** Changes a member, and shows what holds now. @param wanted id or name */
export async function setMember(
  { client, output, json }: CommandContext,
  wanted: string,
  options: MemberOptions,
): Promise<void> {
  const member = await client.patch(memberPath(wanted), bodyOf(options), memberDetailSchema);
  if (json) output.json(member);
  else for (const line of quotaLines(member.quota)) output.line(line);
}

export async function listMembers({ client, output, json }: CommandContext): Promise<void> {
  const { data, month } = await client.get("/admin/members", memberListSchema);
  if (json) {
    output.json(data);
    return;
  }
  const rows = data.map((member) => [
    member.name,
    member.id,
    member.role,
    quotaText(member),
    count(member.usedTokens),
    member.limitTokens === null || member.erasedAtMs !== null
      ? ""
      : bar(member.usedTokens, member.heldTokens, member.limitTokens),
    disabledText(member),
  ]);
  const lines = renderTable(
    [
      MEMBER_COLUMN,
      { heading: "ID" },
      { heading: "ROLE" },
      { heading: "QUOTA", align: "right" },
      { heading: `USED ${month}`, align: "right" },
      { heading: "" },
      { heading: "DISABLED" },
    ],
    rows,
  );
  for (const line of lines) output.line(line);
}

/** A share is marked: it changes with the fleet and with the members. */
function quotaText({ limitTokens, source, erasedAtMs }: MemberRow): string {
  if (erasedAtMs !== null) return "";
  if (limitTokens === null) return source.kind === "capacity-unknown" ? "not yet known" : "no limit";
  return `${source.kind === "equal-share" ? "share " : ""}${count(limitTokens)}`;
}

function disabledText({ disabledAtMs, erasedAtMs }: MemberRow): string {
  if (erasedAtMs !== null) return `erased ${moment(erasedAtMs).slice(0, 10)}`;
  return disabledAtMs === null ? "" : moment(disabledAtMs);
}

/** Shows a member, the month with its limits, and the keys. @param wanted id or name */
export async function showMember({ client, output, json }: CommandContext, wanted: string): Promise<void> {
  const member = await client.get(memberPath(wanted), memberDetailSchema);
  const { data: keys } = await client.get(keysOf(member.id), keyListSchema);
  if (json) {
    output.json({ ...member, keys });
    return;
  }
  const { name, id, role, createdAtMs, quota } = member;
  output.line(`${name} (${id}), ${role} since ${moment(createdAtMs)}, ${standing(member)}`);
  if (member.erasedAtMs !== null) return;
  output.line();
  for (const line of quotaLines(quota)) output.line(line);
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

const standing = ({ disabledAtMs, erasedAtMs }: MemberView): string =>
  erasedAtMs !== null
    ? `erased ${moment(erasedAtMs)}: only counts are left, and no quota`
    : disabledAtMs === null
      ? "enabled"
      : `disabled since ${moment(disabledAtMs)}`;

const memberPath = (wanted: string): string => `/admin/members/${encodeURIComponent(wanted)}`;
