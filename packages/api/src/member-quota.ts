import type { Accounting, Calendar, Clock, Member } from "@coop/core";
import type { QuotaView } from "@coop/protocol";
import type { LimitsOf } from "./member-limits.ts";
import { quotaView } from "./quota-view.ts";

export interface MemberQuotaDeps {
  readonly clock: Clock;
  readonly calendar: Calendar;
  readonly accounting: Accounting;
  readonly limitsOf: LimitsOf;
}

/** A member's month as it is now. */
export async function memberQuota(
  { clock, calendar, accounting, limitsOf }: MemberQuotaDeps,
  member: Member,
): Promise<QuotaView> {
  const nowMs = clock.now();
  const month = calendar.monthOf(nowMs);
  const [limits, account] = await Promise.all([limitsOf(member), accounting.account(member.id, month)]);
  const { timeZone } = calendar;
  return quotaView({ member, limits, account, month, monthEndsMs: calendar.monthEndsMs(nowMs), timeZone });
}
