import type { CancelReason, FinishReason, Timings, Usage } from "./job.ts";
import type { Epoch, JobId, NodeId, Tier } from "../terms.ts";

/** One call of a tool that the model asked for. `arguments` is JSON text. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

/** A token that the model might have said at a place, with its natural log probability. */
export interface LikelyToken {
  readonly token: string;
  readonly logprob: number;
  /** UTF-8 of the token, which may end inside a character; null when the engine does not say. */
  readonly bytes: readonly number[] | null;
}

/** A token of the answer, and the likeliest at its place when they were asked for. */
export interface TokenLogprob extends LikelyToken {
  readonly top: readonly LikelyToken[];
}

/** A piece of what a job produces. `logprobs` belongs to the content just before it. */
export type Delta =
  | { readonly kind: "content"; readonly text: string }
  | { readonly kind: "logprobs"; readonly tokens: readonly TokenLogprob[] }
  | { readonly kind: "reasoning"; readonly text: string }
  | { readonly kind: "tool-call"; readonly index: number; readonly call: ToolCall }
  | { readonly kind: "embedding"; readonly index: number; readonly vector: readonly number[] };

/** Position in a job's output: ordered by epoch, then seq. `0-0` is before everything. Written `epoch-seq`. */
export interface OutputPosition {
  readonly epoch: Epoch;
  readonly seq: number;
}

/** One entry of a job's output log. Seq 0 of an epoch is `placed`; deltas count from 1; the last entry is terminal. */
export type OutputEvent =
  | {
      readonly kind: "placed";
      readonly node: NodeId;
      readonly nodeName: string;
      readonly model: string;
      readonly tier: Tier;
      readonly restarted: boolean;
    }
  | { readonly kind: "deltas"; readonly deltas: readonly Delta[] }
  | {
      readonly kind: "succeeded";
      readonly finishReason: FinishReason;
      readonly usage: Usage;
      readonly timings: Timings;
    }
  | { readonly kind: "failed"; readonly code: string; readonly message: string; readonly usage: Usage }
  | { readonly kind: "cancelled"; readonly reason: CancelReason; readonly usage: Usage }
  | { readonly kind: "expired"; readonly reason: string; readonly usage: Usage };

export interface OutputEntry {
  readonly job: JobId;
  readonly position: OutputPosition;
  readonly event: OutputEvent;
}

export const START_OF_OUTPUT: OutputPosition = { epoch: 0, seq: 0 };

/** Negative when `a` is before `b`, 0 when equal. */
export const comparePositions = (a: OutputPosition, b: OutputPosition): number =>
  a.epoch - b.epoch || a.seq - b.seq;

export const formatPosition = (position: OutputPosition): string => `${position.epoch}-${position.seq}`;

/** Parses `epoch-seq`; null when the text has another form. */
export function parsePosition(text: string): OutputPosition | null {
  const match = /^(\d{1,15})-(\d{1,15})$/.exec(text);
  return match ? { epoch: Number(match[1]), seq: Number(match[2]) } : null;
}

export const isTerminalEvent = (event: OutputEvent): boolean =>
  event.kind !== "placed" && event.kind !== "deltas";
