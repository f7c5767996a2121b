import { asJobId, asNodeId } from "@coop/core";
import { z } from "zod";
import { engineRequestSchema } from "./engine-request.ts";

const job = z.string().min(1).max(64).transform(asJobId);
const epoch = z.number().int().positive();

const tokens = z.number().int().nonnegative();
/** A day or a month of a token budget, by the co-op's calendar. */
export const budgetSpanSchema = z.object({
  /** As the node reported it; null for none. */
  limitTokens: tokens.nullable(),
  /** Used by all attempts, those included that came to nothing or ended late. */
  usedTokens: tokens,
  /** Set aside for attempts that run, and for those of which nothing is known. */
  heldTokens: tokens,
  /** When it begins anew, ms since the Unix epoch. */
  endsMs: z.number(),
});
export type BudgetSpan = z.infer<typeof budgetSpanSchema>;

export const REFUSED_REASONS = [
  "protocol-version",
  "unknown-node",
  "bad-signature",
  "revoked",
  "not-leader",
  "overloaded",
  "replaced",
  "bad-frame",
] as const;

/** Frames to an agent. Extra keys are ignored; unknown kinds are logged and dropped. */
export const schedulerFrameSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("challenge"),
    protocolVersion: z.number().int(),
    nonce: z.string(),
    serverId: z.string(),
  }),
  z.object({
    kind: z.literal("welcome"),
    /** Ed25519 of the server over `proofText("server", ...)`, base64. */
    signature: z.string(),
    heartbeatMs: z.number().int().positive(),
    leaseMs: z.number().int().positive(),
    running: z.array(
      z.discriminatedUnion("verdict", [
        /** Send output again from this seq on. */
        z.object({ verdict: z.literal("resume"), job, epoch, fromSeq: z.number().int().positive() }),
        /** Stop and answer `aborted`. */
        z.object({ verdict: z.literal("abandon"), job, epoch }),
      ]),
    ),
  }),
  /** The socket closes behind it. `retryAfterMs` null: trying again without a change is useless. */
  z.object({
    kind: z.literal("refused"),
    reason: z.enum(REFUSED_REASONS),
    message: z.string(),
    retryAfterMs: z.number().nullable(),
    leader: z.string().nullable(),
  }),
  z.object({
    kind: z.literal("assign"),
    job,
    epoch,
    model: z.string(),
    request: engineRequestSchema,
    /** When the job expires, ms since the Unix epoch by the server's clock, and ms from now for an agent whose clock differs. */
    deadlineMs: z.number(),
    remainingMs: z.number(),
    privacy: z.enum(["own", "coop", "any"]),
    /** The agent refuses a job whose list omits its own node. */
    allowedNodes: z.array(z.string().transform(asNodeId)),
    promptTokensMax: z.number().int().nonnegative(),
  }),
  /**
   * Output up to `seq` is kept; the agent may drop its copy. `creditBytes` is a window, not an increment: how many
   * bytes of output frames beyond `seq` may be on their way. Begins at INITIAL_CREDIT_BYTES with the assign and
   * anew with `resume`; at 0 the agent sends no output. One frame may overshoot it.
   */
  z.object({
    kind: z.literal("ack"),
    job,
    epoch,
    seq: z.number().int().nonnegative(),
    creditBytes: z.number().int().nonnegative(),
  }),
  /** The end (`done`, `failed`, `aborted`, `rejected`) is kept; forget the attempt. */
  z.object({ kind: z.literal("settled"), job, epoch }),
  z.object({ kind: z.literal("cancel"), job, epoch }),
  z.object({ kind: z.literal("warm"), model: z.string() }),
  z.object({ kind: z.literal("unload"), model: z.string() }),
  z.object({ kind: z.literal("drain") }),
  /** The token budget as the scheduler counts it: after the welcome and when it changed, at most every 10 s. */
  z.object({ kind: z.literal("budget"), day: budgetSpanSchema, month: budgetSpanSchema }),
]);
export type SchedulerFrame = z.infer<typeof schedulerFrameSchema>;
export type Assign = Extract<SchedulerFrame, { kind: "assign" }>;
