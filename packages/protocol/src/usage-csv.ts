import { csvText } from "./csv.ts";
import type { UsageCountsView, UsagePage } from "./usage.ts";

/** Usage as CSV, as the server and its clients write it. Pure: no I/O. */

/** The counts in the order in which every table of usage has them. */
export const USAGE_COUNTS = [
  "succeeded",
  "failed",
  "cancelled",
  "expired",
  "promptTokens",
  "outputTokens",
  "chargedTokens",
  "nodeMs",
] as const satisfies readonly (keyof UsageCountsView)[];

/** One line a group, the first column named by what it is grouped by. */
export function usageCsv(
  by: string,
  groups: UsagePage["data"],
  nodeNames: Readonly<Record<string, string>>,
): string {
  const named = by === "node";
  const head = [by, ...(named ? ["nodeName"] : []), ...USAGE_COUNTS];
  return csvText([
    head,
    ...groups.map((group) => [
      group.key,
      ...(named ? [nodeNames[group.key ?? ""] ?? null] : []),
      ...USAGE_COUNTS.map((name) => group[name]),
    ]),
  ]);
}
