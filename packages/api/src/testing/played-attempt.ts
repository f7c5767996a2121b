import { asNodeId, assert } from "@coop/core";
import type {
  AttemptEnd,
  AttemptStore,
  Clock,
  Delta,
  FailureClass,
  JobSpec,
  LeaseRequest,
  MemberId,
  Tier,
  Usage,
} from "@coop/core";
import { engineRequestSchema } from "@coop/protocol";
import type { EngineRequest } from "@coop/protocol";

/** One attempt whose scheduler and node the test plays. */
export interface PlayedAttempt {
  readonly spec: JobSpec;
  readonly request: EngineRequest;
  readonly epoch: number;
  /** Each text is one frame of output, and one token. */
  say(...texts: readonly string[]): Promise<void>;
  output(deltas: readonly Delta[]): Promise<void>;
  succeed(usage?: Usage, finishReason?: "stop" | "length" | "tool_calls"): Promise<void>;
  fail(code: FailureClass, message: string): Promise<void>;
  /** Its node goes away; says what became of the job. */
  lose(): Promise<"requeued" | "failed">;
}

/** Where an attempt is played. */
export interface Stage {
  readonly nodeName: string;
  readonly nodeOwner: MemberId;
  readonly model: string;
  readonly tier: Tier;
}

/** The leader's fencing number in these tests. */
export const FENCE = 0;

/** Places the job on a node and lets its agent accept it. */
export async function playAttempt(
  store: AttemptStore,
  clock: Clock,
  spec: JobSpec,
  stage: Stage,
): Promise<PlayedAttempt> {
  const lease = await store.lease(leaseOf(spec, stage, clock.now()));
  assert(lease.kind === "leased", `${spec.id} is leased, not ${lease.kind}`);
  const { epoch } = lease;
  const job = spec.id;
  await store.accept(FENCE, job, epoch);
  let seq = 0;
  const send = async (deltas: readonly Delta[]): Promise<void> => {
    seq += 1;
    await store.append({ fence: FENCE, job, epoch, seq, deltas, tokens: deltas.length });
  };
  const finish = async (end: AttemptEnd): Promise<void> => {
    await store.finish(FENCE, job, epoch, end, clock.now());
  };
  return {
    spec,
    request: engineRequestSchema.parse(JSON.parse(lease.payload)),
    epoch,
    say: async (...texts) => {
      for (const text of texts) await send([{ kind: "content", text }]);
    },
    output: send,
    succeed: async (usage = { promptTokens: 11, outputTokens: seq }, finishReason = "stop") =>
      finish({
        kind: "succeeded",
        finishReason,
        usage,
        timings: { loadMs: 1, prefillMs: 2, decodeMs: 3, totalMs: 6 },
      }),
    fail: async (code, message) =>
      finish({ kind: "failed", code, message, usage: { promptTokens: 0, outputTokens: seq } }),
    lose: async () => lose(store, spec, epoch, clock.now()),
  };
}

const leaseOf = (spec: JobSpec, { nodeName, nodeOwner, model, tier }: Stage, nowMs: number): LeaseRequest => {
  const node = asNodeId(`node_${nodeName}`);
  return {
    fence: FENCE,
    job: spec.id,
    node,
    nodeName,
    nodeOwner,
    model,
    tier,
    cloud: false,
    tokensPerDay: null,
    tokensPerMonth: null,
    day: "2026-03-01",
    leaseUntilMs: nowMs + 30_000,
    placement: {
      atMs: nowMs,
      decision: { kind: "assigned", node, nodeName, model, tier },
      nodes: [],
    },
    nowMs,
  };
};

async function lose(
  store: AttemptStore,
  { id }: JobSpec,
  epoch: number,
  nowMs: number,
): Promise<"requeued" | "failed"> {
  const { kind } = await store.expire({
    fence: FENCE,
    job: id,
    epoch,
    failure: "node-lost",
    message: "the node went away",
    usage: { promptTokens: 0, outputTokens: 0 },
    excludeNode: true,
    counts: true,
    notBeforeMs: 0,
    maxAttempts: 3,
    nowMs,
  });
  assert(kind === "requeued" || kind === "failed", `${id} is lost, not ${kind}`);
  return kind;
}
