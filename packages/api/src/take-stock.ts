import type { Accounting, Calendar, Clock, MemberStore } from "@coop/core";
import { limitWithCredit } from "@coop/core";
import type { Metrics } from "@coop/metrics";
import type { FleetView } from "./fleet-view.ts";
import type { LimitsOf } from "./member-limits.ts";

export interface TakeStockDeps {
  readonly clock: Clock;
  readonly calendar: Calendar;
  readonly fleet: FleetView;
  readonly members: MemberStore;
  readonly accounting: Accounting;
  readonly limitsOf: LimitsOf;
  readonly metrics: Pick<Metrics, "showFleet" | "showMembers">;
  /** Whether the metrics tell what each member used. */
  readonly membersShown: boolean;
}

/** Brings the fleet and the members' months into the metrics as they are now. */
export async function takeStock(deps: TakeStockDeps): Promise<void> {
  const snapshot = await deps.fleet.latest();
  if (snapshot !== null) deps.metrics.showFleet(snapshot);
  if (!deps.membersShown) return;
  const month = deps.calendar.monthOf(deps.clock.now());
  const members = await deps.members.members();
  const figures = await Promise.all(
    members.map(async (member) => {
      const [limits, account] = await Promise.all([
        deps.limitsOf(member),
        deps.accounting.account(member.id, month),
      ]);
      const { usedTokens, heldTokens, creditTokens } = account;
      const limitTokens = limitWithCredit(limits.floorTokens, creditTokens);
      return { member: member.id, usedTokens, heldTokens, creditTokens, limitTokens };
    }),
  );
  deps.metrics.showMembers(figures);
}
