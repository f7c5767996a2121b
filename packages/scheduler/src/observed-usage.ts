import type { Delta, JobSpec, Usage } from "@coop/core";

/** Tokens that may leave no byte behind: control tokens, an end mark, an empty last chunk. */
const SILENT_TOKENS_PER_ATTEMPT = 64;
const SILENT_TOKENS_PER_FRAME = 8;
/** The bound held for a prompt comes from its bytes; chat templates and images have doubled it at most. */
const PROMPT_BOUND_FACTOR = 2;

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
 * bytes, nor a prompt beyond twice its upper bound. A charge is further bounded by the job's hold.
 */
export function believedUsage(
  claimed: Usage,
  spec: Pick<JobSpec, "promptTokensMax">,
  attemptBytes: number,
): Usage {
  return {
    promptTokens: Math.min(claimed.promptTokens, spec.promptTokensMax * PROMPT_BOUND_FACTOR),
    outputTokens: Math.min(claimed.outputTokens, attemptBytes + SILENT_TOKENS_PER_ATTEMPT),
  };
}
