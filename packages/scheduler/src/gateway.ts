import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { MAX_AGENT_FRAME_BYTES, PROTOCOL_VERSION } from "@coop/protocol";
import type { AgentFrame, Hello } from "@coop/protocol";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";
import type { ResolvedDeps } from "./deps.ts";
import { foreignHelloRefusal } from "./hello.ts";
import type { Role } from "./leader-loop.ts";
import { createNodeLink } from "./node-link.ts";
import type { Refusal } from "./node-link.ts";
import type { NodeSession } from "./node-session.ts";
import type { Term } from "./term.ts";
import { createTokenBucket } from "./token-bucket.ts";

/** Where agents connect. */
export interface Gateway {
  /** Takes over an HTTP upgrade on the node socket's path. */
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** How far one connection is: waiting for `hello`, being decided, welcomed, or turned away. */
type Stage =
  | { readonly kind: "challenged"; readonly impatience: NodeJS.Timeout }
  | { readonly kind: "joining" }
  | { readonly kind: "joined"; readonly session: NodeSession }
  | { readonly kind: "over" };

export function createGateway(deps: ResolvedDeps, role: () => Role): Gateway & { close(): void } {
  const { log, metrics, timing, serverIdentity } = deps;
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_AGENT_FRAME_BYTES,
    perMessageDeflate: false,
    clientTracking: true,
  });
  const admission = createTokenBucket(deps, timing.handshakeBurst, timing.handshakesPerSecond);

  const badFrame = (message: string): Refusal => ({
    reason: "bad-frame",
    message,
    retryAfterMs: 10_000,
    leader: null,
  });

  /** Speaks with one connection in one term of leadership. */
  const challenge = (socket: WebSocket, stream: Duplex, term: Term): void => {
    const nonce = randomBytes(32).toString("base64url");
    const impatience = setTimeout(() => link.terminate("no hello in time"), timing.handshakeMs);
    let stage: Stage = { kind: "challenged", impatience };

    const join = async (hello: Hello): Promise<void> => {
      try {
        const session = await term.join(link, hello, nonce);
        if (session === null) return;
        if (stage.kind === "joining") stage = { kind: "joined", session };
        else term.leave(session);
      } catch (error) {
        log.error({ err: error, node: hello.node }, "a handshake failed");
        link.terminate("the handshake failed");
      }
    };
    const hear = (frame: AgentFrame, bytes: number): void => {
      switch (stage.kind) {
        case "challenged":
          if (frame.kind !== "hello") return link.refuse(badFrame(`${frame.kind} before hello`));
          clearTimeout(stage.impatience);
          stage = { kind: "joining" };
          return void join(frame);
        case "joining":
          return log.info({ frame: frame.kind }, "dropping a frame that came before the welcome");
        case "joined":
          return term.hear(stage.session, frame, bytes);
        case "over":
      }
    };
    const link = createNodeLink(socket, stream, {
      log,
      metrics,
      onFrame: hear,
      onBadFrame: (problem, text) => {
        const foreign = stage.kind === "challenged" && text !== null ? foreignHelloRefusal(text) : null;
        link.refuse(foreign ?? badFrame(problem));
      },
      onClosed: () => {
        const was = stage;
        stage = { kind: "over" };
        if (was.kind === "challenged") clearTimeout(was.impatience);
        if (was.kind === "joined") term.leave(was.session);
      },
    });
    link.send({
      kind: "challenge",
      protocolVersion: PROTOCOL_VERSION,
      nonce,
      serverId: serverIdentity.serverId,
    });
  };

  const greet = (socket: WebSocket, stream: Duplex): void => {
    const now = role();
    if (now.kind === "following") {
      const message = now.leader === null ? "no server leads yet" : `the leader is ${now.leader}`;
      return turnAway(socket, stream, {
        reason: "not-leader",
        message,
        retryAfterMs: 1_000,
        leader: now.leader,
      });
    }
    const waitMs = admission.take();
    if (waitMs === 0) return challenge(socket, stream, now.term);
    turnAway(socket, stream, {
      reason: "overloaded",
      message: "too many nodes connect at once",
      retryAfterMs: waitMs,
      leader: null,
    });
  };
  const turnAway = (socket: WebSocket, stream: Duplex, refusal: Refusal): void => {
    const unheard = (): void => log.debug({}, "nothing is heard from an agent that was turned away");
    createNodeLink(socket, stream, {
      log,
      metrics,
      onFrame: unheard,
      onBadFrame: unheard,
      onClosed: unheard,
    }).refuse(refusal);
  };

  return {
    handleUpgrade: (request, stream, head) =>
      server.handleUpgrade(request, stream, head, (socket) => greet(socket, stream)),
    close() {
      for (const client of server.clients) client.terminate();
      server.close();
    },
  };
}
