import { isTerminal } from "@coop/core";
import type { FleetSnapshot, JobRecord, NodeId, Tier } from "@coop/core";
import type { JobView } from "@coop/protocol";
import type { FoldedOutput } from "./fold.ts";
import { targetName } from "./target.ts";

/** Names of the nodes that the fleet knows now. */
export type NodeNames = ReadonlyMap<NodeId, string>;

export const nodeNames = (snapshot: FleetSnapshot | null): NodeNames =>
  new Map(snapshot?.nodes.map(({ identity }) => [identity.id, identity.name]));

/** Where a job is, or was last. */
export interface Whereabouts {
  readonly node: NodeId;
  readonly nodeName: string | null;
  readonly model: string;
  readonly tier: Tier;
}

/** As the job's own state has it, which says nothing of the node once the job ended without success. */
export const whereaboutsInList = ({ state }: JobRecord, names: NodeNames): Whereabouts | null =>
  "node" in state
    ? { node: state.node, nodeName: names.get(state.node) ?? null, model: state.model, tier: state.tier }
    : null;

/** A job as its member sees it. `output` is given for one job that ended well, null in lists and before. */
export function jobView(record: JobRecord, at: Whereabouts | null, output: FoldedOutput | null): JobView {
  const { spec, state } = record;
  const ended = isTerminal(state) ? state : null;
  const atEnd = ended?.chargedTokens ?? 0;
  const isRefunded = record.refundedAtMs !== null;
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
    node: at?.node ?? null,
    nodeName: at?.nodeName ?? null,
    model: at?.model ?? null,
    tier: at?.tier ?? null,
    outputTokens: usage?.outputTokens ?? record.deliveredTokens,
    promptTokens: usage?.promptTokens ?? null,
    chargedTokens: isRefunded ? 0 : atEnd,
    refundedTokens: isRefunded ? atEnd : 0,
    refundedAtMs: record.refundedAtMs,
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
  unplaced: "No node became free for it in the time that an open connection waits.",
  "server-stopped": "The server that its connection was open to stopped.",
  revoked: "The key that it was asked for with no longer serves.",
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
