import type { Delta, JobSpec, Usage } from "@coop/core";

/** Tokens that may leave no byte behind: control tokens, an end mark, an empty last chunk. */
const SILENT_TOKENS_PER_ATTEMPT = 64;
const SILENT_TOKENS_PER_FRAME = 8;

/** Bytes of text that a node delivered in these deltas: what the scheduler itself has seen of its work. */
export function observedBytes(deltas: readonly Delta[]): number {
  let bytes = 0;
  for (const delta of deltas) {
    switch (delta.kind) {
      case "content":
      case "reasoning":
        bytes += Buffer.byteLength(delta.text);
        break;
      case "tool-call":
        bytes += Buffer.byteLength(delta.call.name) + Buffer.byteLength(delta.call.arguments);
        break;
      case "logprobs":
      case "embedding":
        break;
    }
  }
  return bytes;
}

/** What a frame may claim: no token of it is shorter than a byte, but for a few silent ones. */
export const believedFrameTokens = (claimed: number, frameBytes: number): number =>
  Math.min(claimed, frameBytes + SILENT_TOKENS_PER_FRAME);

/**
 * What an attempt may claim. A node cannot be charged for, or credited with, more output than it delivered
 * bytes, nor a prompt beyond its upper bound, which no vocabulary passes. A charge is further bounded by the hold.
 */
export function believedUsage(
  claimed: Usage,
  spec: Pick<JobSpec, "promptTokensMax">,
  attemptBytes: number,
): Usage {
  return {
    promptTokens: Math.min(claimed.promptTokens, spec.promptTokensMax),
    outputTokens: Math.min(claimed.outputTokens, attemptBytes + SILENT_TOKENS_PER_ATTEMPT),
  };
}
