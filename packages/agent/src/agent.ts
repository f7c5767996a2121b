import { assertNever, throughputOf } from "@coop/core";
import type { Log, NodeReport, OwnersAvailability, Random } from "@coop/core";
import { encodeFrame } from "@coop/protocol";
import type { SchedulerLink } from "./attempt.ts";
import { Attempts } from "./attempts.ts";
import type { Engine, EngineOutcome } from "./engines/engine.ts";
import { generateLimits } from "./generate-limits.ts";
import type { Announcement, Welcome } from "./handshake.ts";
import type { AgentIdentity } from "./identity.ts";
import { MemoryWatch } from "./memory-watch.ts";
import { REPORT_INTERVAL_MS, Reporting } from "./reporting.ts";
import type { NodeSnapshot } from "./reporting.ts";
import { runSession } from "./session.ts";
import type { SessionEnd, WorkFrame } from "./session.ts";
import { watchForSleep } from "./sleep-watch.ts";
import type { Slots } from "./slots.ts";
import type { AgentStatus } from "./status.ts";
import { superviseConnection } from "./supervisor.ts";
import type { SupervisionEnd } from "./supervisor.ts";
import { pause, whenAborted } from "./timing.ts";
import type { Timing } from "./timing.ts";
import type { Vitals } from "./vitals.ts";
import { Warming } from "./warming.ts";

/** How long a draining agent lets attempts run on, ms. */
export const DRAIN_LIMIT_MS = 60_000;
/** How long the ends of stopped attempts may take to reach the scheduler, ms. */
const farewellMs = 2_000;
/** Lease until a welcome says another, ms. */
const usualLeaseMs = 30_000;

export interface AgentDeps {
  readonly identity: AgentIdentity;
  readonly engine: Engine;
  readonly slots: Slots;
  readonly timing: Timing;
  readonly random: Random;
  readonly log: Log;
  /** Looks at machine and engine. */
  readonly look: (signal: AbortSignal) => Promise<NodeSnapshot>;
  /** The engine is done with an attempt: what it measured can be learned from. */
  readonly onOutcome: (model: string, outcome: EngineOutcome) => void;
  readonly onConnected: () => void;
  /** `status` would now answer something else. */
  readonly onStatus: () => void;
  readonly owner: OwnersWord;
  /** How the agent's own process does since this was last asked. */
  readonly vitals: () => Vitals;
  /** How long the engine may take; by the model's figures unless given. */
  readonly limits?: typeof generateLimits;
}

/** What the node's owner wants, at any time. */
export interface OwnersWord {
  /** Whether they let the node take anything new. */
  availability(): OwnersAvailability;
  /** What they have against running a model now; null: nothing. */
  refusal(model: string): string | null;
  /** Models that are never unloaded to free memory. */
  pinnedModels(): readonly string[];
  /** For `agent status`. */
  status(): Omit<AgentStatus["settings"], "notAllowed">;
}

export interface AgentStop {
  /** Aborts when the agent is to finish what runs and take nothing new. */
  readonly drain: AbortSignal;
  /** Aborts when it is to stop at once. */
  readonly abort: AbortSignal;
}

type Connection =
  | { readonly state: "connecting"; readonly sinceMs: number; readonly problem: string | null }
  | { readonly state: "connected"; readonly sinceMs: number; readonly link: SchedulerLink };

/** A node's program: keeps it connected, runs what it is assigned, and reports what it can do. */
export class Agent {
  readonly #deps: AgentDeps;
  readonly #attempts: Attempts;
  readonly #reporting: Reporting;
  readonly #warming: Warming;
  readonly #memory: MemoryWatch;
  #connection: Connection;
  #snapshot: NodeSnapshot | null = null;
  /** The machine as the last hello said it, and the report as it was last sent, JSON text. */
  #announcedMachine = "";
  #sentReport = { text: "", atMs: 0 };
  #session = new AbortController();
  #leaseMs = usualLeaseMs;
  /** As the scheduler last said it. */
  #budget: AgentStatus["budget"] = null;
  #connections = 0;
  /** Aborts when no attempt is open any more. */
  #empty: AbortController | null = null;

  constructor(deps: AgentDeps) {
    const { identity, engine, slots, timing, log } = deps;
    this.#deps = deps;
    this.#connection = { state: "connecting", sinceMs: timing.now(), problem: null };
    const model = (name: string) =>
      this.#snapshot?.report.models.find((model) => model.name === name) ?? null;
    this.#attempts = new Attempts({
      node: identity.node,
      engine,
      slots,
      timing,
      log,
      model,
      ownersRefusal: (name) => deps.owner.refusal(name),
      limits: deps.limits ?? generateLimits,
      onChange: () => this.#attemptsChanged(),
      onOutcome: (name, outcome) => this.#outcome(name, outcome),
    });
    this.#reporting = new Reporting({
      timing,
      look: deps.look,
      onLook: (snapshot) => this.#looked(snapshot),
    });
    this.#warming = new Warming({
      engine,
      log,
      model,
      hasRoomFor: (bytes) => this.#hasRoomFor(bytes),
      mustStay: (name) => deps.owner.pinnedModels().includes(name) || this.#inUse().has(name),
      onDone: () => this.#reporting.soon(),
    });
    this.#memory = new MemoryWatch({
      pinned: () => deps.owner.pinnedModels(),
      log,
      monotonicMs: timing.monotonicMs,
      unload: (name) => this.#warming.unload(name),
    });
  }

  /** Runs until it is stopped, or refused for good. The engine is left to its owner to close. */
  async run(stop: AgentStop): Promise<SupervisionEnd> {
    const { identity, timing, random, log } = this.#deps;
    const over = new AbortController();
    const stopWatching = watchForSleep(
      timing,
      () => this.#leaseMs,
      (awayMs) => this.#slept(awayMs),
    );
    const leaving = this.#leave(stop, over.signal).then(() => over.abort("stopped"));
    try {
      await this.#reporting.start();
      return await superviseConnection(
        {
          serverUrl: identity.serverUrl,
          plaintextAllowed: identity.plaintextAllowed,
          timing,
          random,
          log,
          connect: (socketUrl, signal) => this.#connect(socketUrl, signal),
          onPause: (reason, pauseMs) => this.#pausing(reason, pauseMs),
        },
        over.signal,
      );
    } finally {
      over.abort("stopped");
      stopWatching();
      await leaving;
      this.#attempts.stopAll("shutdown");
      await Promise.all([this.#attempts.idle(), this.#warming.stop(), this.#reporting.stop()]);
    }
  }

  /** Something that `look` would find has changed. */
  lookAgain(): void {
    this.#reporting.soon();
  }

  /** The engine works on an attempt. */
  get isWorking(): boolean {
    return this.#attempts.running().length > 0;
  }

  /** What the agent is and does now. `pid` is the caller's to know. */
  status(pid: number): AgentStatus {
    const { identity, timing, slots } = this.#deps;
    const report = this.#snapshot?.report;
    const connection = this.#connection;
    return {
      pid,
      node: identity.node,
      name: identity.name,
      owner: identity.owner,
      server: identity.serverUrl,
      connection:
        connection.state === "connecting" ? connection : { state: "connected", sinceMs: connection.sinceMs },
      engine: {
        name: this.#snapshot?.machine.engine ?? "none",
        problem: this.#snapshot?.engineProblem ?? null,
      },
      models: (report?.models ?? []).map(({ name, loaded, contextTokens }) => ({
        name,
        loaded,
        contextTokens,
        problem: report?.unhealthy[name] ?? null,
      })),
      slots: slots.total,
      availability: this.#deps.owner.availability(),
      throughput: throughputOf(report?.models ?? [], slots.total),
      budget: this.#budget,
      settings: { ...this.#deps.owner.status(), notAllowed: [...(this.#snapshot?.notAllowed ?? [])] },
      draining: this.#attempts.isDraining,
      running: this.#attempts.running().map(({ job, epoch, model, startedAtMs, outputTokens }) => ({
        job,
        epoch,
        model,
        startedAtMs,
        outputTokens,
      })),
      updatedAtMs: timing.now(),
    };
  }

  /** Waits for a stop and then ends the work in order: drain, stop what is left, say so. */
  async #leave(stop: AgentStop, over: AbortSignal): Promise<void> {
    await whenAborted(AbortSignal.any([stop.drain, stop.abort, over]));
    if (over.aborted) return;
    this.#takeNothingNew("the agent is stopping");
    await this.#untilEmpty(DRAIN_LIMIT_MS, AbortSignal.any([stop.abort, over]));
    this.#attempts.stopAll("shutdown");
    await this.#untilEmpty(farewellMs, over);
  }

  /** Waits until every attempt is settled, at most so long. */
  async #untilEmpty(limitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#attempts.openCount === 0) return;
    this.#empty = new AbortController();
    await pause(this.#deps.timing, limitMs, AbortSignal.any([signal, this.#empty.signal]));
    this.#empty = null;
  }

  async #connect(socketUrl: string, signal: AbortSignal): Promise<SessionEnd> {
    const { identity, timing, log } = this.#deps;
    this.#session = new AbortController();
    return await runSession(
      {
        identity,
        timing,
        log,
        announce: () => this.#announce(),
        onWelcome: (link, welcome) => this.#welcomed(link, welcome),
        onFrame: (frame) => this.#handle(frame),
      },
      socketUrl,
      AbortSignal.any([signal, this.#session.signal]),
    );
  }

  #announce(): Announcement {
    const snapshot = this.#snapshot;
    if (snapshot === null) throw new Error("a connection began before the first look at the machine");
    this.#announcedMachine = JSON.stringify(snapshot.machine);
    const report = this.#reportOf(snapshot);
    this.#sentReport = { text: JSON.stringify(report), atMs: this.#deps.timing.monotonicMs() };
    return {
      machine: snapshot.machine,
      report: this.#withVitals(report),
      running: this.#attempts.describe(),
    };
  }

  #welcomed(link: SchedulerLink, welcome: Welcome): void {
    this.#connection = { state: "connected", sinceMs: this.#deps.timing.now(), link };
    this.#connections += 1;
    this.#leaseMs = welcome.leaseMs;
    this.#deps.onConnected();
    this.#deps.onStatus();
    this.#attempts.connected(link, welcome.running);
  }

  #handle(frame: WorkFrame): void {
    switch (frame.kind) {
      case "assign":
        return this.#attempts.assign(frame);
      case "ack":
        return this.#attempts.acknowledge(frame);
      case "settled":
        return this.#attempts.settle(frame);
      case "cancel":
        return this.#attempts.cancel(frame);
      case "warm":
        return this.#warming.warm(frame.model);
      case "unload":
        return this.#warming.unload(frame.model);
      case "budget":
        this.#budget = { day: frame.day, month: frame.month, atMs: this.#deps.timing.now() };
        return this.#deps.onStatus();
      case "drain":
        return this.#takeNothingNew("the co-op asked this node to take nothing new");
      default:
        return assertNever(frame);
    }
  }

  /** Models that generate now. */
  #inUse(): ReadonlySet<string> {
    return new Set(this.#attempts.running().map((attempt) => attempt.model));
  }

  #hasRoomFor(bytes: number): boolean {
    const memory = this.#snapshot?.memory;
    if (memory === undefined || memory.freeBytes === null) return true;
    return memory.freeBytes - bytes >= memory.keepFreeBytes;
  }

  #pausing(reason: string, pauseMs: number): void {
    const { log, timing, onStatus, identity } = this.#deps;
    log.warn({ server: identity.serverUrl, reason, retryInMs: Math.round(pauseMs) }, "not connected");
    this.#connection = { state: "connecting", sinceMs: timing.now(), problem: reason };
    onStatus();
  }

  #slept(awayMs: number): void {
    this.#deps.log.warn({ awayMs }, "this machine was away for longer than a lease; attempts are given up");
    this.#attempts.stopAll("asleep");
    this.#session.abort("the machine was away");
  }

  #takeNothingNew(message: string): void {
    this.#attempts.refuse(message);
    this.#sendReport();
    this.#deps.onStatus();
  }

  #attemptsChanged(): void {
    if (this.#attempts.openCount === 0) this.#empty?.abort();
    this.#deps.onStatus();
  }

  #outcome(model: string, outcome: EngineOutcome): void {
    this.#deps.onOutcome(model, outcome);
    this.#reporting.soon();
  }

  #looked(snapshot: NodeSnapshot): void {
    const { log, onStatus } = this.#deps;
    const before = this.#snapshot?.engineProblem ?? null;
    const { engineProblem, machine } = snapshot;
    if (engineProblem !== null && engineProblem !== before) log.warn({}, engineProblem);
    if (engineProblem === null && before !== null) log.info({ engine: machine.engine }, "the engine serves");
    this.#snapshot = snapshot;
    this.#memory.looked(snapshot.memory, snapshot.report.pressure, this.#inUse());
    onStatus();
    if (this.#connection.state !== "connected") return;
    if (this.#attempts.openCount === 0 && JSON.stringify(machine) !== this.#announcedMachine) {
      this.#session.abort("the machine or its engine is another one now");
    } else {
      this.#sendReport();
    }
  }

  /** Sends the report if it changed or the last one is old. */
  #sendReport(): void {
    if (this.#snapshot === null || this.#connection.state !== "connected") return;
    const report = this.#reportOf(this.#snapshot);
    const text = JSON.stringify(report);
    const atMs = this.#deps.timing.monotonicMs();
    if (text === this.#sentReport.text && atMs - this.#sentReport.atMs < REPORT_INTERVAL_MS) return;
    this.#sentReport = { text, atMs };
    this.#connection.link.send(encodeFrame({ kind: "report", report: this.#withVitals(report) }));
  }

  /** They change all the time, so they go with a report and are none. */
  #withVitals(report: NodeReport): NodeReport {
    const agent = {
      ...this.#deps.vitals(),
      reconnects: Math.max(0, this.#connections - 1),
      unconfirmedBytes: this.#attempts.unconfirmedBytes,
    };
    return { ...report, agent };
  }

  #reportOf(snapshot: NodeSnapshot): NodeReport {
    return { ...snapshot.report, draining: snapshot.report.draining || this.#attempts.isDraining };
  }
}
