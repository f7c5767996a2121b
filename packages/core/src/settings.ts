import type { Tier } from "./terms.ts";

/** What the co-op decided for itself, as its `coop.yaml` says; read once at start. */
export interface CoopSettings {
  /** How statements and pages call the co-op. */
  readonly name: string;
  /** IANA name; months and days of quotas, budgets and reports begin at its midnight. */
  readonly timeZone: string;
  readonly quotas: QuotaSettings;
  readonly contribution: ContributionSettings;
  /** How long prompts and outputs of a job that has ended are kept, ms; 0: until they were delivered. */
  readonly retentionMs: number;
  readonly money: MoneySettings;
}

/** What a member has unless the operator set something else for them. */
export interface QuotaSettings {
  readonly tokensPerMonth: DefaultQuota;
  /** Tokens a month for jobs that ask for a tier; a tier that is left out has no cap of its own. */
  readonly tierTokensPerMonth: Readonly<Partial<Record<Tier, number>>>;
  /** Most jobs of a member that have not ended; null for no limit. */
  readonly jobsAtOnce: number | null;
  /** Most jobs that a member asks for in a minute; null for no limit. */
  readonly requestsPerMinute: number | null;
}

/** `equal-share`: what the fleet can make in a month, times `shareOfCapacity`, divided by the members. */
export type DefaultQuota =
  | { readonly kind: "equal-share"; readonly shareOfCapacity: number }
  | { readonly kind: "tokens"; readonly tokens: number }
  | { readonly kind: "unlimited" };

/** Quota credit for the owner of a node that served another member, in thousandths of a token a charged token. */
export interface ContributionSettings {
  readonly creditPerMille: Readonly<Record<Tier, number>>;
}

/** What things cost; every amount in `currency`. */
export interface MoneySettings {
  /** ISO 4217, such as SEK. */
  readonly currency: string;
  readonly electricityPerKwh: number;
  /** Over how many months hardware is written off. */
  readonly hardwareMonths: number;
  /** Anything else that the co-op pays each month, such as a line or a domain. */
  readonly otherPerMonth: number;
  /** By the name of a node or the key of a machine in the catalogue; the node's name is looked up first. */
  readonly machines: Readonly<Record<string, MachineCost>>;
  /** Prices to compare with, each for a million tokens. */
  readonly cloudPrices: readonly CloudPrice[];
}

export interface MachineCost {
  readonly price: number;
  /** Drawn while it generates, and while it only waits. */
  readonly busyWatts: number;
  readonly idleWatts: number;
}

export interface CloudPrice {
  readonly name: string;
  readonly inputPerMillion: number;
  readonly outputPerMillion: number;
}

const HOUR_MS = 3_600_000;

/**
 * What holds where the co-op's `coop.yaml` says nothing. Amounts are in Swedish kronor. Machine prices are shop
 * prices of 2025-2026, electricity is what a household pays with grid and tax, and cloud prices are the
 * providers' list prices at 10 kronor a dollar: each co-op replaces them with its own.
 */
export const DEFAULT_SETTINGS: CoopSettings = {
  name: "Our co-op",
  timeZone: "UTC",
  quotas: {
    tokensPerMonth: { kind: "equal-share", shareOfCapacity: 1 },
    tierTokensPerMonth: {},
    jobsAtOnce: null,
    requestsPerMinute: null,
  },
  contribution: { creditPerMille: { edge: 250, "local-small": 500, "local-large": 1_000, frontier: 0 } },
  retentionMs: 24 * HOUR_MS,
  money: {
    currency: "SEK",
    electricityPerKwh: 1.75,
    hardwareMonths: 36,
    otherPerMonth: 0,
    machines: {
      "mac-studio-m4-max-128": { price: 40_000, busyWatts: 120, idleWatts: 10 },
      "mac-studio-m3-ultra-256": { price: 95_000, busyWatts: 180, idleWatts: 10 },
      "macbook-air-m4-32": { price: 20_000, busyWatts: 15, idleWatts: 3 },
      "raspberry-pi-5-8": { price: 1_200, busyWatts: 10, idleWatts: 3 },
      "rtx-4090": { price: 36_500, busyWatts: 750, idleWatts: 70 },
      "rtx-5090": { price: 54_000, busyWatts: 950, idleWatts: 70 },
    },
    cloudPrices: [
      { name: "Claude Haiku 4.5", inputPerMillion: 10, outputPerMillion: 50 },
      { name: "Claude Sonnet 4.6", inputPerMillion: 30, outputPerMillion: 150 },
      { name: "Claude Opus 4.8", inputPerMillion: 50, outputPerMillion: 250 },
    ],
  },
};
