import type { UsageCounts, UsageRow } from "../ports/usage.ts";
import { TIERS } from "../terms.ts";

/** What usage can be summed by. */
export const USAGE_GROUPINGS = ["day", "model", "tier", "node"] as const;
export type UsageGrouping = (typeof USAGE_GROUPINGS)[number];

/** The usage of one day, model, tier or node. */
export interface UsageGroup extends UsageCounts {
  /** The day, the model's name, the tier or the node's id; null for jobs that ended without a node. */
  readonly key: string | null;
}

/** Usage by one thing, summed as rows are added. */
export interface UsageGroups {
  add(rows: Iterable<UsageRow>): void;
  total(): UsageCounts;
  /** Days in their order, tiers lowest first, models and nodes by tokens, most first; jobs without a node last. */
  list(): readonly UsageGroup[];
}

const NOTHING: UsageCounts = {
  succeeded: 0,
  failed: 0,
  cancelled: 0,
  expired: 0,
  promptTokens: 0,
  outputTokens: 0,
  chargedTokens: 0,
  nodeMs: 0,
};

export function createUsageGroups(by: UsageGrouping): UsageGroups {
  const groups = new Map<string | null, UsageCounts>();
  const keyOf = keys[by];
  return {
    add(rows) {
      for (const row of rows) {
        const key = keyOf(row);
        groups.set(key, plus(groups.get(key) ?? NOTHING, row));
      }
    },
    total: () => [...groups.values()].reduce(plus, NOTHING),
    list: () => [...groups].map(([key, counts]) => ({ key, ...counts })).sort(orders[by]),
  };
}

/** Jobs that ended, however they did. */
export const jobsOf = ({ succeeded, failed, cancelled, expired }: UsageCounts): number =>
  succeeded + failed + cancelled + expired;

/** Prompt and output together. */
export const tokensOf = ({ promptTokens, outputTokens }: UsageCounts): number => promptTokens + outputTokens;

const plus = (a: UsageCounts, b: UsageCounts): UsageCounts => ({
  succeeded: a.succeeded + b.succeeded,
  failed: a.failed + b.failed,
  cancelled: a.cancelled + b.cancelled,
  expired: a.expired + b.expired,
  promptTokens: a.promptTokens + b.promptTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  chargedTokens: a.chargedTokens + b.chargedTokens,
  nodeMs: a.nodeMs + b.nodeMs,
});

const keys: Readonly<Record<UsageGrouping, (row: UsageRow) => string | null>> = {
  day: ({ day }) => day,
  model: ({ place }) => place?.model ?? null,
  tier: ({ place }) => place?.tier ?? null,
  node: ({ place }) => place?.node ?? null,
};

type Order = (a: UsageGroup, b: UsageGroup) => number;

const byText: Order = (a, b) => ((a.key ?? "") < (b.key ?? "") ? -1 : 1);
const byTokens: Order = (a, b) =>
  Number(a.key === null) - Number(b.key === null) || tokensOf(b) - tokensOf(a) || byText(a, b);
const rankOf = ({ key }: UsageGroup): number => {
  const rank = TIERS.findIndex((tier) => tier === key);
  return rank < 0 ? TIERS.length : rank;
};

const orders: Readonly<Record<UsageGrouping, Order>> = {
  day: byText,
  model: byTokens,
  tier: (a, b) => rankOf(a) - rankOf(b),
  node: byTokens,
};
