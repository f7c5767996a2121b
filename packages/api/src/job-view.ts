import { isTerminal } from "@coop/core";
import type { FleetSnapshot, JobRecord, NodeId } from "@coop/core";
import type { JobView } from "@coop/protocol";
import type { FoldedOutput } from "./fold.ts";
import { targetName } from "./target.ts";

/** Names of the nodes that the fleet knows now. */
export type NodeNames = ReadonlyMap<NodeId, string>;

export const nodeNames = (snapshot: FleetSnapshot | null): NodeNames =>
  new Map(snapshot?.nodes.map(({ identity }) => [identity.id, identity.name]));

/** A job as its member sees it. `output` is given for one job that ended well, null in lists and before. */
export function jobView(record: JobRecord, names: NodeNames, output: FoldedOutput | null): JobView {
  const { spec, state } = record;
  const placed = "node" in state ? state : null;
  const ended = isTerminal(state) ? state : null;
  const usage = state.state === "succeeded" ? state.usage : null;
  return {
    id: spec.id,
    object: "coop.job",
    state: state.state,
    endpoint: spec.endpoint,
    requested: targetName(spec.target),
    privacy: spec.privacy,
    attachment: spec.attachment,
    submittedAtMs: spec.submittedAtMs,
    finishedAtMs: ended?.finishedAtMs ?? null,
    attempts: record.attempts,
    node: placed?.node ?? null,
    nodeName: output?.placed?.nodeName ?? (placed === null ? null : (names.get(placed.node) ?? null)),
    model: placed?.model ?? null,
    tier: placed?.tier ?? null,
    outputTokens: usage?.outputTokens ?? record.deliveredTokens,
    promptTokens: usage?.promptTokens ?? null,
    chargedTokens: ended?.chargedTokens ?? 0,
    error: errorOf(record),
    metadata: { ...record.metadata },
    result:
      output === null || output.end?.kind !== "succeeded" ? null : resultOf(output, output.end.finishReason),
  };
}

function errorOf({ state }: JobRecord): JobView["error"] {
  switch (state.state) {
    case "failed":
      return { code: state.code, message: state.message };
    case "cancelled":
      return { code: `cancelled-${state.reason}`, message: CANCELLED[state.reason] };
    case "expired":
      return { code: "expired", message: state.reason };
    case "queued":
    case "leased":
    case "running":
    case "succeeded":
      return null;
  }
}

const CANCELLED = {
  member: "It was cancelled.",
  unfollowed: "Its connection closed before it finished.",
  revoked: "Its key or its member was revoked.",
} as const;

const resultOf = (
  { content, reasoning, toolCalls, embeddings }: FoldedOutput,
  finishReason: string,
): JobView["result"] => ({
  content,
  reasoning: reasoning === "" ? null : reasoning,
  toolCalls: toolCalls.map((call) => ({ ...call })),
  embeddings: embeddings.map((vector) => [...vector]),
  finishReason,
});
