import { generateKeyPairSync, sign } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { asNodeId } from "@coop/core";
import type { JobId, Machine, NodeId, NodeReport, Usage } from "@coop/core";
import { decodeSchedulerFrame, encodeFrame, PROTOCOL_VERSION, proofText } from "@coop/protocol";
import type { AgentFrame, Assign, Hello, Outgoing, RunningAttempt, SchedulerFrame } from "@coop/protocol";
import { WebSocket } from "ws";

/** The key pair of a node in a test, and its public half as a registration stores it. */
export interface NodeKey {
  readonly node: NodeId;
  readonly privateKey: KeyObject;
  readonly publicKey: string;
}

export function createNodeKey(node: string): NodeKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const text = publicKey.export({ format: "der", type: "spki" }).toString("base64");
  return { node: asNodeId(node), privateKey, publicKey: text };
}

type Kind = SchedulerFrame["kind"];
type FrameOf<K extends Kind> = Extract<SchedulerFrame, { kind: K }>;

/** An agent at the wire that does exactly what a test says, and nothing by itself. */
export interface ScriptedAgent {
  /** The oldest frame of this kind (and of this job) that was not taken yet; waits for one to come. */
  take<K extends Kind>(kind: K, job?: JobId): Promise<FrameOf<K>>;
  /** Frames of this kind that came and were not taken. */
  untaken<K extends Kind>(kind: K): readonly FrameOf<K>[];
  send(frame: Outgoing<AgentFrame>): void;
  sendText(text: string | Buffer): void;
  hello(changes?: Partial<Outgoing<Hello>>): Promise<void>;
  /** Reads nothing any more, so that not even pings are answered; the connection stays. */
  freeze(): void;
  /** Breaks the connection without a word. */
  drop(): Promise<void>;
  /** Resolves when the connection is gone, whoever ended it. */
  readonly gone: Promise<void>;
}

/** Connects and, unless the test says hello itself, joins; frames are kept until they are taken. */
export function dial(
  url: string,
  key: NodeKey,
  about: { readonly machine: Machine; readonly report: NodeReport },
): ScriptedAgent {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  const gone = Promise.withResolvers<void>();
  const frames: SchedulerFrame[] = [];
  const arrivals = new Set<() => void>();
  let open = true;

  socket.on("message", (data: Buffer) => {
    const decoded = decodeSchedulerFrame(data.toString("utf8"));
    if (decoded.kind !== "frame") throw new Error(`the scheduler sent ${JSON.stringify(decoded)}`);
    frames.push(decoded.frame);
    for (const arrived of arrivals) arrived();
  });
  const end = (): void => {
    open = false;
    gone.resolve();
  };
  socket.on("error", end);
  socket.on("close", end);

  const isOf =
    <K extends Kind>(kind: K, job?: JobId) =>
    (frame: SchedulerFrame): frame is FrameOf<K> =>
      frame.kind === kind && (job === undefined || ("job" in frame && frame.job === job));

  const take = async <K extends Kind>(kind: K, job?: JobId): Promise<FrameOf<K>> => {
    const matches = isOf(kind, job);
    for (;;) {
      const found = frames.find(matches);
      if (found !== undefined && matches(found)) {
        frames.splice(frames.indexOf(found), 1);
        return found;
      }
      if (!open)
        throw new Error(`the connection ended before ${kind} came; untaken: ${JSON.stringify(frames)}`);
      const arrival = Promise.withResolvers<void>();
      arrivals.add(arrival.resolve);
      await Promise.race([arrival.promise, gone.promise]);
      arrivals.delete(arrival.resolve);
    }
  };
  const sendText = (text: string | Buffer): void => socket.send(text);
  const send = (frame: Outgoing<AgentFrame>): void => sendText(encodeFrame(frame));

  return {
    take,
    untaken: (kind) => frames.filter(isOf(kind)),
    send,
    sendText,
    async hello(changes = {}) {
      const { nonce, serverId } = await take("challenge");
      const protocolVersion = changes.protocolVersion ?? PROTOCOL_VERSION;
      const signature = sign(
        null,
        Buffer.from(proofText("agent", nonce, serverId, key.node, protocolVersion)),
        key.privateKey,
      );
      send({
        kind: "hello",
        protocolVersion,
        node: key.node,
        signature: signature.toString("base64"),
        nonce: "the agent's own nonce",
        machine: about.machine,
        report: about.report,
        running: [],
        ...changes,
      });
    },
    freeze: () => socket.pause(),
    async drop() {
      socket.terminate();
      await gone.promise;
    },
    gone: gone.promise,
  };
}

const timings = { loadMs: 0, prefillMs: 5, decodeMs: 20, totalMs: 25 };

/** Frames of an attempt, as an agent that was given `assign` says them. */
export function wordsOf({ job, epoch, model }: Assign) {
  return {
    accepted: (): AgentFrame => ({ kind: "accepted", job, epoch }),
    output: (seq: number, text: string, tokens = 1): AgentFrame => ({
      kind: "output",
      job,
      epoch,
      seq,
      deltas: [{ kind: "content", text }],
      tokens,
    }),
    done: (lastSeq: number, usage: Usage): AgentFrame => ({
      kind: "done",
      job,
      epoch,
      lastSeq,
      finishReason: "stop",
      usage,
      timings,
    }),
    failed: (
      failure: Extract<AgentFrame, { kind: "failed" }>["class"],
      lastSeq = 0,
      usage: Usage = { promptTokens: 0, outputTokens: 0 },
    ): AgentFrame => ({
      kind: "failed",
      job,
      epoch,
      lastSeq,
      class: failure,
      message: `scripted ${failure}`,
      usage,
    }),
    rejected: (reason: Extract<AgentFrame, { kind: "rejected" }>["reason"]): AgentFrame => ({
      kind: "rejected",
      job,
      epoch,
      reason,
      message: `scripted ${reason}`,
    }),
    aborted: (usage: Usage): AgentFrame => ({ kind: "aborted", job, epoch, usage }),
    running: (lastSeq: number): RunningAttempt => ({
      job,
      epoch,
      model,
      startedAtMs: 0,
      lastSeq,
      outputTokens: lastSeq,
    }),
  };
}
