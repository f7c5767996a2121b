/**
 * PROGRAM for benches: an engine that costs next to nothing and speaks Ollama's wire protocol. A chat is
 * answered at once with one token, unless the last message asks for a pace: `tokens=40 every=20` gives 40
 * tokens, the first at once and then one every 20 ms. Each token begins with the mark that readers count.
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { z } from "zod";
import { BENCH_MODEL, TOKEN_MARK } from "./workload.ts";

const TICK_MS = 2;
const CONTEXT_TOKENS = 8192;

const bodySchema = z.object({
  options: z.object({ num_ctx: z.number().optional() }).optional(),
  messages: z.array(z.object({ content: z.string() })).optional(),
});

/** One paced answer. */
interface Stream {
  readonly response: ServerResponse;
  readonly tokens: number;
  readonly everyMs: number;
  readonly beganMs: number;
  readonly promptTokens: number;
  written: number;
}

const streams = new Set<Stream>();
let ticking: NodeJS.Timeout | null = null;
let contextTokens = CONTEXT_TOKENS;

const tokenLine = (index: number): string =>
  `{"model":"${BENCH_MODEL}","message":{"role":"assistant","content":"${TOKEN_MARK}${index} "},"done":false}\n`;

const lastLine = (tokens: number, promptTokens: number, decodeMs: number): string =>
  `${JSON.stringify({
    model: BENCH_MODEL,
    message: { role: "assistant", content: "" },
    done: true,
    done_reason: "stop",
    load_duration: 0,
    prompt_eval_count: promptTokens,
    prompt_eval_duration: promptTokens * 1e4,
    eval_count: tokens,
    eval_duration: Math.max(1, decodeMs) * 1e6,
  })}\n`;

function chat(response: ServerResponse, prompt: string): void {
  const promptTokens = Math.ceil(prompt.length / 3);
  const pace = /tokens=(\d+) every=([\d.]+)/.exec(prompt);
  if (pace === null) {
    response.end(tokenLine(0) + lastLine(1, promptTokens, 1));
    return;
  }
  const stream: Stream = {
    response,
    tokens: Number(pace[1]),
    everyMs: Number(pace[2]),
    beganMs: performance.now(),
    promptTokens,
    written: 1,
  };
  response.write(tokenLine(0));
  streams.add(stream);
  response.once("close", () => streams.delete(stream));
  ticking ??= setInterval(tick, TICK_MS);
}

/** Writes to each stream the tokens that are due. */
function tick(): void {
  const nowMs = performance.now();
  for (const stream of streams) {
    const due = Math.min(stream.tokens, 1 + Math.floor((nowMs - stream.beganMs) / stream.everyMs));
    let text = "";
    while (stream.written < due) {
      text += tokenLine(stream.written);
      stream.written += 1;
    }
    if (stream.written < stream.tokens) {
      if (text !== "") stream.response.write(text);
      continue;
    }
    streams.delete(stream);
    stream.response.end(text + lastLine(stream.tokens, stream.promptTokens, nowMs - stream.beganMs));
  }
  if (streams.size > 0 || ticking === null) return;
  clearInterval(ticking);
  ticking = null;
}

const documents: Readonly<Record<string, () => object>> = {
  "/api/version": () => ({ version: "0.35.1" }),
  "/api/tags": () => ({ models: [{ name: BENCH_MODEL, digest: "sha256:0", size: 1e8 }] }),
  "/api/ps": () => ({
    models: [{ name: BENCH_MODEL, size: 1e8, size_vram: 1e8, context_length: contextTokens }],
  }),
  "/api/show": () => ({
    capabilities: ["completion"],
    model_info: { "general.architecture": "llama", "llama.context_length": CONTEXT_TOKENS },
    details: { parameter_size: "160M" },
  }),
  "/api/generate": () => ({ model: BENCH_MODEL, response: "", done: true, done_reason: "load" }),
};

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let text = "";
  for await (const part of request) text += String(part);
  const body = text === "" ? {} : bodySchema.parse(JSON.parse(text));
  contextTokens = body.options?.num_ctx ?? contextTokens;
  const path = request.url ?? "";
  if (path === "/api/chat") return chat(response, body.messages?.at(-1)?.content ?? "");
  const document = documents[path];
  if (document === undefined) response.writeHead(404);
  response.end(JSON.stringify(document?.() ?? {}));
}

const server = createServer((request, response) => void serve(request, response));
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the engine has no port");
  process.stdout.write(`engine at http://127.0.0.1:${address.port}\n`);
});
process.once("SIGTERM", () => {
  server.closeAllConnections();
  server.close(() => process.exit(0));
});
