import { asJobId, asMemberId, asNodeId } from "@coop/core";
import type {
  AdmitLimits,
  AdmitRequest,
  AppendRequest,
  AttemptEnd,
  JobSpec,
  LeaseRequest,
  RetryRequest,
} from "@coop/core";
import { buildJobSpec } from "@coop/core/testing";

export const ada = asMemberId("mem_ada");
export const ben = asMemberId("mem_ben");
export const studio = asNodeId("node_studio");
export const pi = asNodeId("node_pi");
export const job = asJobId("job_01");
export const month = "2026-03";
export const day = "2026-03-01";
/** Of the month before. */
export const dayBefore = "2026-02-28";
/** Noon of that day. */
export const noonMs = Date.UTC(2026, 2, 1, 12);
export const fence = 1;

/** A job that holds 100 tokens: a prompt of at most 40 (30 expected) and 60 of output. */
export const spec = (changes: Partial<JobSpec> = {}): JobSpec =>
  buildJobSpec({
    id: job,
    member: ada,
    promptTokens: 30,
    promptTokensMax: 40,
    maxOutputTokens: 60,
    submittedAtMs: noonMs,
    deadlineMs: noonMs + 300_000,
    ...changes,
  });

/** Limits of a member with so many tokens a month and no other limit. */
export const limitsOf = (tokens: number | null, changes: Partial<AdmitLimits> = {}): AdmitLimits => ({
  tokens,
  tierTokens: null,
  jobsAtOnce: null,
  requestsPerMinute: null,
  ...changes,
});

export const admission = (changes: Partial<AdmitRequest> = {}, of: Partial<JobSpec> = {}): AdmitRequest => {
  const asked = spec(of);
  return {
    spec: asked,
    payload: `{"messages":"of ${asked.id}"}`,
    metadata: { from: "a test" },
    day,
    limits: limitsOf(1_000),
    caps: { perMember: 100, total: 1_000 },
    idempotency: null,
    followedUntilMs: asked.attachment === "attached" ? noonMs + 15_000 : null,
    nowMs: noonMs,
    ...changes,
  };
};

export const leaseOf = (changes: Partial<LeaseRequest> = {}): LeaseRequest => {
  const node = changes.node ?? studio;
  const place = { node, nodeName: "studio", model: "llama3.2:3b", tier: "edge" } as const;
  return {
    fence,
    job,
    ...place,
    nodeOwner: ben,
    cloud: false,
    tokensPerDay: null,
    tokensPerMonth: null,
    day,
    leaseUntilMs: noonMs + 30_000,
    placement: { atMs: noonMs, decision: { kind: "assigned", ...place }, nodes: [] },
    nowMs: noonMs,
    ...changes,
  };
};

export const frame = (seq: number, changes: Partial<AppendRequest> = {}): AppendRequest => ({
  fence,
  job,
  epoch: 1,
  seq,
  deltas: [{ kind: "content", text: `words ${seq}` }],
  tokens: 5,
  ...changes,
});

export const success = (promptTokens: number, outputTokens: number): AttemptEnd => ({
  kind: "succeeded",
  finishReason: "stop",
  usage: { promptTokens, outputTokens },
  timings: { loadMs: 12.5, prefillMs: 20, decodeMs: 300.25, totalMs: 332.75 },
});

export const failure = (promptTokens: number, outputTokens: number): AttemptEnd => ({
  kind: "failed",
  code: "context-overflow",
  message: "the prompt is longer than the model's context",
  usage: { promptTokens, outputTokens },
});

/** The end of a lost attempt: what it used is unknown, the node is not tried again. */
export const retry = (changes: Partial<RetryRequest> = {}): RetryRequest => ({
  fence,
  job,
  epoch: 1,
  failure: "node-lost",
  message: "the node went away",
  usage: null,
  excludeNode: true,
  counts: true,
  notBeforeMs: noonMs + 2_000,
  maxAttempts: 3,
  nowMs: noonMs + 1_000,
  ...changes,
});
