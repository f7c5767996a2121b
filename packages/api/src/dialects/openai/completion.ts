import type { FinishReason, JobId, ToolCall, Usage } from "@coop/core";
import type {
  ChatChunkDelta,
  ChatCompletion,
  ChatCompletionChunk,
  EmbeddingList,
  OpenaiToolCall,
  OpenaiUsage,
} from "@coop/protocol";
import type { Delta } from "@coop/core";
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
  const { content, reasoning, toolCalls } = output;
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
          ...(reasoning !== "" && { reasoning_content: reasoning }),
          ...(toolCalls.length > 0 && { tool_calls: toolCalls.map(openaiToolCall) }),
        },
        finish_reason: finishReasonOf(end.finishReason, toolCalls.length > 0),
        logprobs: null,
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
  const piece = (delta: ChatChunkDelta, finishReason: FinishReason | null = null): ChatCompletionChunk => {
    const first: ChatChunkDelta = begun ? {} : { role: "assistant" };
    begun = true;
    return chunk([{ index: 0, delta: { ...first, ...delta }, finish_reason: finishReason, logprobs: null }]);
  };

  return {
    deltas: (deltas) => {
      calledTools ||= deltas.some((delta) => delta.kind === "tool-call");
      return joinAlike(deltas).flatMap((delta) => {
        const written = chunkDelta(delta);
        return written === null ? [] : [piece(written)];
      });
    },
    end: (finishReason, usage) => [
      piece({}, finishReasonOf(finishReason, calledTools)),
      ...(includeUsage ? [chunk([], openaiUsage(usage))] : []),
    ],
  };
}

function chunkDelta(delta: Delta): ChatChunkDelta | null {
  switch (delta.kind) {
    case "content":
      return { content: delta.text };
    case "reasoning":
      return { reasoning_content: delta.text };
    case "tool-call":
      return { tool_calls: [{ index: delta.index, ...openaiToolCall(delta.call) }] };
    case "embedding":
      return null;
  }
}

/** Neighbouring texts of one kind become one, so that a batch of tokens is one chunk. */
function joinAlike(deltas: readonly Delta[]): readonly Delta[] {
  const joined: Delta[] = [];
  for (const delta of deltas) {
    const last = joined.at(-1);
    if (
      last !== undefined &&
      (last.kind === "content" || last.kind === "reasoning") &&
      last.kind === delta.kind
    ) {
      joined[joined.length - 1] = { kind: last.kind, text: last.text + delta.text };
    } else {
      joined.push(delta);
    }
  }
  return joined;
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
