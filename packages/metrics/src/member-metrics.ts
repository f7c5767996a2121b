import { Gauge } from "prom-client";
import type { Registry } from "prom-client";

/** What a member's month looks like. */
export interface MemberFigures {
  /** The member's id: names stay in the co-op. */
  readonly member: string;
  readonly usedTokens: number;
  readonly heldTokens: number;
  /** With credit; null for no limit. */
  readonly limitTokens: number | null;
  readonly creditTokens: number;
  /** What it had of the fleet, `MemberService` of core; null when the scheduler does not tell. */
  readonly referenceS: number | null;
}

/** Quotas of members. Whoever may read the metrics sees how much each member used. */
export interface MemberMetrics {
  /** Shows these members in place of those before. */
  showMembers(members: readonly MemberFigures[]): void;
}

export function createMemberMetrics(registry: Registry): MemberMetrics {
  const gauge = (name: string, help: string) =>
    new Gauge({ name, help, labelNames: ["member"], registers: [registry] });
  const used = gauge("coop_member_quota_used_tokens", "Tokens that a member was charged this month.");
  const held = gauge("coop_member_quota_held_tokens", "Tokens that a member's jobs under way hold.");
  const limit = gauge(
    "coop_member_quota_limit_tokens",
    "Tokens that a member may use this month, credit included. Absent without a limit.",
  );
  const credit = gauge("coop_member_credit_tokens", "Quota that a member earned or was granted this month.");
  const service = gauge(
    "coop_member_service_reference_seconds",
    "Work that the fleet did for a member since the scheduler began to lead, over the member's weight, as the seconds that one reference machine would take for it. What fairness is reckoned by: who has less goes first.",
  );
  return {
    showMembers(members) {
      for (const shown of [used, held, limit, credit, service]) shown.reset();
      for (const { member, ...figures } of members) {
        used.set({ member }, figures.usedTokens);
        held.set({ member }, figures.heldTokens);
        credit.set({ member }, figures.creditTokens);
        if (figures.limitTokens !== null) limit.set({ member }, figures.limitTokens);
        if (figures.referenceS !== null) service.set({ member }, Math.max(0, figures.referenceS));
      }
    },
  };
}
