import type { Capability, MemberId, ModelCapacity, NodeId, Tier } from "@coop/core";

/** The machines of a simulation as they truly are. What a scheduler believes of them comes from their reports. */
export interface SimFleet {
  readonly nodes: readonly SimNode[];
}

export interface SimNode {
  /** Position in the fleet. */
  readonly index: number;
  readonly id: NodeId;
  readonly name: string;
  readonly owner: MemberId;
  /** Key of the machine catalogue's row. */
  readonly profile: string;
  /** Concurrent generations. */
  readonly slots: number;
  /** Memory that models may use in all, bytes. */
  readonly modelMemoryBytes: number;
  /** chi: 1 when models take turns on the machine, towards the batch factor when they share one batch. */
  readonly interference: number;
  readonly models: readonly SimModel[];
  /** Owner's limit on tokens (prompt and output), null for none. */
  readonly tokensPerDay: number | null;
  readonly tokensPerMonth: number | null;
  readonly cooling: Cooling;
  /** When it is away, seconds of the simulation, in order and apart. */
  readonly absences: readonly Absence[];
}

export interface SimModel {
  /** Position in the node's models. */
  readonly index: number;
  readonly name: string;
  readonly tier: Tier;
  readonly capabilities: readonly Capability[];
  /** Tokens of context that one generation gets. */
  readonly contextTokens: number;
  /** Weights, and the KV cache of every slot's whole context, bytes. */
  readonly residentBytes: number;
  readonly parameterCount: number;
  /** How fast it truly is when the machine is cool. */
  readonly capacity: ModelCapacity;
  /** What the catalogue takes it for before anything was measured. */
  readonly prior: ModelCapacity;
}

/** How a machine slows down with heat: its heat follows its use with a time constant, and costs speed. */
export interface Cooling {
  /** Share of the speed that is lost after long full use; 0 for a machine that stays cool. */
  readonly lostWhenHot: number;
  readonly timeConstantS: number;
}

export interface Absence {
  readonly fromS: number;
  readonly untilS: number;
}

/** Share of the speed that remains under lasting full use. */
export const sustainedSpeed = ({ cooling }: Pick<SimNode, "cooling">): number => 1 - cooling.lostWhenHot;
