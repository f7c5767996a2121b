import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { z } from "zod";
import { composeAnswer, composeCalls, countPromptTokens, embed, NO_ANSWER, tokenText } from "./answer.ts";
import type { Answer } from "./answer.ts";
import type { SimulatedMachine } from "./fleet.ts";
import { createPhysics } from "./physics.ts";
import type { Generation } from "./physics.ts";
import { createServedCounts } from "./served-counts.ts";
import {
  chatRequestSchema,
  DEFAULT_CONTEXT_TOKENS,
  DEFAULT_OUTPUT_TOKENS,
  digestOf,
  embeddingDimensions,
  embedRequestSchema,
  generateRequestSchema,
  MAX_CONTEXT_TOKENS,
  OLLAMA_VERSION,
  showOf,
  showRequestSchema,
  tagOf,
} from "./wire.ts";

export interface SimulatedOllama {
  readonly url: string;
  /** Connections that wait for an answer or receive one. */
  activeRequests(): number;
  stop(): Promise<void>;
}

/** Tokens go out at most this often, all of one machine together. */
const FLUSH_MS = 15;
const NS_PER_MS = 1e6;

/** A request that a generation serves. */
interface Served {
  readonly generation: Generation;
  readonly answer: Answer;
  /** Output tokens written so far. */
  written: number;
  onProgress(served: Served): void;
  onFinish(served: Served): void;
}

/** The reply to a request that cannot be served. */
class WireError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Serves one simulated machine on loopback.
 * @param speedup how many of the machine's seconds pass in one of ours.
 */
export async function startSimulatedOllama(
  machine: SimulatedMachine,
  settings: { readonly port: number; readonly speedup: number },
): Promise<SimulatedOllama> {
  const physics = createPhysics(machine);
  const served = new Set<Served>();
  const counts = createServedCounts();
  let lastMs = performance.now();
  let timer: NodeJS.Timeout | null = null;

  function pump(): void {
    const nowMs = performance.now();
    physics.advance((nowMs - lastMs) * settings.speedup);
    lastMs = nowMs;
    for (const one of served) {
      if (one.generation.phase === "decode" || one.generation.phase === "finished") one.onProgress(one);
      if (one.generation.phase === "finished") {
        served.delete(one);
        one.onFinish(one);
      }
    }
    arm();
  }

  function arm(): void {
    if (timer) clearTimeout(timer);
    timer = null;
    const changeMs = physics.nextChangeMs();
    if (changeMs === null) return;
    timer = setTimeout(pump, Math.max(1, Math.min(FLUSH_MS, changeMs / settings.speedup)));
  }

  function modelOf(name: string): string {
    const plain = name.replace(/:latest$/, "");
    if (!machine.models.has(plain)) throw new WireError(404, `model '${name}' not found`);
    return plain;
  }

  interface Work {
    readonly model: string;
    readonly promptTokens: number;
    readonly answer: Answer;
    readonly contextTokens: number;
    readonly response: ServerResponse;
  }

  function serve(work: Work, handlers: Pick<Served, "onProgress" | "onFinish">): void {
    pump();
    const outcome = physics.submit({ ...work, outputTokens: work.answer.tokens });
    if (outcome.kind === "full")
      throw new WireError(503, "server busy, please try again.  maximum pending requests exceeded");
    if (outcome.kind === "too-large") {
      const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);
      throw new WireError(
        500,
        `model requires more system memory (${gib(outcome.neededBytes)} GiB) than is available (${gib(outcome.availableBytes)} GiB)`,
      );
    }
    const one: Served = { generation: outcome.generation, answer: work.answer, written: 0, ...handlers };
    served.add(one);
    work.response.on("close", () => {
      if (!served.delete(one)) return;
      counts.abandoned(work.model);
      pump();
      physics.cancel(one.generation);
      arm();
    });
    pump();
  }

  const timingsOf = (generation: Generation): Record<string, number> => {
    const ns = (machineMs: number): number => Math.round((machineMs / settings.speedup) * NS_PER_MS);
    const { queuedMs, loadMs, prefillMs, decodeMs } = generation.spent;
    return {
      total_duration: ns(queuedMs + loadMs + prefillMs + decodeMs),
      load_duration: ns(loadMs),
      prompt_eval_count: generation.promptTokens,
      prompt_eval_duration: ns(prefillMs),
      eval_count: generation.outputTokens,
      eval_duration: ns(decodeMs),
    };
  };

  function chat(body: z.infer<typeof chatRequestSchema>, response: ServerResponse): void {
    const model = modelOf(body.model);
    const contextTokens = Math.min(body.options.num_ctx ?? DEFAULT_CONTEXT_TOKENS, MAX_CONTEXT_TOKENS);
    const texts = body.messages.map((message) => message.content);
    const promptTokens = countPromptTokens(texts);
    if (promptTokens > contextTokens) {
      throw new WireError(
        400,
        `the input length (${promptTokens} tokens) exceeds the context length (${contextTokens} tokens)`,
      );
    }
    const answer = answerTo(machine.name, body);
    const toolCalls =
      answer.toolCalls.length === 0
        ? {}
        : { tool_calls: answer.toolCalls.map((call) => ({ function: call })) };
    const line = (message: Record<string, unknown>, rest: Record<string, unknown>): string =>
      `${JSON.stringify({ model: body.model, created_at: new Date().toISOString(), message: { role: "assistant", ...message }, ...rest })}\n`;
    serve(
      { model, promptTokens, answer, contextTokens, response },
      {
        onProgress(one) {
          const produced = Math.floor(one.generation.produced + 1e-6);
          if (!body.stream || answer.text === "" || produced <= one.written) return;
          if (!response.headersSent) response.writeHead(200, { "content-type": "application/x-ndjson" });
          let lines = "";
          for (; one.written < produced; one.written += 1)
            lines += line({ content: tokenText(answer, one.written) }, { done: false });
          response.write(lines);
        },
        onFinish(one) {
          counts.finished(model, one.generation);
          const last = line(
            { content: body.stream ? "" : answer.text, ...toolCalls },
            {
              done: true,
              done_reason: answer.cut ? "length" : "stop",
              ...timingsOf(one.generation),
            },
          );
          if (!response.headersSent)
            response.writeHead(200, {
              "content-type": body.stream ? "application/x-ndjson" : "application/json",
            });
          response.end(last);
        },
      },
    );
  }

  /** Loading and unloading; members' prompts come by chat. */
  function generate(body: z.infer<typeof generateRequestSchema>, response: ServerResponse): void {
    const model = modelOf(body.model);
    if (body.prompt !== "") throw new WireError(400, "a simulated machine answers prompts on /api/chat only");
    const done = (reason: string): void =>
      reply(response, 200, {
        model: body.model,
        created_at: new Date().toISOString(),
        response: "",
        done: true,
        done_reason: reason,
      });
    if (body.keep_alive === 0 || body.keep_alive === "0") {
      physics.unload(model);
      done("unload");
      return;
    }
    const contextTokens = body.options.num_ctx ?? DEFAULT_CONTEXT_TOKENS;
    serve(
      { model, promptTokens: 0, answer: NO_ANSWER, contextTokens, response },
      { onProgress: () => undefined, onFinish: () => done("load") },
    );
  }

  function embedAll(body: z.infer<typeof embedRequestSchema>, response: ServerResponse): void {
    const model = modelOf(body.model);
    const inputs = typeof body.input === "string" ? [body.input] : body.input;
    const promptTokens = countPromptTokens(inputs);
    serve(
      {
        model,
        promptTokens,
        answer: NO_ANSWER,
        contextTokens: body.options.num_ctx ?? DEFAULT_CONTEXT_TOKENS,
        response,
      },
      {
        onProgress: () => undefined,
        onFinish(one) {
          counts.finished(model, one.generation);
          const { total_duration, load_duration, prompt_eval_count } = timingsOf(one.generation);
          const embeddings = inputs.map((input) => embed(input, embeddingDimensions(body.dimensions)));
          reply(response, 200, {
            model: body.model,
            embeddings,
            total_duration,
            load_duration,
            prompt_eval_count,
          });
        },
      },
    );
  }

  const rows = (): (readonly [string, Record<string, unknown>])[] =>
    [...machine.models].map(([name, model]) => [name, tagOf(name, model)] as const);

  const simulated = {
    profile: machine.row.profile,
    chip: machine.chip,
    memoryBytes: machine.row.memoryBytes,
    slots: machine.slots,
    speedup: settings.speedup,
  };

  function route(method: string, path: string, body: unknown, response: ServerResponse): void {
    switch (`${method} ${path}`) {
      case "GET /api/version":
        return reply(response, 200, { version: OLLAMA_VERSION, simulated });
      case "GET /simulated/served":
        return reply(response, 200, counts.byModel());
      case "GET /api/tags":
        return reply(response, 200, { models: rows().map(([, row]) => row) });
      case "GET /api/ps":
        pump();
        return reply(response, 200, {
          models: physics.loaded().map(({ name, residentBytes }) => ({
            name,
            model: name,
            digest: digestOf(name),
            size: Math.round(residentBytes),
            size_vram: Math.round(residentBytes),
            expires_at: "2099-01-01T00:00:00Z",
          })),
        });
      case "POST /api/show": {
        const asked = parse(showRequestSchema, body);
        const name = modelOf(asked.model ?? asked.name ?? "");
        const model = machine.models.get(name);
        return model ? reply(response, 200, showOf(name, model)) : undefined;
      }
      case "POST /api/chat":
        return chat(parse(chatRequestSchema, body), response);
      case "POST /api/generate":
        return generate(parse(generateRequestSchema, body), response);
      case "POST /api/embed":
        return embedAll(parse(embedRequestSchema, body), response);
      default:
        throw new WireError(404, `a simulated machine has no ${method} ${path}`);
    }
  }

  const server = createServer((request, response) => {
    readBody(request)
      .then((body) =>
        route(request.method ?? "GET", (request.url ?? "/").split("?")[0] ?? "/", body, response),
      )
      .catch((error: unknown) => {
        if (error instanceof WireError) reply(response, error.status, { error: error.message });
        else if (!request.destroyed || !response.destroyed)
          response.destroy(error instanceof Error ? error : undefined);
      });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(settings.port, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;

  return {
    url: `http://127.0.0.1:${port}`,
    activeRequests: () => served.size,
    async stop() {
      if (timer) clearTimeout(timer);
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      if (timer) clearTimeout(timer);
    },
  };
}

/** A model calls tools when it has some and is not reading what they gave. */
function answerTo(machineName: string, body: z.infer<typeof chatRequestSchema>): Answer {
  const prompt = body.messages.map((message) => message.content).join("\n");
  const maxTokens = Math.max(1, body.options.num_predict ?? DEFAULT_OUTPUT_TOKENS);
  const [first, ...others] = body.tools.map((tool) => tool.function);
  if (first !== undefined && body.messages.at(-1)?.role !== "tool")
    return composeCalls(prompt, [first, ...others], maxTokens);
  return composeAnswer(machineName, prompt, {
    maxTokens,
    format: body.format === undefined || body.format === "" ? "text" : body.format,
    stop: body.options.stop ?? [],
  });
}

function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new WireError(400, `${issue?.path.join(".") ?? "body"}: ${issue?.message ?? "invalid"}`);
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  if (chunks.length === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new WireError(400, "the body is not JSON");
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
