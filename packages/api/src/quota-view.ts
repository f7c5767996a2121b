import { limitWithCredit, TIERS } from "@coop/core";
import type { EffectiveLimits, Member, MemberAccount } from "@coop/core";
import type { QuotaView } from "@coop/protocol";
import { tokensLeft } from "./limit-headers.ts";

export interface QuotaFacts {
  readonly member: Member;
  readonly limits: EffectiveLimits;
  readonly account: MemberAccount;
  /** `YYYY-MM`. */
  readonly month: string;
  /** When the next month begins, ms since the Unix epoch. */
  readonly monthEndsMs: number;
  readonly timeZone: string;
}

/** A member's month as the member and operators see it. Pure: no I/O. */
export function quotaView({ member, limits, account, month, monthEndsMs, timeZone }: QuotaFacts): QuotaView {
  const { creditTokens, usedTokens, heldTokens, unfinishedJobs } = account;
  const limitTokens = limitWithCredit(limits.floorTokens, creditTokens);
  return {
    object: "coop.quota",
    member: member.id,
    memberName: member.name,
    month,
    limitTokens,
    floorTokens: limits.floorTokens,
    source: limits.source,
    creditTokens,
    usedTokens,
    heldTokens,
    leftTokens: tokensLeft(limitTokens, account),
    resetsAtMs: monthEndsMs,
    timeZone,
    tiers: tierRows(limits, account),
    jobsAtOnce: { limit: limits.jobsAtOnce, unfinished: unfinishedJobs },
    requestsPerMinute: limits.requestsPerMinute,
    weight: member.weight,
    defaultTier: member.defaultTier,
  };
}

const tierRows = ({ tierCaps }: EffectiveLimits, { tiers }: MemberAccount): QuotaView["tiers"] =>
  TIERS.filter((tier) => tierCaps[tier] !== undefined || tiers[tier] !== undefined).map((tier) => {
    const cap = tierCaps[tier] ?? null;
    const { usedTokens, heldTokens } = tiers[tier] ?? { usedTokens: 0, heldTokens: 0 };
    return {
      tier,
      limitTokens: cap?.tokens ?? null,
      by: cap?.by ?? null,
      usedTokens,
      heldTokens,
      leftTokens: tokensLeft(cap?.tokens ?? null, { usedTokens, heldTokens }),
    };
  });
