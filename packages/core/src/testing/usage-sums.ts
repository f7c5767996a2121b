import type { MemberUsageSums, UsageCounts, UsageRow } from "../ports/usage.ts";
import { createUsageGroups } from "../reports/usage.ts";

/** What rows come to by day and by place. */
export function sumsOfRows(rows: readonly UsageRow[]): Pick<MemberUsageSums, "days" | "places"> {
  const days = Map.groupBy(rows, ({ day }) => day);
  const places = Map.groupBy(rows, ({ place }) => JSON.stringify(place));
  return {
    days: Array.from(days, ([day, ofDay]) => ({ ...total(ofDay), day })),
    places: Array.from(places.values(), (ofPlace) => ({
      ...total(ofPlace),
      place: ofPlace[0]?.place ?? null,
    })),
  };
}

function total(rows: readonly UsageRow[]): UsageCounts {
  const groups = createUsageGroups("day");
  groups.add(rows);
  return groups.total();
}
