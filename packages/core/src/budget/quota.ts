import type { QuotaSettings } from "../settings.ts";
import { TIERS } from "../terms.ts";
import type { Tier } from "../terms.ts";

/** A member's limits: what the operator set for them; what is left open follows the co-op's settings. */
export interface MemberLimits {
  readonly tokensPerMonth: MonthlyQuota;
  /** Tokens a month for jobs that ask for a tier; null: no cap; a tier that is left out follows the co-op's settings. */
  readonly tierTokensPerMonth: Readonly<Partial<Record<Tier, number | null>>>;
  /** Most jobs that have not ended; null: the co-op's. */
  readonly jobsAtOnce: number | null;
  /** Most jobs asked for in a minute; null: the co-op's. */
  readonly requestsPerMinute: number | null;
}

export type MonthlyQuota =
  | { readonly kind: "default" }
  | { readonly kind: "tokens"; readonly tokens: number }
  | { readonly kind: "unlimited" };

export const DEFAULT_LIMITS: MemberLimits = {
  tokensPerMonth: { kind: "default" },
  tierTokensPerMonth: {},
  jobsAtOnce: null,
  requestsPerMinute: null,
};

/** Within these a limit is taken for meant; beyond them for a slip of the hand. */
export const LIMIT_BOUNDS = {
  tokensPerMonthMost: 1_000_000_000_000,
  jobsAtOnceMost: 10_000,
  requestsPerMinuteMost: 100_000,
  weightLeast: 0.1,
  weightMost: 100,
} as const;

/** What an equal share is a share of. */
export interface FleetShare {
  /** What the fleet can make in a month, tokens; null while no node ever said what it can. */
  readonly capacityTokens: number | null;
  /** Members who are enabled. */
  readonly members: number;
}

/** Who or what decided on a limit. */
export type LimitSource = "operator" | "co-op";

/** Where a member's tokens of the month come from. */
export type QuotaSource =
  | {
      readonly kind: "equal-share";
      readonly capacityTokens: number;
      readonly shareOfCapacity: number;
      readonly members: number;
    }
  /** An equal share of a fleet that nothing is known of: no limit until a node says what it can make. */
  | { readonly kind: "capacity-unknown" }
  | { readonly kind: "set"; readonly by: LimitSource }
  | { readonly kind: "unlimited"; readonly by: LimitSource };

export interface TierCap {
  readonly tokens: number;
  readonly by: LimitSource;
}

/** What holds for one member now. */
export interface EffectiveLimits {
  /** Tokens of the month before credit; null: no limit. Nothing that another member earns or uses changes it. */
  readonly floorTokens: number | null;
  readonly source: QuotaSource;
  /** Tiers without a cap are left out. Credit does not raise a cap. */
  readonly tierCaps: Readonly<Partial<Record<Tier, TierCap>>>;
  readonly jobsAtOnce: number | null;
  readonly requestsPerMinute: number | null;
}

/** The member's own limits where the operator set any, else the co-op's. */
export const effectiveLimits = (
  own: MemberLimits,
  coop: QuotaSettings,
  share: FleetShare,
): EffectiveLimits => ({
  ...monthly(own, coop, share),
  tierCaps: tierCaps(own, coop),
  jobsAtOnce: own.jobsAtOnce ?? coop.jobsAtOnce,
  requestsPerMinute: own.requestsPerMinute ?? coop.requestsPerMinute,
});

/** Whether a member's tokens of the month depend on the fleet and on how many members there are. */
export const followsShare = (own: MemberLimits, coop: QuotaSettings): boolean =>
  own.tokensPerMonth.kind === "default" && coop.tokensPerMonth.kind === "equal-share";

/** What a member may use in a month with what was credited, tokens; null: no limit. */
export const limitWithCredit = (floorTokens: number | null, creditTokens: number): number | null =>
  floorTokens === null ? null : Math.max(0, floorTokens + creditTokens);

/**
 * What the fleet can make in a month: the sum of what its nodes said last, also of those that sleep now, without those
 * that were revoked. When none is left that is 0: nobody gains unlimited use because a machine went.
 * @returns tokens; null while no node, revoked ones counted, ever said anything
 */
export function fleetCapacity(
  nodes: readonly {
    readonly revokedAtMs: number | null;
    readonly offer: { readonly tokensPerMonth: number } | null;
  }[],
): number | null {
  if (nodes.every(({ offer }) => offer === null)) return null;
  return nodes.reduce(
    (sum, { revokedAtMs, offer }) => sum + (revokedAtMs === null ? (offer?.tokensPerMonth ?? 0) : 0),
    0,
  );
}

function monthly(
  { tokensPerMonth: own }: MemberLimits,
  { tokensPerMonth: coop }: QuotaSettings,
  share: FleetShare,
): Pick<EffectiveLimits, "floorTokens" | "source"> {
  if (own.kind === "tokens") return { floorTokens: own.tokens, source: { kind: "set", by: "operator" } };
  if (own.kind === "unlimited") return { floorTokens: null, source: { kind: "unlimited", by: "operator" } };
  switch (coop.kind) {
    case "tokens":
      return { floorTokens: coop.tokens, source: { kind: "set", by: "co-op" } };
    case "unlimited":
      return { floorTokens: null, source: { kind: "unlimited", by: "co-op" } };
    case "equal-share":
      return equalShare(coop.shareOfCapacity, share);
  }
}

function equalShare(
  shareOfCapacity: number,
  { capacityTokens, members }: FleetShare,
): Pick<EffectiveLimits, "floorTokens" | "source"> {
  if (capacityTokens === null) return { floorTokens: null, source: { kind: "capacity-unknown" } };
  return {
    floorTokens: Math.floor((capacityTokens * shareOfCapacity) / Math.max(1, members)),
    source: { kind: "equal-share", capacityTokens, shareOfCapacity, members },
  };
}

function tierCaps(own: MemberLimits, coop: QuotaSettings): EffectiveLimits["tierCaps"] {
  const caps: Partial<Record<Tier, TierCap>> = {};
  for (const tier of TIERS) {
    const set = own.tierTokensPerMonth[tier];
    const tokens = set === undefined ? coop.tierTokensPerMonth[tier] : set;
    if (tokens !== undefined && tokens !== null)
      caps[tier] = { tokens, by: set === undefined ? "co-op" : "operator" };
  }
  return caps;
}
