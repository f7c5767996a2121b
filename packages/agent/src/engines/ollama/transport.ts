import { assert } from "@coop/core";
import { Ollama } from "ollama";
import type { ChatRequest } from "ollama";
import { Agent, errors, request as send } from "undici";
import type { Dispatcher } from "undici";
import { EngineFault, spokenFault } from "./fault.ts";
import { readLines } from "./lines.ts";

/**
 * The one way from the agent to Ollama.
 *
 * T1. Only the calls listed here pass, and only to the configured host: no call pulls, creates, pushes,
 *     copies or deletes a model, whatever a member or the scheduler sends.
 * T2. When a call's signal aborts, its connection is destroyed, before the response's headers too. (The
 *     library can abort neither a document nor a stream that awaits its headers.)
 * T3. No time limit of the HTTP library applies: prefill may take longer than its 300 s. Time limits are
 *     the caller's.
 * T4. A fault surfaces as an EngineFault, and the library sees successful documents only. Streams are not
 *     left to it: it drops a line that it cannot parse and prints it, and that line is a member's output.
 */
export interface Transport {
  /** For calls that answer with one document; it belongs to one task, whose signal ends them. */
  client(signal: AbortSignal): Ollama;
  /** The lines of a chat, as they come. Resolves with the response's headers. */
  chat(request: ChatRequest, signal: AbortSignal): Promise<AsyncGenerator<readonly object[]>>;
  close(): Promise<void>;
}

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

export function createTransport(host: URL): Transport {
  const base = host.href.replace(/\/+$/, "");
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 10_000 } });

  const call = async (
    method: "GET" | "POST",
    url: string,
    body: string | null,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> => {
    assertAllowed(base, method, url);
    const headers = { "content-type": "application/json", accept: "application/json" };
    const response = await reach(
      () => send(url, { method, headers, body, signal, dispatcher: agent }),
      signal,
      base,
    );
    if (response.statusCode !== 200) throw await refusal(response);
    return response;
  };

  const fetchWith = (signal: AbortSignal): typeof fetch => {
    return async (input, init) => {
      const url = String(input instanceof Request ? input.url : input);
      const body = typeof init?.body === "string" ? init.body : null;
      const response = await call(body === null ? "GET" : "POST", url, body, signal);
      return new Response(await readDocument(response.body, signal));
    };
  };

  return {
    client: (signal) => new Ollama({ host: base, fetch: fetchWith(signal) }),
    async chat(request, signal) {
      const response = await call("POST", `${base}/api/chat`, JSON.stringify(request), signal);
      return readLines(response.body, signal);
    },
    close: () => agent.destroy(),
  };
}

/** T1: enforced here and nowhere else. A breach is a bug of the agent, so it throws. */
export function assertAllowed(base: string, method: string, url: string): void {
  const call = url.startsWith(`${base}/`) ? `${method} ${url.slice(base.length)}` : `${method} ${url}`;
  assert(ALLOWED_CALLS.has(call), `the agent may not call ${call} on the engine`);
}

async function reach(
  call: () => Promise<Dispatcher.ResponseData>,
  signal: AbortSignal,
  base: string,
): Promise<Dispatcher.ResponseData> {
  try {
    return await call();
  } catch (error) {
    if (signal.aborted) throw error;
    throw new EngineFault(
      "engine-unreachable",
      `no engine answers at ${base} (${reasonOf(error)}); is Ollama running?`,
      { cause: error },
    );
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof errors.SocketError) return "it closed the connection";
  if (error instanceof Error) return "code" in error ? String(error.code) : error.message;
  return String(error);
}

async function refusal(response: Dispatcher.ResponseData): Promise<EngineFault> {
  const text = (await readCapped(response.body, ERROR_BYTES_MAX, null)).toString("utf8");
  return spokenFault(response.statusCode, spokenWords(text));
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

/** The text of a JSON document, known to parse. */
async function readDocument(body: AsyncIterable<Buffer>, signal: AbortSignal): Promise<string> {
  const text = (await readCapped(body, DOCUMENT_BYTES_MAX, signal)).toString("utf8");
  try {
    JSON.parse(text);
    return text;
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
