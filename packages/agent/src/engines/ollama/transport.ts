import type { ClientRequest, IncomingMessage } from "node:http";
import { assert } from "@coop/core";
import type { ChatRequest } from "ollama";
import { httpClientFor } from "../../http-client.ts";
import { EngineFault, spokenFault } from "./fault.ts";
import { readLines } from "./lines.ts";

/**
 * The one way from the agent to Ollama. Its library is not used at run time: it can abort neither a document nor
 * a stream that awaits its headers, and prints a line that it cannot parse, which is a member's output. Node's own
 * client is: the agent holds its modules anyway, and another client's would cost an agent at rest 12 MB.
 *
 * T1. Only the calls listed here pass, and only to the configured host: no call pulls, creates, pushes,
 *     copies or deletes a model, whatever a member or the scheduler sends.
 * T2. When a call's signal aborts, its connection is destroyed, before the response's headers too.
 * T3. No time limit but that of the connect applies: prefill may take long. Time limits are the caller's.
 * T4. A fault surfaces as an EngineFault.
 */
export interface Transport {
  /** For calls that answer with one document: its JSON, known to parse. */
  ask(path: DocumentPath, body: object | null, signal: AbortSignal): Promise<unknown>;
  /** The lines of a chat, as they come. Resolves with the response's headers. */
  chat(request: ChatRequest, signal: AbortSignal): Promise<AsyncGenerator<readonly object[]>>;
  close(): Promise<void>;
}

export type DocumentPath =
  | "/api/version"
  | "/api/tags"
  | "/api/ps"
  | "/api/show"
  | "/api/generate"
  | "/api/embed";

const ALLOWED_CALLS: ReadonlySet<string> = new Set([
  "GET /api/version",
  "GET /api/tags",
  "GET /api/ps",
  "POST /api/show",
  "POST /api/chat",
  "POST /api/generate",
  "POST /api/embed",
]);

/** Largest error body that is read, bytes. */
const ERROR_BYTES_MAX = 64 * 1024;
/** Largest JSON document that is read, bytes: 512 models' details, or a batch of embeddings. */
const DOCUMENT_BYTES_MAX = 64 * 1024 * 1024;
/** How long a connection may take to stand, ms. */
const CONNECT_MS_MAX = 10_000;
/** An idle connection is closed after this, before the engine could close it under a request. */
const KEPT_MS = 4_000;

export function createTransport(host: URL): Transport {
  const base = host.href.replace(/\/+$/, "");
  const { Agent, request } = httpClientFor(host);
  const agent = new Agent({ keepAlive: true, timeout: KEPT_MS });

  const call = async (path: string, body: string | null, signal: AbortSignal): Promise<IncomingMessage> => {
    const method = body === null ? "GET" : "POST";
    const url = base + path;
    assertAllowed(base, method, url);
    const headers = {
      accept: "application/json",
      ...(body === null
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    };
    const send = (): ClientRequest => request(url, { method, headers, agent, signal });
    const response = await reach(send, body, signal, base);
    if (response.statusCode !== 200) throw await refusal(response);
    return response;
  };

  return {
    async ask(path, body, signal) {
      const response = await call(path, body === null ? null : JSON.stringify(body), signal);
      return await readDocument(response, signal);
    },
    async chat(request, signal) {
      const response = await call("/api/chat", JSON.stringify(request), signal);
      return readLines(response, signal);
    },
    close: () => {
      agent.destroy();
      return Promise.resolve();
    },
  };
}

/** T1: enforced here and nowhere else. A breach is a bug of the agent, so it throws. */
export function assertAllowed(base: string, method: string, url: string): void {
  const call = url.startsWith(`${base}/`) ? `${method} ${url.slice(base.length)}` : `${method} ${url}`;
  assert(ALLOWED_CALLS.has(call), `the agent may not call ${call} on the engine`);
}

async function reach(
  send: () => ClientRequest,
  body: string | null,
  signal: AbortSignal,
  base: string,
): Promise<IncomingMessage> {
  try {
    return await responseTo(send, body);
  } catch (error) {
    if (signal.aborted) throw error;
    throw new EngineFault(
      "engine-unreachable",
      `no engine answers at ${base} (${reasonOf(error)}); is Ollama running?`,
      { cause: error },
    );
  }
}

function responseTo(send: () => ClientRequest, body: string | null): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = send();
    request.once("response", resolve).on("error", reject);
    limitConnect(request);
    request.end(body ?? undefined);
  });
}

function limitConnect(request: ClientRequest): void {
  request.once("socket", (socket) => {
    if (!socket.connecting) return;
    const late = new Error(`no connection in ${CONNECT_MS_MAX / 1000} s`);
    const timer = setTimeout(() => request.destroy(late), CONNECT_MS_MAX);
    const forget = (): void => clearTimeout(timer);
    socket.once("connect", forget).once("close", forget);
  });
}

const isReset = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ECONNRESET" || error.code === "EPIPE");

function reasonOf(error: unknown): string {
  if (isReset(error)) return "it closed the connection";
  if (error instanceof Error) return "code" in error ? String(error.code) : error.message;
  return String(error);
}

async function refusal(response: IncomingMessage): Promise<EngineFault> {
  const text = (await readCapped(response, ERROR_BYTES_MAX, null)).toString("utf8");
  return spokenFault(response.statusCode ?? 0, spokenWords(text));
}

/** Error bodies are `{"error": text}`; some are an object, or plain text. */
function spokenWords(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && "error" in value) {
      return typeof value.error === "string" ? value.error : JSON.stringify(value.error);
    }
    return text;
  } catch (error) {
    if (error instanceof SyntaxError) return text === "" ? "nothing" : text;
    throw error;
  }
}

async function readDocument(body: AsyncIterable<Buffer>, signal: AbortSignal): Promise<unknown> {
  const text = (await readCapped(body, DOCUMENT_BYTES_MAX, signal)).toString("utf8");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new EngineFault("engine-error", "the engine's answer is no JSON", { cause: error });
  }
}

async function readCapped(
  body: AsyncIterable<Buffer>,
  capBytes: number,
  signal: AbortSignal | null,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of body) {
      size += part.length;
      if (size > capBytes)
        throw new EngineFault("engine-error", `the engine's answer is larger than ${capBytes} bytes`);
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof EngineFault || signal?.aborted === true) throw error;
    throw new EngineFault("truncated", `the engine's answer broke off (${reasonOf(error)})`, {
      cause: error,
    });
  }
  return Buffer.concat(parts);
}
