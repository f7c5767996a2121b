import { asJobId, asNodeId, FAILURE_CLASSES } from "@coop/core";
import { z } from "zod";
import { deltaSchema } from "./deltas.ts";
import { machineSchema, nodeReportSchema } from "./node-report.ts";

const job = z.string().min(1).max(64).transform(asJobId);
const epoch = z.number().int().positive();
const count = z.number().int().nonnegative();
const usage = z.object({ promptTokens: count, outputTokens: count });
const timings = z.object({
  loadMs: z.number().nonnegative(),
  prefillMs: z.number().nonnegative(),
  decodeMs: z.number().nonnegative(),
  totalMs: z.number().nonnegative(),
});

/** An attempt that the agent runs, or has finished and not yet had acknowledged, when it connects. */
export const runningAttemptSchema = z.object({
  job,
  epoch,
  model: z.string(),
  startedAtMs: z.number(),
  lastSeq: count,
  outputTokens: count,
});
export type RunningAttempt = z.infer<typeof runningAttemptSchema>;

/** Frames from an agent. Extra keys are ignored; unknown kinds are logged and dropped. */
export const agentFrameSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("hello"),
    protocolVersion: z.number().int(),
    node: z.string().min(1).max(64).transform(asNodeId),
    /** Ed25519 over `proofText("agent", ...)`, base64. */
    signature: z.string().max(200),
    /** The agent's own challenge, which `welcome` signs. */
    nonce: z.string().min(16).max(100),
    machine: machineSchema,
    report: nodeReportSchema,
    running: z.array(runningAttemptSchema).max(256),
  }),
  z.object({ kind: z.literal("report"), report: nodeReportSchema }),
  z.object({ kind: z.literal("accepted"), job, epoch }),
  /** Not run at all: full, not allowed, no such model. Not counted as an attempt when `busy`. */
  z.object({
    kind: z.literal("rejected"),
    job,
    epoch,
    reason: z.enum(FAILURE_CLASSES),
    message: z.string().max(2000),
  }),
  z.object({ kind: z.literal("progress"), job, epoch, phase: z.enum(["loading", "prefill"]) }),
  z.object({
    kind: z.literal("output"),
    job,
    epoch,
    seq: z.number().int().positive(),
    deltas: z.array(deltaSchema),
    tokens: count,
  }),
  /** `lastSeq`: number of the last output frame; the scheduler finishes only when it has them all. */
  z.object({
    kind: z.literal("done"),
    job,
    epoch,
    lastSeq: count,
    finishReason: z.enum(["stop", "length", "tool_calls"]),
    usage,
    timings,
  }),
  z.object({
    kind: z.literal("failed"),
    job,
    epoch,
    lastSeq: count,
    class: z.enum(FAILURE_CLASSES),
    message: z.string().max(2000),
    usage,
  }),
  /** Stopped because it was cancelled or abandoned; settles the node's hold of that epoch. */
  z.object({ kind: z.literal("aborted"), job, epoch, usage }),
]);
export type AgentFrame = z.infer<typeof agentFrameSchema>;
export type Hello = Extract<AgentFrame, { kind: "hello" }>;
