import type { MemberUsageSums, UsageCounts, UsageOfPlace, UsageRow } from "../ports/usage.ts";
import { TIERS } from "../terms.ts";

/** What usage can be summed by. */
export const USAGE_GROUPINGS = ["day", "model", "tier", "node"] as const;
export type UsageGrouping = (typeof USAGE_GROUPINGS)[number];

/** The usage of one day, model, tier or node. */
export interface UsageGroup extends UsageCounts {
  /** The day, the model's name, the tier or the node's id; null for jobs that ended without a node. */
  readonly key: string | null;
}

/** Usage by one thing, summed as it is added. */
export interface UsageGroups {
  add(rows: readonly UsageRow[]): void;
  /** Adds a member's whole month. */
  addSums(sums: Pick<MemberUsageSums, "days" | "places">): void;
  /** Adds what was summed by the same thing elsewhere. */
  merge(groups: readonly UsageGroup[]): void;
  total(): UsageCounts;
  /** Days in their order, tiers lowest first, models and nodes by tokens, most first; jobs without a node last. */
  list(): readonly UsageGroup[];
}

type Sums = { -readonly [Name in keyof UsageCounts]: number };

export function createUsageGroups(by: UsageGrouping): UsageGroups {
  const groups = new Map<string | null, Sums>();
  const sumsOf = (key: string | null): Sums => {
    const known = groups.get(key) ?? noSums();
    groups.set(key, known);
    return known;
  };
  return {
    add(rows) {
      for (const row of rows) increase(sumsOf(by === "day" ? row.day : keysOfPlaces[by](row)), row);
    },
    addSums({ days, places }) {
      if (by === "day") for (const sums of days) increase(sumsOf(sums.day), sums);
      else for (const sums of places) increase(sumsOf(keysOfPlaces[by](sums)), sums);
    },
    merge(others) {
      for (const group of others) increase(sumsOf(group.key), group);
    },
    total() {
      const total = noSums();
      for (const sums of groups.values()) increase(total, sums);
      return total;
    },
    list: () => [...groups].map(([key, counts]) => ({ key, ...counts })).sort(orders[by]),
  };
}

/** Jobs that ended, however they did. */
export const jobsOf = ({ succeeded, failed, cancelled, expired }: UsageCounts): number =>
  succeeded + failed + cancelled + expired;

/** Prompt and output together. */
export const tokensOf = ({ promptTokens, outputTokens }: UsageCounts): number => promptTokens + outputTokens;

const noSums = (): Sums => ({
  succeeded: 0,
  failed: 0,
  cancelled: 0,
  expired: 0,
  promptTokens: 0,
  outputTokens: 0,
  chargedTokens: 0,
  nodeMs: 0,
});

function increase(sums: Sums, by: UsageCounts): void {
  sums.succeeded += by.succeeded;
  sums.failed += by.failed;
  sums.cancelled += by.cancelled;
  sums.expired += by.expired;
  sums.promptTokens += by.promptTokens;
  sums.outputTokens += by.outputTokens;
  sums.chargedTokens += by.chargedTokens;
  sums.nodeMs += by.nodeMs;
}

const keysOfPlaces: Readonly<
  Record<Exclude<UsageGrouping, "day">, (of: Pick<UsageOfPlace, "place">) => string | null>
> = {
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
