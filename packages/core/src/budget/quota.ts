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
