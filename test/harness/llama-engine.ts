import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getLlama, LlamaLogLevel, NoBinaryFoundError } from "node-llama-cpp";
import type { Llama } from "node-llama-cpp";
import { busySequences, findModel, mustBeAbleTo, serveChat, serveEmbedding } from "./llama-answers.ts";
import type { EngineParts, Installed, LlamaEngineModel, Served } from "./llama-answers.ts";
import { createResidence } from "./llama-residence.ts";
import type { Residence } from "./llama-residence.ts";
import {
  chatBodySchema,
  embedBodySchema,
  generateBodySchema,
  parseBody,
  reply,
  showBodySchema,
  WireError,
} from "./llama-wire.ts";
import { HEAD_WIDTH, tinyGguf } from "./tiny-gguf.ts";

/** llama.cpp behind Ollama's wire protocol, on models that it writes itself. */
export interface LlamaEngine extends AsyncDisposable {
  readonly url: string;
  /** Every chat and embedding that has ended, in the order of their ends, as llama.cpp counted them. */
  readonly served: readonly Served[];
  /** Sequences that generate now, over all models. */
  readonly busySequences: number;
  /** The most that were busy at once so far. */
  readonly mostBusySequences: number;
}

/** What llama.cpp is on this machine: there, or missing where no binary is made for the platform. */
export type LlamaPresence =
  | { readonly kind: "present"; readonly llama: Llama }
  | { readonly kind: "missing"; readonly reason: string };

export async function findLlama(): Promise<LlamaPresence> {
  try {
    const settings = { gpu: false, build: "never", skipDownload: true } as const;
    return { kind: "present", llama: await getLlama({ ...settings, logLevel: LlamaLogLevel.error }) };
  } catch (error) {
    if (!(error instanceof NoBinaryFoundError)) throw error;
    return { kind: "missing", reason: `no llama.cpp is made for ${process.platform} on ${process.arch}` };
  }
}

/** Version of Ollama whose protocol is spoken. */
const OLLAMA_VERSION = "0.35.1";

/** @param settings.sequences generations at once of each model, as `OLLAMA_NUM_PARALLEL` would set */
export async function startLlamaEngine(
  llama: Llama,
  models: Readonly<Record<string, LlamaEngineModel>>,
  settings: { readonly sequences: number },
): Promise<LlamaEngine> {
  const folder = await mkdtemp(join(tmpdir(), "coop-llama-"));
  const installed = new Map<string, Installed>();
  for (const [name, model] of Object.entries(models)) {
    const path = join(folder, `${installed.size}.gguf`);
    await writeFile(path, tinyGguf(model));
    installed.set(name, { ...model, path, sizeBytes: (await stat(path)).size });
  }
  const pathOf = (name: string): string => findModel(installed, name).path;
  const residence = createResidence(llama, pathOf, settings.sequences);
  const books = { served: [], mostBusySequences: 0 };
  const engine: EngineParts = { llama, installed, residence, books };
  const server = createServer((request, response) => void serve(engine, request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    served: books.served,
    get busySequences() {
      return busySequences(residence);
    },
    get mostBusySequences() {
      return books.mostBusySequences;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
      await residence.unloadAll();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function serve(engine: EngineParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  try {
    await route(engine, request.url ?? "/", await readBody(request), response, gone.signal);
  } catch (error) {
    if (gone.signal.aborted) return;
    const status = error instanceof WireError ? error.status : 500;
    const words = { error: error instanceof Error ? error.message : String(error) };
    if (response.headersSent) response.end(`${JSON.stringify(words)}\n`);
    else reply(response, status, words);
  }
}

async function route(
  engine: EngineParts,
  path: string,
  body: unknown,
  response: ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  const { installed, residence } = engine;
  switch (path) {
    case "/api/version":
      return reply(response, 200, { version: OLLAMA_VERSION });
    case "/api/tags":
      return reply(response, 200, { models: [...installed].map(tagOf) });
    case "/api/ps":
      return reply(response, 200, { models: residence.loaded().map(residentOf) });
    case "/api/show":
      return reply(response, 200, showOf(findModel(installed, parseBody(showBodySchema, body).model)));
    case "/api/generate": {
      const { model, keep_alive: keepAlive, options } = parseBody(generateBodySchema, body);
      if (keepAlive === 0) await residence.unload(model);
      else {
        mustBeAbleTo(findModel(installed, model), "completion");
        await residence.use(model, options.num_ctx, () => Promise.resolve());
      }
      return reply(response, 200, { model, response: "", done: true });
    }
    case "/api/chat":
      return serveChat(engine, parseBody(chatBodySchema, body), response, gone);
    case "/api/embed":
      return serveEmbedding(engine, parseBody(embedBodySchema, body), response);
    default:
      throw new WireError(404, `not found: ${path}`);
  }
}

const tagOf = ([name, { sizeBytes, seed }]: readonly [string, Installed]): object => ({
  name,
  model: name,
  digest: `sha256:${seed.toString(16).padStart(64, "0")}`,
  size: sizeBytes,
});

const residentOf = ([name, { residentBytes, contextTokens }]: ReturnType<
  Residence["loaded"]
>[number]): object => ({
  name,
  model: name,
  size: residentBytes,
  size_vram: 0,
  context_length: contextTokens,
});

const showOf = ({ capability, layers, width, contextTokens, sizeBytes }: Installed): object => ({
  capabilities: [capability],
  model_info: {
    "general.architecture": "llama",
    "general.parameter_count": sizeBytes / 4,
    "llama.block_count": layers,
    "llama.context_length": contextTokens,
    "llama.embedding_length": width,
    "llama.attention.head_count": width / HEAD_WIDTH,
    "llama.attention.head_count_kv": width / HEAD_WIDTH,
  },
});

async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const part of request) text += String(part);
  return text === "" ? {} : JSON.parse(text);
}
