import type { JobSpec } from "@coop/core";

/** One job of a simulation: what a scheduler is told of it, and the truth that it is not told. */
export interface SimJob {
  /** Position in the order of arrival, from 0. */
  readonly index: number;
  /** When it arrives, seconds of the simulation. */
  readonly arrivalS: number;
  /** What a scheduler is told. `submittedAtMs` is its arrival on the world's clock. */
  readonly spec: JobSpec;
  /** True prompt length, tokens. */
  readonly promptTokens: number;
  /** True output length, tokens. */
  readonly outputTokens: number;
  /** What its prompt begins with; null when it shares nothing with any other. */
  readonly prefix: Prefix | null;
  /** Leading prompt tokens that some earlier job has in common with it: the most that a cache could spare. */
  readonly sharedTokens: number;
  /** Its member cancels it when `outputTokens` were produced, before its end. */
  readonly isCancelled?: boolean;
}

/**
 * What a prompt shares with earlier ones. `conversation`: the whole prompt and answer of the turn before, as far
 * as this prompt is long. `blocks`: hashes of consecutive runs of 512 prompt tokens; equal leading blocks are equal text.
 */
export type Prefix =
  | { readonly kind: "conversation"; readonly conversation: number }
  | { readonly kind: "blocks"; readonly blocks: readonly number[] };

/** Prompt tokens that one block of a prefix stands for. */
export const BLOCK_TOKENS = 512;
