import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Llama } from "node-llama-cpp";
import { unit } from "./llama-model.ts";
import type { GenerationEnd, GenerationOptions, LoadedModel } from "./llama-model.ts";
import type { Residence } from "./llama-residence.ts";
import { reply, WireError } from "./llama-wire.ts";
import type { ChatBody, EmbedBody } from "./llama-wire.ts";
import type { TinyModel } from "./tiny-gguf.ts";

/** What answering a request takes. */
export interface EngineParts {
  readonly llama: Llama;
  readonly installed: ReadonlyMap<string, Installed>;
  readonly residence: Residence;
  readonly books: { readonly served: Served[]; mostBusySequences: number };
}

export interface LlamaEngineModel extends TinyModel {
  readonly capability: "completion" | "embedding";
}

export interface Installed extends LlamaEngineModel {
  readonly path: string;
  readonly sizeBytes: number;
}

/** A request that has ended, as llama.cpp counted it. */
export interface Served {
  readonly model: string;
  /** The last message, or the texts that were embedded. */
  readonly asked: string;
  readonly promptTokens: number;
  /** Of the prompt, what a cache already held; null when the caller left. */
  readonly cachedTokens: number | null;
  readonly outputTokens: number;
  /** `gone`: the caller left before the end. */
  readonly end: "stop" | "length" | "gone";
}

/** @throws WireError 404 */
export function findModel(installed: ReadonlyMap<string, Installed>, name: string): Installed {
  const model = installed.get(name);
  if (model === undefined) throw new WireError(404, `model '${name}' not found`);
  return model;
}

/** @throws WireError 400 in the words that Ollama uses */
export function mustBeAbleTo({ capability }: Installed, wanted: LlamaEngineModel["capability"]): void {
  if (capability !== wanted) throw new WireError(400, `this model does not support ${wanted}`);
}

export const busySequences = (residence: Residence): number =>
  residence.loaded().reduce((sum, [, model]) => sum + model.busySequences, 0);

/** Streams an answer until it ends or its caller is gone. */
export async function serveChat(
  engine: EngineParts,
  body: ChatBody,
  response: ServerResponse,
  gone: AbortSignal,
): Promise<void> {
  const { llama, installed, residence, books } = engine;
  const { model: name, options } = body;
  mustBeAbleTo(findModel(installed, name), "completion");
  await residence.use(name, options.num_ctx, async ({ model, loadMs }) => {
    const prompt = model.promptOf(body.messages);
    refuseOverflow(prompt.length, model);
    const request = { model: name, asked: body.messages.at(-1)?.content ?? "", promptTokens: prompt.length };
    let outputTokens = 0;
    try {
      const end = await model.generate(prompt, await generationOptions(llama, body, gone), async (piece) => {
        ({ outputTokens } = piece);
        books.mostBusySequences = Math.max(books.mostBusySequences, busySequences(residence));
        const isTaken = response.write(chatLine(name, piece.text, { done: false }));
        if (!isTaken) await once(response, "drain", { signal: gone });
      });
      books.served.push({ ...request, ...end });
      response.end(chatLine(name, "", { done: true, ...countersOf(end, prompt.length, loadMs) }));
    } catch (error) {
      if (!gone.aborted) throw error;
      books.served.push({ ...request, cachedTokens: null, outputTokens, end: "gone" });
    }
  });
}

async function generationOptions(
  llama: Llama,
  { options, format }: ChatBody,
  signal: AbortSignal,
): Promise<GenerationOptions> {
  return {
    maxTokens: options.num_predict,
    temperature: options.temperature,
    topP: options.top_p,
    seed: options.seed ?? null,
    stop: options.stop,
    grammar: format === undefined ? null : await llama.createGrammarForJsonSchema(format),
    signal,
  };
}

export async function serveEmbedding(
  { installed, residence, books }: EngineParts,
  body: EmbedBody,
  response: ServerResponse,
): Promise<void> {
  const { model: name, options, dimensions } = body;
  mustBeAbleTo(findModel(installed, name), "embedding");
  await residence.use(name, options.num_ctx, async ({ model, loadMs }) => {
    const inputs = [body.input].flat();
    const counts = await Promise.all(inputs.map((input) => model.inputTokens(input)));
    refuseOverflow(Math.max(0, ...counts), model);
    const embeddings: (readonly number[])[] = [];
    for (const input of inputs) {
      const vector = await model.embed(input);
      embeddings.push(dimensions === undefined ? vector : unit(vector.slice(0, dimensions)));
    }
    const promptTokens = counts.reduce((sum, count) => sum + count, 0);
    // Without inputs it only loads the model.
    if (inputs.length > 0) {
      const nothing = { cachedTokens: 0, outputTokens: 0, end: "stop" } as const;
      books.served.push({ model: name, asked: inputs.join("\n"), promptTokens, ...nothing });
    }
    reply(response, 200, {
      model: name,
      embeddings,
      load_duration: nanoseconds(loadMs),
      prompt_eval_count: promptTokens,
    });
  });
}

function refuseOverflow(tokens: number, { contextTokens }: LoadedModel): void {
  if (tokens < contextTokens) return;
  const words = `the input length (${tokens} tokens) exceeds the context length (${contextTokens} tokens)`;
  throw new WireError(400, words);
}

const nanoseconds = (ms: number): number => Math.round(ms * 1e6);

const chatLine = (model: string, content: string, rest: object): string =>
  `${JSON.stringify({ model, message: { role: "assistant", content }, ...rest })}\n`;

const countersOf = (end: GenerationEnd, promptTokens: number, loadMs: number): object => ({
  done_reason: end.end,
  total_duration: nanoseconds(loadMs + end.prefillMs + end.decodeMs),
  load_duration: nanoseconds(loadMs),
  prompt_eval_count: promptTokens,
  prompt_eval_cached_count: end.cachedTokens,
  prompt_eval_duration: nanoseconds(end.prefillMs),
  eval_count: end.outputTokens,
  eval_duration: nanoseconds(end.decodeMs),
});
