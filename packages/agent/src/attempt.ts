import type { Delta, Epoch, FailureClass, JobId, Log, Usage } from "@coop/core";
import { encodeFrame, MAX_AGENT_FRAME_BYTES } from "@coop/protocol";
import type { AgentFrame, Assign, RunningAttempt } from "@coop/protocol";
import { DeltaBatch } from "./delta-batch.ts";
import type { Engine, EngineEvent, EngineOutcome, GenerateLimits } from "./engines/engine.ts";
import { Outbox } from "./outbox.ts";
import type { Slot } from "./slots.ts";
import type { CancelTimer, Timing } from "./timing.ts";
import { unquoted } from "./unquoted.ts";

/** The way to the scheduler while a connection serves. */
export interface SchedulerLink {
  /** Sends an encoded frame; what a broken connection loses is sent again after the next welcome. */
  send(text: string): void;
}

/** Why an attempt is stopped from outside its engine. */
export type StopReason =
  /** The scheduler wants no more of it: answers `aborted`. */
  | "cancelled"
  /** The job's time is over. */
  | "deadline"
  /** The agent stops. */
  | "shutdown"
  /** The machine was away for longer than a lease: the attempt is no longer ours. */
  | "asleep"
  /** The scheduler needs output again that it had acknowledged. */
  | "output-lost";

export type EndFrame = Extract<AgentFrame, { kind: "done" | "failed" | "aborted" | "rejected" }>;

type AttemptState =
  | {
      readonly state: "running";
      readonly slot: Slot;
      readonly abort: AbortController;
      readonly cancelDeadline: CancelTimer;
      stopped: StopReason | null;
    }
  | { readonly state: "ended"; readonly end: EndFrame; endSent: boolean };

type FailedFrame = Extract<EndFrame, { kind: "failed" }>;

export interface AttemptDeps {
  readonly engine: Engine;
  readonly timing: Timing;
  readonly log: Log;
  /** Called once, when the engine is done with the attempt, however it ended. */
  readonly onEnded: (attempt: Attempt, outcome: EngineOutcome) => void;
}

export interface AttemptPlan {
  readonly assign: Assign;
  readonly slot: Slot;
  /** The context that is pinned for the model on this node, tokens. */
  readonly contextTokens: number;
  readonly limits: GenerateLimits;
}

/** A delta that a frame could not hold beside a full batch, bytes. */
const deltaCapBytes = MAX_AGENT_FRAME_BYTES - 256 * 1024;
const noUsage: Usage = { promptTokens: 0, outputTokens: 0 };

/**
 * One try of a job on this node.
 *
 * A1. The engine runs on, connected or not; only its end, a stop or the deadline ends it.
 * A2. Its last frame is its end, after all output unless it was cancelled, repeated on each connection until settled.
 * A3. Unacknowledged output is bounded: when the outbox is full, the engine is not read.
 */
export class Attempt {
  readonly job: JobId;
  readonly epoch: Epoch;
  readonly model: string;
  readonly #deps: AttemptDeps;
  readonly #startedAtMs: number;
  readonly #outbox = new Outbox();
  readonly #batch: DeltaBatch;
  #state: AttemptState;
  #outputTokens = 0;
  /** Last output frame that the scheduler has, once it is known to have lost some. */
  #keptSeq = 0;
  /** The present connection, or the last one: what is sent over that is lost, and sent again on the next. */
  #link: SchedulerLink;
  #finished: Promise<void> = Promise.resolve();
  /** Wakes the reader that waits for room in the outbox. */
  #onRoom: (() => void) | null = null;

  private constructor(deps: AttemptDeps, assign: Assign, link: SchedulerLink, state: AttemptState) {
    this.job = assign.job;
    this.epoch = assign.epoch;
    this.model = assign.model;
    this.#deps = deps;
    this.#startedAtMs = deps.timing.now();
    this.#link = link;
    this.#state = state;
    this.#batch = new DeltaBatch(deps.timing, (deltas, tokens) => this.#pushOutput(deltas, tokens));
  }

  /** Takes the assign and starts the engine. */
  static start(deps: AttemptDeps, plan: AttemptPlan, link: SchedulerLink): Attempt {
    const { assign, slot } = plan;
    const attempt: Attempt = new Attempt(deps, assign, link, {
      state: "running",
      slot,
      abort: new AbortController(),
      cancelDeadline: deps.timing.after(assign.remainingMs, () => attempt.stop("deadline")),
      stopped: null,
    });
    attempt.confirm();
    attempt.#finished = attempt.#run(plan);
    return attempt;
  }

  /** An assign that is not run at all; it is remembered until the scheduler knows. */
  static reject(
    deps: AttemptDeps,
    assign: Assign,
    link: SchedulerLink,
    reason: FailureClass,
    message: string,
  ): Attempt {
    const { job, epoch } = assign;
    const attempt = new Attempt(deps, assign, link, {
      state: "ended",
      end: { kind: "rejected", job, epoch, reason, message },
      endSent: false,
    });
    attempt.#pump();
    return attempt;
  }

  get isRunning(): boolean {
    return this.#state.state === "running";
  }

  /** Output that the scheduler has not confirmed, bytes. */
  get unconfirmedBytes(): number {
    return this.#outbox.keptBytes;
  }

  /** Resolves when the engine is done with it. */
  get finished(): Promise<void> {
    return this.#finished;
  }

  describe(): RunningAttempt {
    return {
      job: this.job,
      epoch: this.epoch,
      model: this.model,
      startedAtMs: this.#startedAtMs,
      lastSeq: this.#outbox.lastSeq,
      outputTokens: this.#outputTokens,
    };
  }

  /** Says (again) that the assign was taken, or how it ended. */
  confirm(): void {
    if (this.#state.state === "running") {
      this.#sendNow({ kind: "accepted", job: this.job, epoch: this.epoch });
      return;
    }
    this.#state.endSent = false;
    this.#pump();
  }

  acknowledge(seq: number, creditBytes: number): void {
    this.#outbox.acknowledge(seq, creditBytes);
    this.#wakeWhenRoom();
    this.#pump();
  }

  /** A new connection wants the output from `fromSeq` on. */
  resume(link: SchedulerLink, fromSeq: number): void {
    this.#link = link;
    if (this.#state.state === "ended") this.#state.endSent = false;
    if (!this.#outbox.rewind(fromSeq)) {
      this.#keptSeq = fromSeq - 1;
      this.stop("output-lost");
      return;
    }
    this.#wakeWhenRoom();
    this.#pump();
  }

  /** A new connection wants no more of it. */
  abandon(link: SchedulerLink): void {
    this.#link = link;
    this.stop("cancelled");
  }

  /** Stops the engine, if it still runs, and ends the attempt as the reason says. The first reason holds. */
  stop(reason: StopReason): void {
    const state = this.#state;
    if (state.state === "running") {
      state.stopped ??= reason;
      if (isUnwanted(state.stopped)) this.#discardOutput();
      state.abort.abort();
      this.#onRoom?.();
      return;
    }
    if (!isUnwanted(reason)) return;
    this.#discardOutput();
    this.#endWith(this.#stoppedFrame(reason, usageOf(state.end)));
  }

  async #run(plan: AttemptPlan): Promise<void> {
    const state = this.#state;
    if (state.state !== "running") return;
    const { abort } = state;
    const request = { ...plan.assign.request, model: plan.assign.model, contextTokens: plan.contextTokens };
    const told = await this.#consume(this.#deps.engine.generate(request, abort.signal, plan.limits), abort);
    const outcome = told.kind === "failed" ? { ...told, message: unquoted(told.message, request) } : told;
    state.cancelDeadline();
    state.slot.release();
    this.#batch.flush();
    this.#endWith(this.#endFrame(outcome, state.stopped));
    this.#deps.onEnded(this, outcome);
  }

  async #consume(events: AsyncIterable<EngineEvent>, abort: AbortController): Promise<EngineOutcome> {
    try {
      for await (const event of events) {
        if (event.kind === "done" || event.kind === "failed" || event.kind === "aborted") return event;
        if (event.kind !== "delta") {
          this.#sendNow({ kind: "progress", job: this.job, epoch: this.epoch, phase: event.kind });
          continue;
        }
        const bytes = frameBytes(event.delta);
        if (bytes > deltaCapBytes) {
          abort.abort();
          return this.#failure(
            "model-output",
            `one ${event.delta.kind} of ${bytes} bytes is more than a frame holds`,
          );
        }
        this.#outputTokens += event.tokens;
        this.#batch.add(event.delta, event.tokens);
        await this.#untilRoom();
      }
      return this.#failure("engine-error", "the engine ended without an outcome");
    } catch (error) {
      this.#deps.log.error(
        { job: this.job, epoch: this.epoch, error: String(error) },
        "the engine adapter broke",
      );
      return this.#failure("engine-error", error instanceof Error ? error.message : String(error));
    }
  }

  async #untilRoom(): Promise<void> {
    while (this.#outbox.isFull && this.#state.state === "running" && this.#state.stopped === null) {
      await new Promise<void>((resolve) => (this.#onRoom = resolve));
      this.#onRoom = null;
    }
  }

  #failure(failure: FailureClass, message: string): EngineOutcome {
    const usage = { promptTokens: 0, outputTokens: this.#outputTokens };
    return { kind: "failed", class: failure, message, usage, phase: "decode" };
  }

  #endFrame(outcome: EngineOutcome, stopped: StopReason | null): EndFrame {
    const { job, epoch } = this;
    const lastSeq = this.#outbox.lastSeq;
    if (outcome.kind === "done" && (stopped === null || !isUnwanted(stopped))) {
      const { finishReason, usage, timings } = outcome;
      return { kind: "done", job, epoch, lastSeq, finishReason, usage, timings };
    }
    if (stopped !== null) return this.#stoppedFrame(stopped, outcome.usage);
    if (outcome.kind === "failed") {
      const { class: failure, message, usage } = outcome;
      return { kind: "failed", job, epoch, lastSeq, class: failure, message: message.slice(0, 2000), usage };
    }
    return this.#failedFrame("engine-error", "the engine stopped without being asked to", outcome.usage);
  }

  #stoppedFrame(reason: StopReason, usage: Usage): EndFrame {
    switch (reason) {
      case "cancelled":
        return { kind: "aborted", job: this.job, epoch: this.epoch, usage };
      case "deadline":
        return this.#failedFrame(
          "total-timeout",
          "the job's time was over before the model had finished",
          usage,
        );
      case "shutdown":
        return this.#failedFrame("shutdown", "the agent was stopped by its owner", usage);
      case "asleep":
        return this.#failedFrame("node-lost", "the machine was asleep for longer than a lease", usage);
      case "output-lost": {
        const frame = this.#failedFrame(
          "node-lost",
          "output that was acknowledged was asked for again",
          usage,
        );
        return { ...frame, lastSeq: this.#keptSeq };
      }
    }
  }

  #failedFrame(failure: FailureClass, message: string, usage: Usage): FailedFrame {
    const { job, epoch } = this;
    return { kind: "failed", job, epoch, lastSeq: this.#outbox.lastSeq, class: failure, message, usage };
  }

  #endWith(end: EndFrame): void {
    this.#state = { state: "ended", end, endSent: false };
    this.#pump();
  }

  #pushOutput(deltas: readonly Delta[], tokens: number): void {
    const state = this.#state;
    if (state.state === "running" && state.stopped !== null && isUnwanted(state.stopped)) return;
    const { job, epoch } = this;
    this.#outbox.push((seq) => encodeFrame({ kind: "output", job, epoch, seq, deltas, tokens }));
    this.#pump();
  }

  #discardOutput(): void {
    this.#batch.discard();
    this.#outbox.discard();
  }

  #wakeWhenRoom(): void {
    if (!this.#outbox.isFull) this.#onRoom?.();
  }

  #pump(): void {
    const link = this.#link;
    for (let text = this.#outbox.next(); text !== null; text = this.#outbox.next()) link.send(text);
    const state = this.#state;
    if (state.state === "ended" && !state.endSent && this.#outbox.isDrained) {
      state.endSent = true;
      link.send(encodeFrame(state.end));
    }
  }

  #sendNow(frame: AgentFrame): void {
    this.#link.send(encodeFrame(frame));
  }
}

const usageOf = (end: EndFrame): Usage => (end.kind === "rejected" ? noUsage : end.usage);

/** Nobody reads the output of an attempt that stops for this reason. */
const isUnwanted = (reason: StopReason): boolean => reason === "cancelled" || reason === "output-lost";

/** Size of a delta in a frame, bytes; 0 for text, which can be cut. */
const frameBytes = (delta: Delta): number =>
  delta.kind === "content" || delta.kind === "reasoning" ? 0 : Buffer.byteLength(JSON.stringify(delta));
