import type { MemberUsageSums, UsageCounts, UsageRow } from "../ports/usage.ts";

/** What rows come to by day and by place. */
export function sumsOfRows(rows: readonly UsageRow[]): Pick<MemberUsageSums, "days" | "places"> {
  const days = grouped(rows, ({ day }) => day);
  const places = grouped(rows, ({ place }) => JSON.stringify(place));
  return {
    days: days.map(([first, ...rest]) => ({ ...total([first, ...rest]), day: first.day })),
    places: places.map(([first, ...rest]) => ({ ...total([first, ...rest]), place: first.place })),
  };
}

type Some = readonly [UsageRow, ...UsageRow[]];

function grouped(rows: readonly UsageRow[], keyOf: (row: UsageRow) => string): readonly Some[] {
  const groups = new Map<string, Some>();
  for (const row of rows) {
    const group = groups.get(keyOf(row));
    groups.set(keyOf(row), group === undefined ? [row] : [...group, row]);
  }
  return [...groups.values()];
}

function total(rows: readonly UsageRow[]): UsageCounts {
  const sum = (of: (row: UsageRow) => number): number => rows.reduce((all, row) => all + of(row), 0);
  return {
    succeeded: sum(({ succeeded }) => succeeded),
    failed: sum(({ failed }) => failed),
    cancelled: sum(({ cancelled }) => cancelled),
    expired: sum(({ expired }) => expired),
    promptTokens: sum(({ promptTokens }) => promptTokens),
    outputTokens: sum(({ outputTokens }) => outputTokens),
    chargedTokens: sum(({ chargedTokens }) => chargedTokens),
    nodeMs: sum(({ nodeMs }) => nodeMs),
  };
}
