import { usageCsv, usagePageSchema } from "@coop/protocol";
import type { UsageCountsView, UsagePage } from "@coop/protocol";
import type { CommandContext } from "./context.ts";
import { memberOf, rootOf } from "./report.ts";
import type { Whose } from "./report.ts";
import { usageTable } from "./statement-lines.ts";

export const GROUPINGS = ["day", "model", "tier", "node"] as const;

export interface UsageOptions {
  /** Days, `YYYY-MM-DD`, both included; null: the month up to today. */
  readonly from: string | null;
  readonly to: string | null;
  readonly by: (typeof GROUPINGS)[number];
  readonly whose: Whose;
  /** One line a group, for spreadsheets. */
  readonly csv: boolean;
}

type Group = UsagePage["data"][number];

/** Usage over a range of days, however many pages it comes in. */
export async function usage({ client, output, json }: CommandContext, options: UsageOptions): Promise<void> {
  const groups = new Map<string | null, Group>();
  const names = new Map<string, string>();
  let first: UsagePage | null = null;
  let last: UsagePage | null = null;
  do {
    const page: UsagePage = await client.get(
      pathOf(options, first, last?.nextCursor ?? null),
      usagePageSchema,
    );
    for (const group of page.data) groups.set(group.key, plus(groups.get(group.key), group));
    for (const [id, name] of Object.entries(page.nodeNames)) names.set(id, name);
    first ??= page;
    last = page;
  } while (last.nextCursor !== null);
  const data = [...groups.values()];
  const { from } = first;
  const { to } = last;
  const total = data.reduce<UsageCountsView>(sumOf, NOTHING);
  if (json) {
    output.json({ ...first, to, data, nodeNames: Object.fromEntries(names), total, nextCursor: null });
    return;
  }
  if (options.csv) {
    output.text(usageCsv(options.by, data, Object.fromEntries(names)));
    return;
  }
  output.line(`Usage from ${from} to ${to}`);
  output.line();
  const rows = [...data, { ...total, key: "all" }];
  const nameOf = ({ key }: Group): string | null => names.get(key ?? "") ?? key;
  for (const line of usageTable(options.by.toUpperCase(), rows, nameOf)) output.line(line);
}

/** Later pages are asked for by the range that the first one told. */
function pathOf(
  { from, to, by, whose }: UsageOptions,
  first: UsagePage | null,
  cursor: string | null,
): string {
  const begin = from ?? first?.from ?? null;
  const query = new URLSearchParams({
    ...(begin !== null && { from: begin }),
    ...(to !== null && { to }),
    groupBy: by,
    ...memberOf(whose),
    ...(cursor !== null && { cursor }),
  });
  return `${rootOf(whose)}/usage?${query.toString()}`;
}

const NOTHING: UsageCountsView = {
  succeeded: 0,
  failed: 0,
  cancelled: 0,
  expired: 0,
  promptTokens: 0,
  outputTokens: 0,
  chargedTokens: 0,
  nodeMs: 0,
};

const plus = (before: Group | undefined, group: Group): Group => ({
  key: group.key,
  ...sumOf(before ?? NOTHING, group),
});

function sumOf(a: UsageCountsView, b: UsageCountsView): UsageCountsView {
  return {
    succeeded: a.succeeded + b.succeeded,
    failed: a.failed + b.failed,
    cancelled: a.cancelled + b.cancelled,
    expired: a.expired + b.expired,
    promptTokens: a.promptTokens + b.promptTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    chargedTokens: a.chargedTokens + b.chargedTokens,
    nodeMs: a.nodeMs + b.nodeMs,
  };
}
