/**
 * The vocabulary of the co-op: identifiers, tiers, privacy and units.
 *
 * member: a person with API keys and a quota. owner: the member a node belongs to. node: a machine that
 * serves. agent: the program on it. engine: what generates there. slot: one concurrent generation on a
 * node. job: what a member submits. attempt: one try of a job on one node, numbered by its epoch. lease:
 * the scheduler's claim that an attempt is alive. hold: tokens reserved and not settled. settle: turn a
 * hold into a charge. quota: a member's limit. token budget: a node's limit, set by its owner.
 */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** `job_` and 26 characters that sort by creation time. */
export type JobId = Branded<string, "JobId">;
/** `mem_` and a short random part. */
export type MemberId = Branded<string, "MemberId">;
/** `node_` and a short random part. */
export type NodeId = Branded<string, "NodeId">;

/** Marks a string that was checked at an edge as a job id. */
export const asJobId = (text: string): JobId => text as JobId;
/** Marks a string that was checked at an edge as a member id. */
export const asMemberId = (text: string): MemberId => text as MemberId;
/** Marks a string that was checked at an edge as a node id. */
export const asNodeId = (text: string): NodeId => text as NodeId;

/** Quality tiers, lowest first. A job asks for a minimum; it may be served above it, never below. */
export const TIERS = ["edge", "local-small", "local-large", "frontier"] as const;
export type Tier = (typeof TIERS)[number];

/** Whether `tier` is at least as good as `minimum`. */
export const tierAtLeast = (tier: Tier, minimum: Tier): boolean =>
  TIERS.indexOf(tier) >= TIERS.indexOf(minimum);

/**
 * Where a job may run. `own`: the submitter's nodes. `coop`: the co-op's nodes, never a cloud-backed
 * model. `any`: cloud-backed models are allowed too.
 */
export const PRIVACIES = ["own", "coop", "any"] as const;
export type Privacy = (typeof PRIVACIES)[number];

/** What a model must be able to do for a job. */
export const CAPABILITIES = ["completion", "tools", "vision", "thinking", "embedding"] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** Number of an attempt of a job; it only grows. 0 before the first lease. */
export type Epoch = number;
