import type { Log } from "@coop/core";
import type { Metrics } from "@coop/metrics";
import { createTurnBatch, decodeAgentFrame, encodeFrame, MAX_SCHEDULER_FRAME_BYTES } from "@coop/protocol";
import type { AgentFrame, Corkable, SchedulerFrame } from "@coop/protocol";
import type { RawData, WebSocket } from "ws";

/** Bytes that may wait to be sent to one agent: two of the largest frames. Beyond, it is not reading. */
const MOST_BUFFERED_BYTES = 2 * MAX_SCHEDULER_FRAME_BYTES;
/** Pings without any sign of life after which a peer is gone. */
const MISSED_PINGS = 2;
/** A peer that does not answer a close is terminated after this. */
const CLOSE_PATIENCE_MS = 2_000;

export type Refused = Extract<SchedulerFrame, { kind: "refused" }>;
export type Refusal = Omit<Refused, "kind">;

type LinkState =
  | { readonly kind: "open"; missedPings: number }
  | { readonly kind: "closing" }
  | { readonly kind: "closed" };

/**
 * One WebSocket of an agent: frames in and out, liveness, back-pressure.
 *
 * 1. After `refuse` or `terminate` no further frame is delivered.
 * 2. A dead peer is terminated, never closed: a close waits for an answer that does not come.
 */
export interface NodeLink {
  readonly open: boolean;
  send(frame: SchedulerFrame): void;
  /** Says why, then closes. */
  refuse(refusal: Refusal): void;
  /** Drops the connection at once; the agent connects again and resumes. */
  terminate(why: string): void;
  /** To be called at each heartbeat: pings, and terminates after two beats without a sign of life. */
  beat(): void;
}

export interface NodeLinkDeps {
  readonly log: Log;
  readonly metrics: Metrics;
  readonly onFrame: (frame: AgentFrame, bytes: number) => void;
  /** A frame that is no frame of this protocol. `text` is null when it was not text. */
  readonly onBadFrame: (problem: string, text: string | null) => void;
  /** Once, when nothing more comes. */
  readonly onClosed: () => void;
}

/** @param stream what the WebSocket writes to */
export function createNodeLink(socket: WebSocket, stream: Corkable, deps: NodeLinkDeps): NodeLink {
  const { log, metrics } = deps;
  let state: LinkState = { kind: "open", missedPings: 0 };

  const alive = (): void => {
    if (state.kind === "open") state.missedPings = 0;
  };
  const shut = (next: "closing" | "closed"): void => {
    const first = state.kind === "open";
    state = { kind: next };
    if (first) deps.onClosed();
  };
  const terminate = (why: string): void => {
    if (state.kind === "closed") return;
    log.info({ why }, "terminating an agent's connection");
    socket.terminate();
    shut("closed");
  };
  const beforeWrite = createTurnBatch(stream);
  const write = (frame: SchedulerFrame): void => {
    const text = encodeFrame(frame);
    metrics.frame("to-agent", frame.kind, Buffer.byteLength(text));
    beforeWrite();
    socket.send(text);
  };

  socket.on("message", (data, isBinary) => {
    alive();
    if (state.kind !== "open") return;
    if (isBinary) return deps.onBadFrame("a binary frame, where only JSON text is spoken", null);
    read(textOf(data));
  });
  const read = (text: string): void => {
    const decoded = decodeAgentFrame(text);
    metrics.frame(
      "from-agent",
      decoded.kind === "frame" ? decoded.frame.kind : decoded.kind,
      Buffer.byteLength(text),
    );
    switch (decoded.kind) {
      case "frame":
        return deps.onFrame(decoded.frame, text.length);
      case "unknown":
        return log.warn({ frameKind: decoded.frameKind }, "dropping a frame of an unknown kind");
      case "bad":
        return deps.onBadFrame(decoded.problem, text);
    }
  };
  socket.on("pong", alive);
  socket.on("ping", alive);
  socket.on("error", (error) => log.info({ err: error }, "an agent's connection failed"));
  socket.on("close", () => shut("closed"));

  return {
    get open() {
      return state.kind === "open";
    },
    send(frame) {
      if (state.kind !== "open") return;
      if (socket.bufferedAmount > MOST_BUFFERED_BYTES) return terminate("it does not read what it is sent");
      write(frame);
    },
    refuse(refusal) {
      if (state.kind !== "open") return;
      metrics.nodeRefused(refusal.reason);
      log.info({ reason: refusal.reason, message: refusal.message }, "refusing an agent");
      write({ kind: "refused", ...refusal });
      socket.close(1008, refusal.reason);
      const impatience = setTimeout(() => socket.terminate(), CLOSE_PATIENCE_MS);
      socket.once("close", () => clearTimeout(impatience));
      shut("closing");
    },
    terminate,
    beat() {
      if (state.kind !== "open") return;
      if (state.missedPings >= MISSED_PINGS) return terminate("no sign of life");
      state.missedPings += 1;
      socket.ping();
    },
  };
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString("utf8");
  return (data instanceof ArrayBuffer ? Buffer.from(data) : data).toString("utf8");
}
