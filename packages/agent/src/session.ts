import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { assertNever } from "@coop/core";
import type { Log } from "@coop/core";
import {
  createTurnBatch,
  decodeSchedulerFrame,
  encodeFrame,
  MAX_AGENT_FRAME_BYTES,
  MAX_SCHEDULER_FRAME_BYTES,
} from "@coop/protocol";
import type { SchedulerFrame } from "@coop/protocol";
import { WebSocket } from "ws";
import type { RawData } from "ws";
import type { SchedulerLink } from "./attempt.ts";
import { answerChallenge, isWelcomeProven, wrongServerMessage } from "./handshake.ts";
import type { Announcement, Challenge, Refused, Welcome } from "./handshake.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { AgentIdentity } from "./identity.ts";
import type { CancelTimer, Timing } from "./timing.ts";

/** Frames of a connection that serves. */
export type WorkFrame = Exclude<SchedulerFrame, Challenge | Welcome | Refused>;

/** Why a connection ended. */
export type SessionEnd =
  /** `servedMs`: for how long it had served; null when it was never welcomed. */
  | {
      readonly kind: "ended";
      readonly reason: string;
      readonly servedMs: number | null;
      readonly retryAfterMs: number | null;
    }
  /** `retryAfterMs` null: trying again without a change is useless. */
  | {
      readonly kind: "refused";
      readonly reason: string;
      readonly message: string;
      readonly retryAfterMs: number | null;
      readonly leader: string | null;
    }
  | { readonly kind: "wrong-server"; readonly message: string };

export interface SessionDeps {
  readonly identity: AgentIdentity;
  readonly timing: Timing;
  readonly log: Log;
  /** What the hello says; asked when the challenge has come. */
  readonly announce: () => Announcement;
  readonly onWelcome: (link: SchedulerLink, welcome: Welcome) => void;
  readonly onFrame: (frame: WorkFrame) => void;
}

/** Time for each step until the welcome, ms. */
const stepMs = 10_000;
/** Unsent bytes beyond which the peer does not read any more: all attempts' windows, with room. */
const unsentCapBytes = 16 * 1024 * 1024;

type SessionState =
  | { readonly state: "dialing" }
  | { readonly state: "awaiting-challenge"; readonly timer: CancelTimer }
  | { readonly state: "awaiting-welcome"; readonly timer: CancelTimer; readonly nonce: string }
  | { readonly state: "serving"; readonly heartbeat: Heartbeat; readonly sinceMs: number }
  | { readonly state: "closed" };

/**
 * One socket to the scheduler, from dial to end. Resolves with why it ended; never rejects. The reason of the
 * signal's abort is the reason of the end.
 *
 * S1. Nothing of the node's work is said or heard before both sides have proven who they are.
 * S2. A socket ends by `terminate`, never by `close`: a peer that is gone answers no close frame.
 * S3. What the peer does not read is bounded; beyond it the socket ends.
 */
export function runSession(deps: SessionDeps, socketUrl: string, signal: AbortSignal): Promise<SessionEnd> {
  return new Promise((resolve) => new Session(deps, socketUrl, signal, resolve).open());
}

class Session implements SchedulerLink {
  readonly #deps: SessionDeps;
  readonly #socket: WebSocket;
  readonly #signal: AbortSignal;
  readonly #resolve: (end: SessionEnd) => void;
  #state: SessionState = { state: "dialing" };
  #beforeWrite: () => void = () => undefined;

  constructor(deps: SessionDeps, socketUrl: string, signal: AbortSignal, resolve: (end: SessionEnd) => void) {
    this.#deps = deps;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#socket = new WebSocket(socketUrl, {
      perMessageDeflate: false,
      maxPayload: MAX_SCHEDULER_FRAME_BYTES,
      handshakeTimeout: stepMs,
    });
  }

  open(): void {
    const socket = this.#socket;
    socket.on("upgrade", (response) => (this.#beforeWrite = createTurnBatch(response.socket)));
    socket.on("open", () => this.#opened());
    socket.on("message", (data, isBinary) => this.#received(data, isBinary));
    socket.on("ping", () => this.#heard());
    socket.on("pong", () => this.#heard());
    socket.on("unexpected-response", (_request, response) => this.#declined(response));
    socket.on("error", (error) => this.#finish(error.message));
    socket.on("close", (code, reason) =>
      this.#finish(`closed by the server (${code}${reason.length > 0 ? ` ${reason.toString()}` : ""})`),
    );
    if (this.#signal.aborted) this.#stopped();
    else this.#signal.addEventListener("abort", this.#stopped, { once: true });
  }

  /** Sends an encoded frame; after the end it does nothing. */
  send(text: string): void {
    if (this.#state.state !== "serving") return;
    const bytes = Buffer.byteLength(text);
    if (bytes > MAX_AGENT_FRAME_BYTES)
      throw new Error(`a frame of ${bytes} bytes is more than ${MAX_AGENT_FRAME_BYTES}`);
    this.#write(text);
    if (this.#socket.bufferedAmount > unsentCapBytes) this.#finish("the server does not read any more");
  }

  #opened(): void {
    this.#state = { state: "awaiting-challenge", timer: this.#stepTimer("a challenge") };
  }

  #received(data: RawData, isBinary: boolean): void {
    if (this.#state.state === "closed") return;
    this.#heard();
    if (isBinary) return this.#finish("the server sent a binary frame");
    const decoded = decodeSchedulerFrame(textOf(data));
    switch (decoded.kind) {
      case "frame":
        return this.#take(decoded.frame);
      case "unknown":
        this.#deps.log.warn({ frame: decoded.frameKind }, "dropped a frame of an unknown kind");
        return;
      case "bad":
        return this.#finish(`the server sent a bad frame: ${decoded.problem}`);
      default:
        return assertNever(decoded);
    }
  }

  #take(frame: SchedulerFrame): void {
    const state = this.#state;
    if (frame.kind === "refused") return this.#end({ ...frame, kind: "refused" });
    if (frame.kind === "challenge" && state.state === "awaiting-challenge")
      return this.#greet(frame, state.timer);
    if (frame.kind === "welcome" && state.state === "awaiting-welcome") return this.#serve(frame, state);
    if (frame.kind === "challenge" || frame.kind === "welcome" || state.state !== "serving") {
      return this.#finish(`the server sent \`${frame.kind}\` out of turn`);
    }
    this.#deps.onFrame(frame);
  }

  #greet(challenge: Challenge, timer: CancelTimer): void {
    timer();
    const nonce = randomBytes(24).toString("base64url");
    const answer = answerChallenge(this.#deps.identity, challenge, this.#deps.announce(), nonce);
    switch (answer.kind) {
      case "hello":
        this.#state = { state: "awaiting-welcome", timer: this.#stepTimer("a welcome"), nonce };
        return this.#write(encodeFrame(answer.hello));
      case "wrong-server":
        return this.#end(answer);
      case "wrong-version":
        return this.#end({ ...answer, kind: "refused", reason: "protocol-version", leader: null });
      default:
        return assertNever(answer);
    }
  }

  #serve(welcome: Welcome, { timer, nonce }: Extract<SessionState, { state: "awaiting-welcome" }>): void {
    timer();
    const { identity, timing } = this.#deps;
    if (!isWelcomeProven(identity, nonce, welcome)) {
      return this.#end({ kind: "wrong-server", message: wrongServerMessage(identity) });
    }
    const heartbeat = new Heartbeat(
      timing,
      welcome.heartbeatMs,
      () => this.#socket.ping(),
      () => this.#finish("the server does not answer any more"),
    );
    this.#state = { state: "serving", heartbeat, sinceMs: timing.monotonicMs() };
    this.#deps.onWelcome(this, welcome);
  }

  #declined(response: IncomingMessage): void {
    response.resume();
    const seconds = Number(response.headers["retry-after"]);
    const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : null;
    const { servedMs } = this;
    this.#end({
      kind: "ended",
      reason: `the server answered HTTP ${response.statusCode}`,
      servedMs,
      retryAfterMs,
    });
  }

  #heard(): void {
    if (this.#state.state === "serving") this.#state.heartbeat.heard();
  }

  #write(text: string): void {
    this.#beforeWrite();
    this.#socket.send(text, (error) => {
      if (error) this.#finish(`a frame could not be sent: ${error.message}`);
    });
  }

  #stepTimer(what: string): CancelTimer {
    return this.#deps.timing.after(stepMs, () =>
      this.#finish(`the server did not send ${what} in ${stepMs / 1000} s`),
    );
  }

  readonly #stopped = (): void => this.#finish(String(this.#signal.reason));

  #finish(reason: string): void {
    this.#end({ kind: "ended", reason, servedMs: this.servedMs, retryAfterMs: null });
  }

  /** For how long the connection has served, null when it does not. */
  get servedMs(): number | null {
    return this.#state.state === "serving" ? this.#deps.timing.monotonicMs() - this.#state.sinceMs : null;
  }

  #end(end: SessionEnd): void {
    const state = this.#state;
    if (state.state === "closed") return;
    if (state.state === "serving") state.heartbeat.stop();
    else if (state.state !== "dialing") state.timer();
    this.#state = { state: "closed" };
    this.#signal.removeEventListener("abort", this.#stopped);
    this.#socket.terminate();
    this.#resolve(end);
  }
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString("utf8");
  return Buffer.isBuffer(data) ? data.toString("utf8") : Buffer.from(data).toString("utf8");
}
