import { failurePolicy, tierOfModel } from "@coop/core";
import type { NodeId, Usage } from "@coop/core";
import { INITIAL_CREDIT_BYTES, MAX_AGENT_FRAME_BYTES } from "@coop/protocol";
import type { AgentFrame } from "@coop/protocol";
import type { AttemptDeps, AttemptEnds, AttemptFailure, AttemptRef } from "./attempt-ends.ts";
import { refOf } from "./attempt-ends.ts";
import type { Attempt } from "./attempt-table.ts";
import type { NodeSession } from "./node-session.ts";
import { believedFrameTokens, believedUsage, observedBytes } from "./observed-usage.ts";

/** Output of one attempt that may await the store: its credit, and the one frame that may overshoot it. */
const MOST_BYTES_ON_THE_WAY = INITIAL_CREDIT_BYTES + MAX_AGENT_FRAME_BYTES;
const NOTHING_USED: Usage = { promptTokens: 0, outputTokens: 0 };
/** Frames under way of attempts that their node does not hold: four times what an agent remembers. */
export const MOST_FOREIGN_ENDS = 1_024;

export type AttemptFrame = Exclude<AgentFrame, { kind: "hello" | "report" }>;
type Frame<Kind extends AttemptFrame["kind"]> = Extract<AttemptFrame, { kind: Kind }>;

/**
 * What agents say of attempts.
 *
 * 1. A node speaks only for the (job, epoch) that it holds. What it says of another changes nothing but that
 *    epoch's own hold on the node, once.
 * 2. Steps of one attempt happen in the order in which their frames arrived; attempts do not wait for each other.
 * 3. Output is acknowledged after the store has it; an end counts only when all output before it is there.
 */
export function createAttemptFrames(
  deps: AttemptDeps & { readonly ends: AttemptEnds },
): (session: NodeSession, frame: AttemptFrame, bytes: number) => void {
  const { clock, log, metrics, table, tell, store, ends, own } = deps;
  const foreignEnds = new Map<NodeId, number>();

  const foreign = async (ref: AttemptRef, session: NodeSession, frame: AttemptFrame): Promise<void> => {
    log.info({ ...ref, frame: frame.kind }, "dropping a frame of an attempt that the node does not hold");
    switch (frame.kind) {
      case "done":
      case "failed":
      case "aborted":
        return ends.settle(ref, frame.usage);
      case "rejected":
        return ends.settle(ref, NOTHING_USED);
      case "accepted":
      case "progress":
      case "output":
        session.link.send({ kind: "cancel", job: ref.job, epoch: ref.epoch });
    }
  };

  /** Nothing waits for the store's answer: output says as much as `accepted` does, in whichever order they are kept. */
  /** Most of these go to the store, so what one node may have under way is bounded. */
  const hearForeign = (ref: AttemptRef, session: NodeSession, frame: AttemptFrame): void => {
    const underWay = foreignEnds.get(ref.node) ?? 0;
    if (underWay >= MOST_FOREIGN_ENDS) {
      return session.link.refuse({
        reason: "bad-frame",
        message: `more than ${MOST_FOREIGN_ENDS} frames at once of attempts that the node does not hold`,
        retryAfterMs: 10_000,
        leader: null,
      });
    }
    foreignEnds.set(ref.node, underWay + 1);
    const forget = (): void => {
      const left = (foreignEnds.get(ref.node) ?? 1) - 1;
      if (left > 0) foreignEnds.set(ref.node, left);
      else foreignEnds.delete(ref.node);
    };
    own(foreign(ref, session, frame).finally(forget));
  };

  const accepted = async (attempt: Attempt): Promise<void> => {
    const outcome = await store.accept(attempt.spec.id, attempt.epoch);
    if (outcome.kind !== "stale") return;
    await attempt.steps.run(async () => {
      if (attempt.state.kind !== "ended") ends.lose(attempt);
    });
  };

  const output = async (attempt: Attempt, session: NodeSession, frame: Frame<"output">): Promise<void> => {
    const frameBytes = observedBytes(frame.deltas);
    const tokens = believedFrameTokens(frame.tokens, frameBytes);
    const { job, epoch, seq, deltas } = frame;
    const outcome = await store.append({ job, epoch, seq, deltas, tokens });
    switch (outcome.kind) {
      case "appended":
      case "duplicate":
        if (seq > attempt.lastSeq) {
          if (attempt.lastSeq === 0) {
            metrics.firstOutput(attempt.spec.askedTier, (clock.now() - attempt.spec.submittedAtMs) / 1000);
          }
          attempt.lastSeq = seq;
          attempt.outputBytes += frameBytes;
          attempt.outputTokens += tokens;
          tell({ kind: "attempt-progress", job, phase: "decode", outputTokens: attempt.outputTokens });
        }
        return acknowledge(attempt, session);
      case "gap":
        return session.link.terminate(`output ${seq} of ${job} arrived where ${outcome.expectedSeq} was due`);
      case "stale":
      case "unavailable":
        return ends.lose(attempt);
      case "capped":
        return capped(attempt);
    }
  };

  const acknowledge = (attempt: Attempt, session: NodeSession): void =>
    session.link.send({
      kind: "ack",
      job: attempt.spec.id,
      epoch: attempt.epoch,
      seq: attempt.lastSeq,
      creditBytes: INITIAL_CREDIT_BYTES,
    });

  /** The byte cap of a job's output is reached: what was delivered stands, as if the model had stopped there. */
  const capped = async (attempt: Attempt): Promise<void> => {
    const { job, epoch, node } = refOf(attempt);
    const totalMs = clock.now() - attempt.startedAtMs;
    await ends.finish(attempt, {
      kind: "succeeded",
      finishReason: "length",
      usage: { promptTokens: attempt.spec.promptTokens, outputTokens: attempt.outputTokens },
      timings: { loadMs: 0, prefillMs: 0, decodeMs: totalMs, totalMs },
    });
    deps.sendTo(node, { kind: "cancel", job, epoch });
  };

  const missesOutput = (attempt: Attempt, session: NodeSession, lastSeq: number): boolean => {
    if (attempt.lastSeq >= lastSeq) return false;
    session.link.terminate(
      `${attempt.spec.id} ended at output ${lastSeq}, of which ${attempt.lastSeq} arrived`,
    );
    return true;
  };

  const done = async (attempt: Attempt, session: NodeSession, frame: Frame<"done">): Promise<void> => {
    if (missesOutput(attempt, session, frame.lastSeq)) return;
    const usage = believedUsage(frame.usage, attempt.spec, attempt.outputBytes);
    const { identity, report } = session;
    const model = report.models.find(({ name }) => name === attempt.model);
    if (model !== undefined) {
      const place = {
        node: identity.name,
        owner: identity.owner,
        model: model.name,
        tier: tierOfModel(model),
      };
      metrics.attemptDone(place, usage, frame.timings);
    }
    await ends.finish(attempt, {
      kind: "succeeded",
      finishReason: frame.finishReason,
      usage,
      timings: frame.timings,
    });
  };

  const fail = async (
    attempt: Attempt,
    failure: AttemptFailure & { readonly usage: Usage },
  ): Promise<void> => {
    if (failurePolicy(failure.failure).retry) return ends.fail(refOf(attempt), failure);
    await ends.finish(attempt, {
      kind: "failed",
      code: failure.failure,
      message: failure.message,
      usage: failure.usage,
    });
  };

  const step = async (
    attempt: Attempt,
    session: NodeSession,
    frame: Exclude<AttemptFrame, { kind: "accepted" }>,
  ): Promise<void> => {
    if (attempt.state.kind === "ended") return foreign(refOf(attempt), session, frame);
    switch (frame.kind) {
      case "progress":
        return tell({ kind: "attempt-progress", job: frame.job, phase: frame.phase, outputTokens: 0 });
      case "output":
        return output(attempt, session, frame);
      case "done":
        return done(attempt, session, frame);
      case "failed":
        if (missesOutput(attempt, session, frame.lastSeq)) return;
        return fail(attempt, {
          failure: frame.class,
          message: frame.message,
          usage: believedUsage(frame.usage, attempt.spec, attempt.outputBytes),
        });
      case "rejected":
        return fail(attempt, { failure: frame.reason, message: frame.message, usage: NOTHING_USED });
      case "aborted":
        return fail(attempt, {
          failure: "shutdown",
          message: "the agent stopped the attempt",
          usage: believedUsage(frame.usage, attempt.spec, attempt.outputBytes),
        });
    }
  };

  return (session, frame, bytes) => {
    const ref: AttemptRef = { job: frame.job, epoch: frame.epoch, node: session.identity.id };
    const attempt = table.held(ref.node, ref.job, ref.epoch);
    if (attempt === null) return hearForeign(ref, session, frame);
    if (attempt.state.kind === "assigned") {
      clearTimeout(attempt.state.revocation);
      attempt.state = { kind: "running" };
    }
    if (frame.kind === "accepted") return own(accepted(attempt));
    if (attempt.bytesOnTheWay + bytes > MOST_BYTES_ON_THE_WAY) {
      return session.link.refuse({
        reason: "bad-frame",
        message: `output of ${frame.job} exceeds its credit`,
        retryAfterMs: 10_000,
        leader: null,
      });
    }
    attempt.bytesOnTheWay += bytes;
    own(
      attempt.steps.run(async () => {
        attempt.bytesOnTheWay -= bytes;
        await step(attempt, session, frame);
      }),
    );
  };
}
