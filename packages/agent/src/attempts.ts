import type { FailureClass, Log, ModelReport, NodeId } from "@coop/core";
import { encodeFrame } from "@coop/protocol";
import type { Assign, RunningAttempt, SchedulerFrame } from "@coop/protocol";
import { Attempt } from "./attempt.ts";
import type { SchedulerLink, StopReason } from "./attempt.ts";
import type { Engine, EngineOutcome } from "./engines/engine.ts";
import type { generateLimits } from "./generate-limits.ts";
import type { Slots } from "./slots.ts";
import type { Timing } from "./timing.ts";

export interface AttemptsDeps {
  readonly node: NodeId;
  readonly engine: Engine;
  readonly slots: Slots;
  readonly timing: Timing;
  readonly log: Log;
  /** What the owner has against running a model now; null: nothing. */
  readonly ownersRefusal: (model: string) => string | null;
  /** What the node reports of a model, null when it has no such model. */
  readonly model: (name: string) => ModelReport | null;
  readonly limits: typeof generateLimits;
  /** Attempts began, ended or were settled. */
  readonly onChange: () => void;
  /** The engine is done with an attempt. */
  readonly onOutcome: (model: string, outcome: EngineOutcome) => void;
}

type Frame<Kind extends SchedulerFrame["kind"]> = Extract<SchedulerFrame, { kind: Kind }>;
type Verdict = Frame<"welcome">["running"][number];
type Refusal = { readonly reason: FailureClass; readonly message: string };

/** Most attempts that are remembered at once, run and unsettled: as many as a hello can name. */
const recordsMax = 256;
/** Ends that are remembered after they were settled, so that a late repeat of the assign runs nothing twice. */
const settledMax = 1024;

const keyOf = ({ job, epoch }: { readonly job: string; readonly epoch: number }): string => `${job}#${epoch}`;

/**
 * The attempts of this node: those that run and those whose end the scheduler has not confirmed.
 *
 * N1. An assign of an epoch that is known starts nothing; it is answered with where the attempt stands.
 * N2. Nothing begins that the node's owner does not want now; what runs already goes on.
 * N3. A job whose `allowedNodes` omit this node, and a cloud model for `own` or `coop` work, never reach the engine.
 */
export class Attempts {
  readonly #deps: AttemptsDeps;
  readonly #attempts = new Map<string, Attempt>();
  readonly #settled = new Set<string>();
  #draining: string | null = null;
  #link: SchedulerLink | null = null;

  constructor(deps: AttemptsDeps) {
    this.#deps = deps;
  }

  /** Attempts that run or whose end is not confirmed yet. */
  get openCount(): number {
    return this.#attempts.size;
  }

  /** Output of them all that the scheduler has not confirmed, bytes. */
  get unconfirmedBytes(): number {
    return [...this.#attempts.values()].reduce((bytes, attempt) => bytes + attempt.unconfirmedBytes, 0);
  }

  /** For a hello. */
  describe(): RunningAttempt[] {
    return [...this.#attempts.values()].map((attempt) => attempt.describe());
  }

  /** Those that the engine works on. */
  running(): RunningAttempt[] {
    return [...this.#attempts.values()]
      .filter((attempt) => attempt.isRunning)
      .map((attempt) => attempt.describe());
  }

  assign(assign: Assign): void {
    const link = this.#link;
    if (link === null) return;
    const key = keyOf(assign);
    const known = this.#attempts.get(key);
    if (known !== undefined) {
      known.confirm();
      return;
    }
    if (this.#settled.has(key)) {
      this.#deps.log.warn(
        { job: assign.job, epoch: assign.epoch },
        "dropped an assign of an attempt that was settled",
      );
      return;
    }
    this.#begin(key, assign, link);
    this.#deps.onChange();
  }

  acknowledge(ack: Frame<"ack">): void {
    this.#attempts.get(keyOf(ack))?.acknowledge(ack.seq, ack.creditBytes);
  }

  cancel(cancel: Frame<"cancel">): void {
    const attempt = this.#attempts.get(keyOf(cancel));
    if (attempt === undefined)
      this.#deps.log.debug({ job: cancel.job, epoch: cancel.epoch }, "nothing to cancel");
    else attempt.stop("cancelled");
  }

  /** The scheduler keeps the end of an attempt: forget it. */
  settle(settled: Frame<"settled">): void {
    const key = keyOf(settled);
    const attempt = this.#attempts.get(key);
    if (attempt === undefined) return;
    if (attempt.isRunning) {
      this.#deps.log.warn({ job: settled.job, epoch: settled.epoch }, "settled while it runs: stopped");
      attempt.stop("cancelled");
      return;
    }
    this.#attempts.delete(key);
    this.#settled.add(key);
    if (this.#settled.size > settledMax) {
      const [oldest] = this.#settled;
      if (oldest !== undefined) this.#settled.delete(oldest);
    }
    this.#deps.onChange();
  }

  /** A connection serves: each attempt goes on or stops as its verdict says; without one, it stops. */
  connected(link: SchedulerLink, verdicts: readonly Verdict[]): void {
    this.#link = link;
    const verdictByKey = new Map(verdicts.map((verdict) => [keyOf(verdict), verdict]));
    for (const [key, attempt] of this.#attempts) {
      const verdict = verdictByKey.get(key);
      if (verdict?.verdict === "resume") attempt.resume(link, verdict.fromSeq);
      else attempt.abandon(link);
    }
  }

  /** Takes nothing new from here on. */
  refuse(message: string): void {
    this.#draining ??= message;
  }

  get isDraining(): boolean {
    return this.#draining !== null;
  }

  stopAll(reason: StopReason): void {
    for (const attempt of this.#attempts.values()) if (attempt.isRunning) attempt.stop(reason);
  }

  /** Resolves when the engine is done with every attempt of now. */
  async idle(): Promise<void> {
    await Promise.all([...this.#attempts.values()].map((attempt) => attempt.finished));
  }

  #begin(key: string, assign: Assign, link: SchedulerLink): void {
    const { engine, timing, log, slots } = this.#deps;
    const deps = {
      engine,
      timing,
      log,
      onEnded: (attempt: Attempt, outcome: EngineOutcome) => {
        this.#deps.onOutcome(attempt.model, outcome);
        this.#deps.onChange();
      },
    };
    const { job, epoch } = assign;
    if (this.#attempts.size >= recordsMax) {
      const message = `${recordsMax} attempts wait to be settled`;
      link.send(encodeFrame({ kind: "rejected", job, epoch, reason: "busy", message }));
      return;
    }
    const report = this.#deps.model(assign.model);
    const refusal = this.#refusal(assign, report);
    const slot = refusal === null ? slots.tryTake() : null;
    if (refusal !== null || report === null || slot === null) {
      const { reason, message } = refusal ?? {
        reason: "busy",
        message: `all ${slots.total} slots are taken`,
      };
      log.info({ job, epoch, reason }, "rejected an assign");
      this.#attempts.set(key, Attempt.reject(deps, assign, link, reason, message));
      return;
    }
    const limits = this.#deps.limits(report.capacity, assign);
    log.debug({ job, epoch, model: assign.model }, "attempt begins");
    const { contextTokens } = report;
    this.#attempts.set(key, Attempt.start(deps, { assign, slot, contextTokens, limits }, link));
  }

  #refusal(assign: Assign, report: ModelReport | null): Refusal | null {
    if (!assign.allowedNodes.includes(this.#deps.node)) {
      return { reason: "not-allowed", message: "this node is not among the nodes that may see the job" };
    }
    if (this.#draining !== null) return { reason: "shutdown", message: this.#draining };
    // Not the node's fault and not for ever: the report that says so is under way.
    const ownersWord = this.#deps.ownersRefusal(assign.model);
    if (ownersWord !== null) return { reason: "busy", message: ownersWord };
    if (report === null)
      return { reason: "model-missing", message: `this node has no model "${assign.model}"` };
    if (report.cloud && assign.privacy !== "any") {
      return {
        reason: "not-allowed",
        message: `"${assign.model}" is served by a cloud; the job may not leave the co-op`,
      };
    }
    return null;
  }
}
