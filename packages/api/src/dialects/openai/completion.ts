import type { Delta, FinishReason, JobId, TokenLogprob, ToolCall, Usage } from "@coop/core";
import type {
  ChatChunkDelta,
  ChatCompletion,
  ChatCompletionChunk,
  EmbeddingList,
  OpenaiLogprobs,
  OpenaiToolCall,
  OpenaiUsage,
} from "@coop/protocol";
import type { FoldedOutput } from "../../fold.ts";

/** Writing a job's output in the OpenAI dialect. Pure: no I/O. */

export const completionId = (job: JobId): string => `chatcmpl-${job}`;

export const openaiUsage = ({ promptTokens, outputTokens }: Usage): OpenaiUsage => ({
  prompt_tokens: promptTokens,
  completion_tokens: outputTokens,
  total_tokens: promptTokens + outputTokens,
});

const openaiToolCall = ({ id, name, arguments: args }: ToolCall): OpenaiToolCall => ({
  id,
  type: "function",
  function: { name, arguments: args },
});

const openaiLogprobs = (tokens: readonly TokenLogprob[]): OpenaiLogprobs | null =>
  tokens.length === 0
    ? null
    : { content: tokens.map(({ top, ...token }) => ({ ...token, top_logprobs: top })), refusal: null };

/** Clients read what a model thought under one of two names. */
const openaiReasoning = (
  text: string,
): { readonly reasoning_content: string; readonly reasoning: string } => ({
  reasoning_content: text,
  reasoning: text,
});

/** Engines end a turn that calls tools with `stop`; tools of members look for `tool_calls`. */
const finishReasonOf = (reason: FinishReason, calledTools: boolean): FinishReason =>
  calledTools && reason === "stop" ? "tool_calls" : reason;

/** @param createdMs when the request came */
export function chatCompletion(
  job: JobId,
  createdMs: number,
  output: FoldedOutput,
  end: { readonly finishReason: FinishReason; readonly usage: Usage },
): ChatCompletion {
  const { content, logprobs, reasoning, toolCalls } = output;
  return {
    id: completionId(job),
    object: "chat.completion",
    created: Math.floor(createdMs / 1000),
    model: output.placed?.model ?? "",
    choices: [
      {
        index: 0,
        message: {
          role: "assistant",
          content: content === "" && toolCalls.length > 0 ? null : content,
          refusal: null,
          ...(reasoning !== "" && openaiReasoning(reasoning)),
          ...(toolCalls.length > 0 && { tool_calls: toolCalls.map(openaiToolCall) }),
        },
        finish_reason: finishReasonOf(end.finishReason, toolCalls.length > 0),
        logprobs: openaiLogprobs(logprobs),
      },
    ],
    usage: openaiUsage(end.usage),
  };
}

export interface ChunkWriter {
  deltas(deltas: readonly Delta[]): readonly ChatCompletionChunk[];
  end(finishReason: FinishReason, usage: Usage): readonly ChatCompletionChunk[];
}

/** Writes the chunks of one streamed answer. The first says the role; the usage comes last, if asked for. */
export function createChunkWriter(
  job: JobId,
  createdMs: number,
  model: () => string,
  includeUsage: boolean,
): ChunkWriter {
  let begun = false;
  let calledTools = false;

  const chunk = (
    choices: ChatCompletionChunk["choices"],
    usage: OpenaiUsage | null = null,
  ): ChatCompletionChunk => ({
    id: completionId(job),
    object: "chat.completion.chunk",
    created: Math.floor(createdMs / 1000),
    model: model(),
    choices,
    ...(includeUsage && { usage }),
  });
  const piece = (
    delta: ChatChunkDelta,
    logprobs: OpenaiLogprobs | null = null,
    finishReason: FinishReason | null = null,
  ): ChatCompletionChunk => {
    const first: ChatChunkDelta = begun ? {} : { role: "assistant" };
    begun = true;
    return chunk([{ index: 0, delta: { ...first, ...delta }, finish_reason: finishReason, logprobs }]);
  };

  return {
    deltas: (deltas) => {
      calledTools ||= deltas.some((delta) => delta.kind === "tool-call");
      return joinAlike(deltas).map((said) =>
        piece(chunkDelta(said), said.kind === "tool-call" ? null : openaiLogprobs(said.logprobs)),
      );
    },
    end: (finishReason, usage) => [
      piece({}, null, finishReasonOf(finishReason, calledTools)),
      ...(includeUsage ? [chunk([], openaiUsage(usage))] : []),
    ],
  };
}

/** What one chunk says. */
type Said =
  | { readonly kind: "content" | "reasoning"; text: string; readonly logprobs: TokenLogprob[] }
  | Extract<Delta, { kind: "tool-call" }>;

const chunkDelta = (said: Said): ChatChunkDelta => {
  switch (said.kind) {
    case "content":
      return { content: said.text };
    case "reasoning":
      return openaiReasoning(said.text);
    case "tool-call":
      return { tool_calls: [{ index: said.index, ...openaiToolCall(said.call) }] };
  }
};

/** Neighbouring texts of one kind become one, with their log probabilities, so that a batch of tokens is one chunk. */
function joinAlike(deltas: readonly Delta[]): readonly Said[] {
  const said: Said[] = [];
  const lastOf = (kind: "content" | "reasoning"): Exclude<Said, { kind: "tool-call" }> => {
    const last = said.at(-1);
    if (last !== undefined && last.kind !== "tool-call" && last.kind === kind) return last;
    const next = { kind, text: "", logprobs: [] };
    said.push(next);
    return next;
  };
  for (const delta of deltas) {
    if (delta.kind === "content" || delta.kind === "reasoning") lastOf(delta.kind).text += delta.text;
    else if (delta.kind === "logprobs") lastOf("content").logprobs.push(...delta.tokens);
    else if (delta.kind === "tool-call") said.push(delta);
  }
  return said;
}

/** @param model the model that served it */
export function embeddingList(output: FoldedOutput, usage: Usage, format: "float" | "base64"): EmbeddingList {
  return {
    object: "list",
    model: output.placed?.model ?? "",
    data: output.embeddings.map((vector, index) => ({
      object: "embedding",
      index,
      embedding: format === "base64" ? base64Floats(vector) : vector,
    })),
    usage: { prompt_tokens: usage.promptTokens, total_tokens: usage.promptTokens },
  };
}

function base64Floats(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes.toString("base64");
}
