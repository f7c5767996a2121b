import type { Calendar, FleetSnapshot } from "@coop/core";
import { limitWithCredit, OperationalError } from "@coop/core";
import type { MemberFigures } from "@coop/metrics";
import type { ApiDeps } from "./deps.ts";
import type { FleetView } from "./fleet-view.ts";
import type { LimitsOf } from "./member-limits.ts";

export interface TakeStockDeps extends Pick<
  ApiDeps,
  "accounting" | "clock" | "leads" | "log" | "members" | "metrics" | "metricsOfMembers"
> {
  readonly calendar: Calendar;
  readonly fleet: FleetView;
  readonly limitsOf: LimitsOf;
}

/**
 * Brings into the metrics, as they are now: whether the store answers and, where this program's scheduler leads,
 * the fleet and the members' months. A store that is away leaves the rest of the metrics to be read.
 */
export async function takeStock(deps: TakeStockDeps): Promise<void> {
  const { clock, log, metrics } = deps;
  try {
    const snapshot = await deps.fleet.latest();
    const leads = deps.leads();
    const members = leads && deps.metricsOfMembers ? await figuresOf(deps, snapshot) : [];
    metrics.storeReachable(true);
    metrics.showFleet(leads ? snapshot : null, clock.now());
    metrics.showMembers(members);
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    log.warn({ code: error.code }, "metrics without fleet and members: the store does not answer");
    metrics.storeReachable(false);
    metrics.showFleet(null, clock.now());
    metrics.showMembers([]);
  }
}

async function figuresOf(
  { accounting, calendar, clock, limitsOf, members }: TakeStockDeps,
  snapshot: FleetSnapshot | null,
): Promise<readonly MemberFigures[]> {
  const month = calendar.monthOf(clock.now());
  const service = new Map(snapshot?.service?.map(({ member, referenceS }) => [member, referenceS]) ?? []);
  return Promise.all(
    (await members.members()).map(async (member) => {
      const [limits, account] = await Promise.all([limitsOf(member), accounting.account(member.id, month)]);
      const { usedTokens, heldTokens, creditTokens } = account;
      return {
        member: member.id,
        usedTokens,
        heldTokens,
        creditTokens,
        limitTokens: limitWithCredit(limits.floorTokens, creditTokens),
        referenceS: service.get(member.id) ?? null,
      };
    }),
  );
}
