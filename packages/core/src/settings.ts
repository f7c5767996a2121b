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
