import { randomUUID } from "node:crypto";
import { grantViewSchema, memberDetailSchema, quotaSchema } from "@coop/protocol";
import type { QuotaSourceView, QuotaView } from "@coop/protocol";
import { bar, count, moment, momentIn, plural, renderTable } from "../output.ts";
import type { CommandContext } from "./context.ts";

/** Shows the month of the caller or, to operators, of another. @param wanted id or name; null: the caller */
export async function showQuota(
  { client, output, json }: CommandContext,
  wanted: string | null,
): Promise<void> {
  const other =
    wanted === null
      ? null
      : await client.get(`/admin/members/${encodeURIComponent(wanted)}`, memberDetailSchema);
  const quota = other?.quota ?? (await client.get("/v1/quota", quotaSchema));
  if (json) output.json(quota);
  else if (other !== null && other.erasedAtMs !== null)
    output.line(`${other.name} (${other.id}) was erased ${moment(other.erasedAtMs)} and has no quota.`);
  else for (const line of quotaLines(quota)) output.line(line);
}

export interface GrantOptions {
  /** Id or name. */
  readonly member: string;
  /** Below zero takes back. */
  readonly tokens: number;
  /** `YYYY-MM`; null: this one. */
  readonly month: string | null;
}

/** Grants quota credit. */
export async function grantCredit(
  { client, output, json }: CommandContext,
  { member, tokens, month }: GrantOptions,
): Promise<void> {
  const granted = await client.post(
    `/admin/members/${encodeURIComponent(member)}/grants`,
    { tokens, ...(month !== null && { month }) },
    grantViewSchema,
    // One key a run: a request that is sent again on the way counts once, a second run of the command counts again.
    { "idempotency-key": randomUUID() },
  );
  if (json) {
    output.json(granted);
    return;
  }
  const what = `${plural(Math.abs(tokens), "token")} ${Math.abs(tokens) === 1 ? "was" : "were"} ${tokens < 0 ? "taken back from" : "granted to"}`;
  output.line(
    `${what} ${granted.memberName} for ${granted.month}: the month's credit is ${count(granted.creditTokens)} now.`,
  );
}

/** A month for people: what is used and left by tier, with bars, and where the limits come from. */
export function quotaLines(quota: QuotaView): string[] {
  const {
    memberName,
    member,
    month,
    resetsAtMs,
    timeZone,
    jobsAtOnce,
    requestsPerMinute,
    weight,
    defaultTier,
  } = quota;
  const rows = [{ ...quota, tier: "all" }, ...quota.tiers].map(
    ({ tier, usedTokens, heldTokens, leftTokens, limitTokens }) => [
      tier,
      count(usedTokens),
      count(heldTokens),
      limitOf(leftTokens),
      limitOf(limitTokens),
      limitTokens === null ? "" : bar(usedTokens, heldTokens, limitTokens),
    ],
  );
  const { limit, unfinished } = jobsAtOnce;
  return [
    `${memberName} (${member}), ${month}; the next month begins ${momentIn(resetsAtMs, timeZone)} (${timeZone})`,
    "",
    ...renderTable(
      [
        { heading: "TOKENS" },
        { heading: "USED", align: "right" },
        { heading: "HELD", align: "right" },
        { heading: "LEFT", align: "right" },
        { heading: "LIMIT", align: "right" },
        { heading: "" },
      ],
      rows,
    ),
    "",
    `Limit: ${limitInWords(quota)}.`,
    `Jobs at once: ${count(unfinished)} of ${limitOf(limit, "any number")}. ` +
      `Requests a minute: ${limitOf(requestsPerMinute, "any number")}.`,
    `Weight in the fair order: ${weight}. coop/auto means ${defaultTier}.`,
  ];
}

const limitOf = (value: number | null, without = "no limit"): string =>
  value === null ? without : count(value);

function limitInWords({ floorTokens, creditTokens, source }: QuotaView): string {
  const words = sourceInWords(source);
  return `${floorTokens === null ? words : `${count(floorTokens)}, ${words}`}${creditInWords(creditTokens)}`;
}

function creditInWords(tokens: number): string {
  if (tokens === 0) return "; no credit";
  return tokens > 0 ? `; and ${count(tokens)} of credit` : `; less ${count(-tokens)} taken back`;
}

/** Where a member's tokens of the month come from. */
export function sourceInWords(source: QuotaSourceView): string {
  switch (source.kind) {
    case "equal-share": {
      if (source.capacityTokens === 0)
        return "an equal share of nothing: every machine that offered tokens was revoked or offers none now";
      const share = source.shareOfCapacity === 1 ? "" : `${Math.round(source.shareOfCapacity * 100)} % of `;
      return `an equal share of ${share}the ${count(source.capacityTokens)} that the fleet can make, by ${plural(source.members, "member")}`;
    }
    case "capacity-unknown":
      return "none until a node has said what it can make, then an equal share of that";
    case "set":
      return source.by === "operator" ? "set by an operator" : "the co-op's default";
    case "unlimited":
      return source.by === "operator" ? "none, an operator lifted it" : "none, as the co-op decided for all";
  }
}
