import { JinjaTemplateChatWrapper, LlamaGrammarEvaluationState } from "node-llama-cpp";
import type {
  ChatHistoryItem,
  Llama,
  LlamaContextSequence,
  LlamaEmbeddingContext,
  LlamaGrammar,
  LlamaModel,
  Token,
} from "node-llama-cpp";
import { createSequencePool } from "./llama-sequences.ts";

/** A model in llama.cpp's memory, with as many sequences side by side as the engine was told. */
export interface LoadedModel {
  readonly contextTokens: number;
  readonly residentBytes: number;
  /** Sequences that serve a generation now. */
  readonly busySequences: number;
  /** A chat in the words of the model's own template, ready to be answered. */
  promptOf(messages: readonly ChatTurn[]): readonly Token[];
  /** Hands over text as it comes, and waits for whoever takes it. Rejects with the signal's reason. */
  generate(
    prompt: readonly Token[],
    options: GenerationOptions,
    onPiece: (piece: Piece) => Promise<void>,
  ): Promise<GenerationEnd>;
  /** How many tokens an input of an embedding has. */
  inputTokens(text: string): Promise<number>;
  /** A vector of length 1. */
  embed(text: string): Promise<readonly number[]>;
  unload(): Promise<void>;
}

export interface ChatTurn {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface GenerationOptions {
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number | null;
  readonly stop: readonly string[];
  readonly grammar: LlamaGrammar | null;
  readonly signal: AbortSignal;
}

export interface Piece {
  readonly text: string;
  /** Sampled so far. */
  readonly outputTokens: number;
}

export interface GenerationEnd {
  readonly end: "stop" | "length";
  /** Everything that was sampled, an end mark included. */
  readonly outputTokens: number;
  /** Of the prompt, what the cache already held. */
  readonly cachedTokens: number;
  readonly prefillMs: number;
  readonly decodeMs: number;
}

/** More than this many threads would wait for each other on a machine that is busy with other things. */
const THREADS = 1;
/** Prompt tokens between two looks at the signal. */
const PREFILL_TOKENS = 128;
/** Longest character, in tokens of one byte. */
const CHARACTER_TOKENS = 4;

export async function loadModel(
  llama: Llama,
  path: string,
  settings: { readonly contextTokens: number; readonly sequences: number },
): Promise<LoadedModel> {
  const { sequences, contextTokens } = settings;
  const model = await llama.loadModel({ modelPath: path });
  const context = await model.createContext({ contextSize: contextTokens, sequences, threads: THREADS });
  let embedding: Promise<LlamaEmbeddingContext> | null = null;
  const embeddings = (): Promise<LlamaEmbeddingContext> =>
    (embedding ??= model.createEmbeddingContext({ contextSize: contextTokens, threads: THREADS }));
  const template = new JinjaTemplateChatWrapper({
    template: model.fileInfo.metadata.tokenizer.chat_template ?? "",
  });
  const pool = createSequencePool(Array.from({ length: sequences }, () => context.getSequence()));
  return {
    contextTokens,
    residentBytes: model.size + context.stateSize,
    get busySequences() {
      return pool.busy;
    },
    promptOf(messages) {
      const chatHistory = [...messages.map(historyItem), historyItem({ role: "assistant", content: "" })];
      return template.generateContextState({ chatHistory }).contextText.tokenize(model.tokenizer);
    },
    async generate(prompt, options, onPiece) {
      options.signal.throwIfAborted();
      const sequence = await pool.take(prompt, options.signal);
      try {
        return await generate(sequence, prompt, options, onPiece);
      } finally {
        pool.free(sequence);
      }
    },
    inputTokens: async (text) => (await embeddings()).calculateInputLength(text),
    embed: async (text) => unit((await (await embeddings()).getEmbeddingFor(text)).vector),
    unload: () => model.dispose(),
  };
}

function historyItem({ role, content }: ChatTurn): ChatHistoryItem {
  if (role === "assistant") return { type: "model", response: [content] };
  return { type: role, text: content };
}

export function unit(vector: readonly number[]): readonly number[] {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

async function generate(
  sequence: LlamaContextSequence,
  prompt: readonly Token[],
  options: GenerationOptions,
  onPiece: (piece: Piece) => Promise<void>,
): Promise<GenerationEnd> {
  const { signal, maxTokens, temperature, topP, seed, grammar } = options;
  const { model } = sequence;
  const startedAtMs = performance.now();
  const { last, cachedTokens } = await prefill(sequence, prompt, signal);
  const decodeAtMs = performance.now();
  const writer = createWriter(model, options.stop);
  let outputTokens = 0;
  const ended = (end: GenerationEnd["end"]): GenerationEnd => ({
    end,
    outputTokens,
    cachedTokens,
    prefillMs: decodeAtMs - startedAtMs,
    decodeMs: performance.now() - decodeAtMs,
  });
  const sampled = sequence.evaluate([last], {
    temperature,
    topP,
    ...(seed === null ? {} : { seed }),
    ...(grammar === null
      ? {}
      : { grammarEvaluationState: new LlamaGrammarEvaluationState({ model, grammar }) }),
    yieldEogToken: true,
  });
  for await (const token of sampled) {
    signal.throwIfAborted();
    outputTokens += 1;
    const isEnd = model.isEogToken(token);
    const { text, stopped } = isEnd ? { text: writer.rest(), stopped: true } : writer.write(token);
    if (text !== "") await onPiece({ text, outputTokens });
    if (stopped) return ended("stop");
    if (outputTokens < maxTokens && sequence.nextTokenIndex < sequence.contextSize - 1) continue;
    const rest = writer.rest();
    if (rest !== "") await onPiece({ text: rest, outputTokens });
    return ended("length");
  }
  throw new Error("llama.cpp stopped sampling without an end mark");
}

/** Reads the prompt up to its last token, from which sampling goes on. */
async function prefill(
  sequence: LlamaContextSequence,
  prompt: readonly Token[],
  signal: AbortSignal,
): Promise<{ readonly last: Token; readonly cachedTokens: number }> {
  const last = prompt.at(-1);
  if (last === undefined) throw new Error("a prompt has at least one token");
  await sequence.adaptStateToTokens(prompt.slice(0, -1), false);
  const cachedTokens = sequence.nextTokenIndex;
  for (let from = cachedTokens; from < prompt.length - 1; from += PREFILL_TOKENS) {
    signal.throwIfAborted();
    await sequence.evaluateWithoutGeneratingNewTokens(
      prompt.slice(from, Math.min(from + PREFILL_TOKENS, prompt.length - 1)),
    );
  }
  signal.throwIfAborted();
  return { last, cachedTokens };
}

/** Text as far as it is certain: whole characters only, and nothing that a stop word may yet take back. */
function createWriter(model: LlamaModel, stop: readonly string[]) {
  const written: Token[] = [];
  let partial: Token[] = [];
  let held = "";

  const spell = (): string => {
    const text = model.detokenize(partial, false, written);
    written.push(...partial);
    partial = [];
    return text;
  };
  return {
    write(token: Token): { readonly text: string; readonly stopped: boolean } {
      partial.push(token);
      const spelled = model.detokenize(partial, false, written);
      if (spelled.endsWith("\uFFFD") && partial.length < CHARACTER_TOKENS)
        return { text: "", stopped: false };
      held += spell();
      const cut = stop.map((word) => held.indexOf(word)).filter((at) => at >= 0);
      if (cut.length > 0) return { text: held.slice(0, Math.min(...cut)), stopped: true };
      const text = held.slice(0, held.length - pendingLength(held, stop));
      held = held.slice(text.length);
      return { text, stopped: false };
    },
    rest: (): string => held + spell(),
  };
}

/** How many characters at the end may be the beginning of a stop word. */
function pendingLength(text: string, stop: readonly string[]): number {
  let longest = 0;
  for (const word of stop) {
    for (let length = Math.min(word.length - 1, text.length); length > longest; length -= 1) {
      if (text.endsWith(word.slice(0, length))) longest = length;
    }
  }
  return longest;
}
