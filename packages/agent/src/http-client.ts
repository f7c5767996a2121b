import type { IncomingMessage } from "node:http";
import { buffer, text } from "node:stream/consumers";

// Imported, node:http would load all that it exports, another client and a WebSocket of 6 MB among it; a global
// fetch would, too. The agent holds the bare module anyway, for its own socket.
const plain = process.getBuiltinModule("node:http");
const secure = process.getBuiltinModule("node:https");

/** Node's own HTTP client for a URL's protocol. */
export const httpClientFor = (url: URL): Pick<typeof plain, "request" | "Agent"> =>
  url.protocol === "https:" ? secure : plain;

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** Posts JSON on a connection of its own. A redirect is an answer like any other. Rejects when none comes. */
export async function postJson(url: URL, body: unknown, signal: AbortSignal): Promise<HttpAnswer> {
  const payload = JSON.stringify(body);
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(payload) };
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = httpClientFor(url).request(url, { method: "POST", headers, agent: false, signal });
    request.once("response", resolve).on("error", reject).end(payload);
  });
  return { status: response.statusCode ?? 0, text: await text(response) };
}

export interface HttpContent {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly content: Buffer;
}

/** Gets what is at a URL, on a connection of its own. A redirect is an answer like any other. Rejects when none comes. */
export async function getContent(url: URL, signal: AbortSignal): Promise<HttpContent> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = httpClientFor(url).request(url, { agent: false, signal });
    request.once("response", resolve).on("error", reject).end();
  });
  return { status: response.statusCode ?? 0, headers: response.headers, content: await buffer(response) };
}

/** Where something is on a server, whether its address ends with a slash or not. */
export const addressOn = (serverUrl: string, path: string): URL =>
  new URL(`${serverUrl.replace(/\/+$/, "")}${path}`);

/** What an answer's JSON says; null for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
