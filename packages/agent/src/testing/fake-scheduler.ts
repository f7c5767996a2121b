import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { asMemberId, asNodeId, assert } from "@coop/core";
import {
  decodeAgentFrame,
  encodeFrame,
  JOIN_PATH,
  JOIN_REFUSALS,
  JOIN_TOKEN_PREFIX,
  joinRequestSchema,
  NODE_SOCKET_PATH,
  PROTOCOL_VERSION,
  proofText,
} from "@coop/protocol";
import type { AgentFrame, Hello, SchedulerFrame } from "@coop/protocol";
import { WebSocketServer } from "ws";
import type { WebSocket } from "ws";
import { createNodeKey } from "../identity.ts";
import type { AgentIdentity } from "../identity.ts";

type Kind = AgentFrame["kind"];
type FrameOf<K extends Kind> = Extract<AgentFrame, { kind: K }>;

/** One agent's connection, played by a test. */
export interface FakeConnection {
  /** Sends the challenge, checks the hello's signature and answers with a welcome. */
  welcome(running?: Extract<SchedulerFrame, { kind: "welcome" }>["running"]): Promise<Hello>;
  challenge(overrides?: { serverId?: string; protocolVersion?: number }): void;
  send(frame: SchedulerFrame): void;
  sendText(text: string): void;
  /** The next frame of the kind that no one has taken yet. */
  next<K extends Kind>(kind: K): Promise<FrameOf<K>>;
  /** Every frame so far, in order. */
  readonly frames: readonly AgentFrame[];
  /** Reads no more and answers no ping, as a peer that froze. */
  freeze(): void;
  cut(): void;
  readonly closed: Promise<void>;
  /** The WebSocket itself, for what no scheduler does. */
  readonly socket: WebSocket;
}

export interface FakeScheduler {
  readonly url: string;
  readonly serverId: string;
  /** The next connection of an agent. */
  accept(): Promise<FakeConnection>;
  /** An identity that this scheduler knows. */
  identity(): AgentIdentity;
  /** A join token, which serves once. */
  invite(): string;
  signature(nonce: string, node: string): string;
  /** Answers further upgrades with this HTTP status. */
  decline(status: number, headers?: Readonly<Record<string, string>>): void;
  readonly connections: number;
  close(): Promise<void>;
}

/** A scheduler on a real socket that does only what a test tells it to. */
export async function createFakeScheduler(): Promise<FakeScheduler> {
  const keys = generateKeyPairSync("ed25519");
  const publicKey = keys.publicKey.export({ type: "spki", format: "der" });
  const serverId = createHash("sha256").update(publicKey).digest("hex");
  const agentKey = createNodeKey();
  let nodeKey = agentKey.publicKey;
  const node = asNodeId("node_1");
  const signature = (nonce: string, of: string): string =>
    sign(
      null,
      Buffer.from(proofText("server", nonce, serverId, of, PROTOCOL_VERSION)),
      keys.privateKey,
    ).toString("base64");

  const invited = new Set<string>();
  const join = (text: string): { readonly status: number; readonly body: object } => {
    const { id, nonce, name, publicKey: joined } = joinRequestSchema.parse(JSON.parse(text));
    if (!invited.delete(id)) {
      return {
        status: 410,
        body: { error: { message: "used", type: "x", param: null, code: JOIN_REFUSALS.used } },
      };
    }
    nodeKey = joined;
    const serverPublicKey = publicKey.toString("base64");
    return {
      status: 200,
      body: { node, name, owner: "mem_1", serverId, serverPublicKey, signature: signature(nonce, node) },
    };
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const { status, body } =
      request.url === JOIN_PATH ? join(Buffer.concat(chunks).toString("utf8")) : { status: 404, body: {} };
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  const http = createServer((request, response) => void answer(request, response));
  const sockets = new WebSocketServer({ noServer: true, autoPong: false });
  const arrived: FakeConnection[] = [];
  const waiting: ((connection: FakeConnection) => void)[] = [];
  let declined: string | null = null;
  let connections = 0;
  http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (request.url !== NODE_SOCKET_PATH || declined !== null) {
      socket.end(declined ?? "HTTP/1.1 404 Not Found\r\n\r\n");
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      connections += 1;
      const connection = play(webSocket, { serverId, keyOf: () => nodeKey, signature });
      const waiter = waiting.shift();
      if (waiter === undefined) arrived.push(connection);
      else waiter(connection);
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${portOf(http.address())}`;
  return {
    url,
    serverId,
    signature,
    accept() {
      const connection = arrived.shift();
      return connection === undefined
        ? new Promise((resolve) => waiting.push(resolve))
        : Promise.resolve(connection);
    },
    identity: () => ({
      node,
      name: "attic",
      owner: asMemberId("mem_1"),
      serverUrl: url,
      serverId,
      serverPublicKey: publicKey.toString("base64"),
      privateKey: agentKey.privateKey,
      plaintextAllowed: false,
    }),
    invite() {
      const id = `jt_${invited.size}`;
      invited.add(id);
      const ticket = { url, serverId, id, secret: "0123456789abcdef" };
      return JOIN_TOKEN_PREFIX + Buffer.from(JSON.stringify(ticket)).toString("base64url");
    },
    decline(status, headers = {}) {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      declined = `HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n${lines.join("")}\r\n`;
    },
    get connections() {
      return connections;
    },
    async close() {
      for (const client of sockets.clients) client.terminate();
      sockets.close();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

function portOf(address: AddressInfo | string | null): number {
  assert(address !== null && typeof address === "object", "the server listens on a port");
  return address.port;
}

interface Sides {
  readonly serverId: string;
  /** The public key of the node, as it joined. */
  readonly keyOf: () => string;
  readonly signature: (nonce: string, node: string) => string;
}

function play(socket: WebSocket, sides: Sides): FakeConnection {
  const frames: AgentFrame[] = [];
  const untaken: AgentFrame[] = [];
  const waiting: { readonly kind: Kind; readonly take: (frame: AgentFrame) => void }[] = [];
  const nonce = randomBytes(24).toString("base64url");
  let frozen = false;
  socket.on("message", (data, isBinary) => {
    if (frozen) return;
    assert(!isBinary && Buffer.isBuffer(data), "agents send text");
    const decoded = decodeAgentFrame(data.toString("utf8"));
    assert(decoded.kind === "frame", `an agent sent ${JSON.stringify(decoded)}`);
    const { frame } = decoded;
    frames.push(frame);
    const index = waiting.findIndex((waiter) => waiter.kind === frame.kind);
    if (index < 0) untaken.push(frame);
    else waiting.splice(index, 1)[0]?.take(frame);
  });
  socket.on("ping", () => {
    if (!frozen) socket.pong();
  });
  const send = (frame: SchedulerFrame): void => socket.send(encodeFrame(frame));
  const isOf =
    <K extends Kind>(kind: K) =>
    (frame: AgentFrame): frame is FrameOf<K> =>
      frame.kind === kind;
  const next = <K extends Kind>(kind: K): Promise<FrameOf<K>> => {
    const index = untaken.findIndex(isOf(kind));
    const [frame] = index < 0 ? [] : untaken.splice(index, 1);
    if (frame !== undefined && isOf(kind)(frame)) return Promise.resolve(frame);
    return new Promise((resolve) =>
      waiting.push({ kind, take: (taken) => isOf(kind)(taken) && resolve(taken) }),
    );
  };
  const challenge: FakeConnection["challenge"] = (overrides = {}) =>
    send({
      kind: "challenge",
      protocolVersion: PROTOCOL_VERSION,
      nonce,
      serverId: sides.serverId,
      ...overrides,
    });
  return {
    challenge,
    send,
    next,
    frames,
    socket,
    sendText: (text) => socket.send(text),
    async welcome(running = []) {
      challenge();
      const hello = await next("hello");
      const key = createPublicKey({
        key: Buffer.from(sides.keyOf(), "base64"),
        type: "spki",
        format: "der",
      });
      const text = proofText("agent", nonce, sides.serverId, hello.node, hello.protocolVersion);
      assert(
        verify(null, Buffer.from(text), key, Buffer.from(hello.signature, "base64")),
        "the hello is signed",
      );
      const signature = sides.signature(hello.nonce, hello.node);
      send({ kind: "welcome", signature, heartbeatMs: 10_000, leaseMs: 30_000, running });
      return hello;
    },
    freeze() {
      frozen = true;
    },
    cut: () => socket.terminate(),
    closed: new Promise((resolve) => socket.once("close", () => resolve())),
  };
}
