import { createHash } from "node:crypto";
import { sampleOf } from "./json-sample.ts";

/** Bytes that one simulated token stands for, in prompts and answers. */
export const BYTES_PER_TOKEN = 4;
const TOKENS_PER_MESSAGE = 4;
/** Spread of the log of an answer's length, as chat traces show. */
const LENGTH_SIGMA = 0.5;
const LONGEST_MEDIAN_TOKENS = 300;

/** What a simulated machine will say: exactly `tokens` pieces, the last perhaps shorter. */
export interface Answer {
  readonly text: string;
  readonly tokens: number;
  /** The token limit cut it. */
  readonly cut: boolean;
  /** Calls of tools that it is instead of text. */
  readonly toolCalls: readonly SimulatedCall[];
}

export interface SimulatedCall {
  readonly name: string;
  readonly arguments: unknown;
}

export interface SimulatedTool {
  readonly name: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** Work that is done without words. */
export const NO_ANSWER: Answer = { text: "", tokens: 0, cut: false, toolCalls: [] };

export const countPromptTokens = (texts: readonly string[]): number =>
  texts.reduce(
    (sum, text) => sum + TOKENS_PER_MESSAGE + Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN),
    0,
  );

/** Piece `index` of an answer. */
export const tokenText = (answer: Answer, index: number): string =>
  answer.text.slice(index * BYTES_PER_TOKEN, (index + 1) * BYTES_PER_TOKEN);

/** The same prompt gets the same answer. Its length varies as real ones do, around half of what was allowed. */
export function composeAnswer(
  machineName: string,
  prompt: string,
  options: {
    maxTokens: number;
    format: "text" | "json" | Readonly<Record<string, unknown>>;
    stop: readonly string[];
  },
): Answer {
  const text = cutAtStop(wholeText(machineName, prompt, options), options.stop);
  const wanted = Math.ceil(text.length / BYTES_PER_TOKEN);
  const tokens = Math.min(wanted, options.maxTokens);
  return { text: text.slice(0, tokens * BYTES_PER_TOKEN), tokens, cut: tokens < wanted, toolCalls: [] };
}

function wholeText(
  machineName: string,
  prompt: string,
  { maxTokens, format }: Pick<Parameters<typeof composeAnswer>[2], "maxTokens" | "format">,
): string {
  if (format === "json")
    return JSON.stringify({ simulated: true, machine: machineName, note: "no model ran" });
  if (format !== "text") return JSON.stringify(sampleOf(format));
  return fill(
    `[simulated ${machineName}] No model ran. A real machine would answer here, at about this speed and length.`,
    wantedTokens(prompt, maxTokens),
  );
}

/** Calls each tool that the prompt names, or the first; as long an answer as it is in JSON. */
export function composeCalls(
  prompt: string,
  tools: readonly [SimulatedTool, ...SimulatedTool[]],
  maxTokens: number,
): Answer {
  const named = tools.filter(({ name }) => prompt.includes(name));
  const toolCalls = (named.length > 0 ? named : [tools[0]]).map(({ name, parameters }) => ({
    name,
    arguments: sampleOf({ type: "object", ...parameters }),
  }));
  const wanted = Math.ceil(JSON.stringify(toolCalls).length / BYTES_PER_TOKEN);
  const cut = wanted > maxTokens;
  return { text: "", tokens: Math.min(wanted, maxTokens), cut, toolCalls: cut ? [] : toolCalls };
}

function wantedTokens(prompt: string, maxTokens: number): number {
  const digest = createHash("sha256").update(prompt).digest();
  const uniform = (offset: number): number => (digest.readUInt32BE(offset) + 1) / 2 ** 32;
  const normal = Math.sqrt(-2 * Math.log(uniform(0))) * Math.cos(2 * Math.PI * uniform(4));
  const median = Math.min(maxTokens / 2, LONGEST_MEDIAN_TOKENS);
  return Math.max(1, Math.min(maxTokens, Math.round(median * Math.exp(LENGTH_SIGMA * normal))));
}

function fill(opening: string, tokens: number): string {
  const filler =
    " The words after this are filler that stands for tokens, so that waiting and streaming look as they would.";
  const length = tokens * BYTES_PER_TOKEN;
  const repeats = Math.max(0, Math.ceil((length - opening.length) / filler.length));
  return (opening + filler.repeat(repeats)).slice(0, length);
}

function cutAtStop(text: string, stops: readonly string[]): string {
  const ends = stops
    .filter((stop) => stop !== "")
    .map((stop) => text.indexOf(stop))
    .filter((at) => at >= 0);
  return ends.length === 0 ? text : text.slice(0, Math.min(...ends));
}

/** A unit vector that depends on the text alone. */
export function embed(text: string, dimensions: number): readonly number[] {
  const values: number[] = [];
  for (let block = 0; values.length < dimensions; block += 1) {
    const digest = createHash("sha256").update(`${block}:${text}`).digest();
    for (let offset = 0; offset < digest.length && values.length < dimensions; offset += 4) {
      values.push(digest.readInt32BE(offset) / 2 ** 31);
    }
  }
  const norm = Math.hypot(...values);
  return values.map((value) => value / norm);
}
