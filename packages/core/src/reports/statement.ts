import type { MemberAccount } from "../ports/accounting.ts";
import type { UsageCounts } from "../ports/usage.ts";
import type { MemberId } from "../terms.ts";
import type { Amount, MissingPrice, NodeMonth } from "./node-month.ts";
import type { UsageGroup } from "./usage.ts";
import type { WaitSummary } from "./waits.ts";

/** Who a statement is about: a member, or all of them. */
export type StatementSubject =
  | { readonly kind: "member"; readonly member: MemberId; readonly name: string }
  | { readonly kind: "fleet"; readonly members: number };

/** A month of a member or of the fleet: what was used, what it cost, and what it would have cost elsewhere. */
export interface Statement {
  /** The co-op's name. */
  readonly coop: string;
  readonly subject: StatementSubject;
  /** `YYYY-MM`, in the time zone. */
  readonly month: string;
  readonly timeZone: string;
  /** False while the month runs: costs then count up to `untilMs`. */
  readonly complete: boolean;
  readonly untilMs: number;
  readonly currency: string;
  readonly usage: UsageCounts;
  readonly waits: WaitSummary;
  /** Null for the fleet, whose members each have their own. */
  readonly quota: QuotaFigures | null;
  readonly days: readonly UsageGroup[];
  readonly tiers: readonly UsageGroup[];
  readonly models: readonly UsageGroup[];
  readonly nodes: readonly NodeUsage[];
  readonly costs: StatementCosts;
  readonly fleet: FleetMonth;
  readonly missingPrices: readonly MissingPrice[];
  /** One a member; empty on a member's own statement. */
  readonly members: readonly MemberLine[];
}

/** Tokens of the month. The limits are those of now: what held in the past is not kept. Null for no limit. */
export interface QuotaFigures extends Pick<MemberAccount, "usedTokens" | "heldTokens" | "creditTokens"> {
  /** Before credit. */
  readonly floorTokens: number | null;
  /** With credit. */
  readonly limitTokens: number | null;
}

/** What was used on one node, with the electricity for it. */
export interface NodeUsage extends UsageGroup {
  /** Null for jobs that ended without a node. */
  readonly name: string | null;
  readonly simulated: boolean;
  /** Null where the node's cost is missing. */
  readonly energyKwh: number | null;
  readonly energyCost: number | null;
}

export interface StatementCosts {
  /** Electricity of the nodes while they worked on these jobs, kWh. */
  readonly energyKwh: number;
  readonly energy: Amount;
  /** The subject's share of what the co-op costs whether it is used or not. */
  readonly fixed: FixedCosts;
  readonly total: Amount;
  /** Of prompt and output tokens; null without tokens. */
  readonly perMillionTokens: Amount | null;
  /** The same prompt and output tokens at prices that the co-op compares with. */
  readonly cloud: readonly CloudCost[];
}

export interface FixedCosts {
  /** Members that share it equally. */
  readonly sharedBy: number;
  readonly hardware: Amount;
  readonly idleElectricity: Amount;
  readonly other: number;
  readonly total: Amount;
}

export interface CloudCost {
  readonly name: string;
  readonly inputPerMillion: number;
  readonly outputPerMillion: number;
  readonly cost: number;
}

/** All members and nodes together. */
export interface FleetMonth {
  readonly tokens: number;
  readonly servingMs: number;
  readonly busyMs: number;
  /** Null where no node could serve. */
  readonly utilisation: number | null;
  readonly cost: Amount;
  readonly perMillionTokens: Amount | null;
  readonly nodes: readonly NodeMonth[];
}

/** A member's month on the fleet's statement. */
export interface MemberLine extends UsageCounts {
  readonly member: MemberId;
  readonly name: string;
  readonly waits: WaitSummary;
  readonly quota: QuotaFigures;
  readonly energy: Amount;
  readonly fixedShare: Amount;
  readonly total: Amount;
}
