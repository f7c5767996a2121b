import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";

/**
 * An HTTP server that speaks Ollama's wire protocol and misbehaves on script. Without a script it is a
 * well-behaved engine that loads at once and answers "Hello there". A script serves one call of its path.
 */
export interface ScriptedOllama extends AsyncDisposable {
  readonly url: URL;
  /** Every call in order of arrival. */
  readonly calls: readonly ScriptedCall[];
  /** Calls of one path. */
  callsOf(path: EnginePath): readonly ScriptedCall[];
  /** The n-th call of a path, waiting for it if need be. */
  call(path: EnginePath, index?: number): Promise<ScriptedCall>;
  /** What the next call of this path does; several scripts queue up. */
  script(path: EnginePath, ...steps: readonly Step[]): void;
  /** What every call of this path does that has no script of its own. */
  always(path: EnginePath, ...steps: readonly Step[]): void;
  /** Connections accepted so far. */
  readonly connections: number;
  /** The model's name and the context it was loaded with. */
  readonly loaded: Map<string, number>;
  models: readonly ScriptedModel[];
  version: Readonly<Record<string, unknown>>;
}

export type EnginePath =
  | "/api/version"
  | "/api/tags"
  | "/api/ps"
  | "/api/show"
  | "/api/chat"
  | "/api/generate"
  | "/api/embed";

export interface ScriptedModel {
  readonly name: string;
  readonly digest?: string;
  readonly sizeBytes?: number;
  readonly capabilities?: readonly string[];
  readonly modelInfo?: Readonly<Record<string, unknown>>;
  readonly remoteHost?: string;
}

export type Step =
  | { readonly do: "line"; readonly line: object }
  | { readonly do: "text"; readonly text: string }
  | { readonly do: "pause"; readonly ms: number }
  /** Goes on when the test says so. */
  | { readonly do: "await"; readonly released: Promise<void> }
  /** Nothing more, and the connection stays open. */
  | { readonly do: "hang" }
  /** The connection breaks. */
  | { readonly do: "break" }
  /** The response ends as if all were well. */
  | { readonly do: "end" }
  | { readonly do: "refuse"; readonly status: number; readonly body: string }
  /** Goes on as without a script. */
  | { readonly do: "behave" };

export interface ScriptedCall {
  readonly path: string;
  readonly method: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** How the exchange ended, as the server saw it. */
  readonly ended: Promise<"answered" | "destroyed">;
}

/** A line of a chat that carries a piece of the answer. */
export const piece = (content: string): Step => ({
  do: "line",
  line: { model: "scripted", message: { role: "assistant", content }, done: false },
});

/** The line that ends a chat, with counters as a healthy engine gives them. */
export const done = (changes: Readonly<Record<string, unknown>> = {}): Step => ({
  do: "line",
  line: {
    model: "scripted",
    message: { role: "assistant", content: "" },
    done: true,
    done_reason: "stop",
    total_duration: 300e6,
    load_duration: 10e6,
    prompt_eval_count: 12,
    prompt_eval_duration: 50e6,
    eval_count: 2,
    eval_duration: 200e6,
    ...changes,
  },
});

const llama: ScriptedModel = {
  name: "llama3.2:3b",
  digest: "sha256:a80c4f17acd5",
  sizeBytes: 2_019_393_189,
  capabilities: ["completion", "tools"],
  modelInfo: {
    "general.architecture": "llama",
    "general.parameter_count": 3_212_749_888,
    "llama.block_count": 28,
    "llama.context_length": 131_072,
    "llama.embedding_length": 3072,
    "llama.attention.head_count": 24,
    "llama.attention.head_count_kv": 8,
    "llama.attention.key_length": 128,
  },
};

const bodySchema = z.record(z.string(), z.unknown());
const loadBodySchema = z.object({
  model: z.string().default(""),
  options: z.object({ num_ctx: z.number().default(4096) }).default({ num_ctx: 4096 }),
  keep_alive: z.union([z.number(), z.string()]).optional(),
  input: z.union([z.string(), z.array(z.string())]).default([]),
});

/** Starts on a free loopback port. */
/** @param port where it listens; any free one by default */
export async function startScriptedOllama(port = 0): Promise<ScriptedOllama> {
  const engine = createEngine();
  const server = createServer((request, response) => void engine.serve(request, response));
  server.on("connection", () => engine.connected());
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return Object.assign(engine.control, {
    url: new URL(`http://127.0.0.1:${address.port}`),
    async [Symbol.asyncDispose]() {
      engine.stop();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  });
}

function createEngine() {
  const calls: ScriptedCall[] = [];
  const arrivals = new EventTarget();
  const scripts = new Map<string, (readonly Step[])[]>();
  const standing = new Map<string, readonly Step[]>();
  const stopping = new AbortController();
  let connections = 0;

  const control = {
    calls,
    get connections() {
      return connections;
    },
    loaded: new Map<string, number>(),
    models: [llama] as readonly ScriptedModel[],
    version: { version: "0.35.1" } as Readonly<Record<string, unknown>>,
    callsOf: (path: EnginePath) => calls.filter((call) => call.path === path),
    async call(path: EnginePath, index = 0): Promise<ScriptedCall> {
      for (;;) {
        const found = control.callsOf(path)[index];
        if (found !== undefined) return found;
        await once(arrivals, "call");
      }
    },
    script(path: EnginePath, ...steps: readonly Step[]) {
      scripts.set(path, [...(scripts.get(path) ?? []), steps]);
    },
    always(path: EnginePath, ...steps: readonly Step[]) {
      standing.set(path, steps);
    },
  };

  return {
    control,
    connected: () => void (connections += 1),
    stop: () => stopping.abort(),
    async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
      const ended = new Promise<"answered" | "destroyed">((resolve) => {
        response.once("close", () => resolve(response.writableFinished ? "answered" : "destroyed"));
      });
      const path = request.url ?? "";
      const body = await readBody(request);
      const call: ScriptedCall = { path, method: request.method ?? "", body, ended };
      calls.push(call);
      arrivals.dispatchEvent(new Event("call"));
      const steps = scripts.get(path)?.shift() ?? standing.get(path) ?? [{ do: "behave" }];
      await perform(steps, response, () => behave(control, call, response), stopping.signal);
    },
  };
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = "";
  for await (const part of request) text += String(part);
  return text === "" ? {} : bodySchema.parse(JSON.parse(text));
}

async function perform(
  steps: readonly Step[],
  response: ServerResponse,
  behaveWell: () => void,
  stopping: AbortSignal,
): Promise<void> {
  for (const step of steps) {
    if (response.destroyed) return;
    switch (step.do) {
      case "line":
        response.write(`${JSON.stringify(step.line)}\n`);
        break;
      case "text":
        response.write(step.text);
        break;
      case "pause":
        if (!(await pause(step.ms, stopping))) return;
        break;
      case "await":
        await step.released;
        break;
      case "hang":
        return;
      case "break":
        response.destroy();
        return;
      case "end":
        response.end();
        return;
      case "refuse":
        response.writeHead(step.status, { "content-type": "application/json" }).end(step.body);
        return;
      case "behave":
        behaveWell();
        return;
    }
  }
  response.end();
}

async function pause(ms: number, stopping: AbortSignal): Promise<boolean> {
  try {
    await delay(ms, undefined, { signal: stopping });
    return true;
  } catch (error) {
    if (stopping.aborted) return false;
    throw error;
  }
}

type Control = ReturnType<typeof createEngine>["control"];

function behave(control: Control, { path, body }: ScriptedCall, response: ServerResponse): void {
  const answer = (value: object): void => void response.end(JSON.stringify(value));
  const { model, options, keep_alive: keepAlive, input } = loadBodySchema.parse(body);
  const known = control.models.find((candidate) => candidate.name === model);
  const needsModel = path !== "/api/version" && path !== "/api/tags" && path !== "/api/ps";
  if (needsModel && known === undefined) {
    response.writeHead(404, { "content-type": "application/json" });
    answer({ error: `model '${model}' not found` });
    return;
  }
  switch (path) {
    case "/api/version":
      answer(control.version);
      return;
    case "/api/tags":
      answer({ models: control.models.map(tagOf) });
      return;
    case "/api/ps":
      answer({ models: control.models.flatMap((candidate) => psOf(candidate, control.loaded)) });
      return;
    case "/api/show":
      answer({ capabilities: known?.capabilities ?? ["completion"], model_info: known?.modelInfo ?? {} });
      return;
    case "/api/generate":
      if (keepAlive === 0) control.loaded.delete(model);
      else control.loaded.set(model, options.num_ctx);
      answer({ model, response: "", done: true, done_reason: keepAlive === 0 ? "unload" : "load" });
      return;
    case "/api/embed":
      control.loaded.set(model, options.num_ctx);
      answer({
        embeddings: [input].flat().map((text) => [text.length, 0.5]),
        prompt_eval_count: [input].flat().length * 3,
      });
      return;
    case "/api/chat":
      control.loaded.set(model, options.num_ctx);
      for (const step of [piece("Hello"), piece(" there"), done()]) {
        if (step.do === "line") response.write(`${JSON.stringify(step.line)}\n`);
      }
      response.end();
      return;
    default:
      response.writeHead(404).end();
  }
}

const tagOf = (model: ScriptedModel): object => ({
  name: model.name,
  digest: model.digest ?? `sha256:${model.name}`,
  size: model.sizeBytes ?? 1_000_000_000,
  ...(model.remoteHost === undefined ? {} : { remote_host: model.remoteHost }),
});

function psOf(model: ScriptedModel, loaded: ReadonlyMap<string, number>): readonly object[] {
  const contextTokens = loaded.get(model.name);
  if (contextTokens === undefined) return [];
  const size = model.sizeBytes ?? 1_000_000_000;
  const expires = { expires_at: "2026-01-01T12:05:00.5+01:00" };
  return [{ name: model.name, size, size_vram: size, context_length: contextTokens, ...expires }];
}
