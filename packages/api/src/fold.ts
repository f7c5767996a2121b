import type { OutputEvent, TokenLogprob, ToolCall } from "@coop/core";

export type Placed = Extract<OutputEvent, { kind: "placed" }>;
export type EndEvent = Exclude<OutputEvent, { kind: "placed" | "deltas" }>;

/** A job's output, added up. Pure: no I/O. */
export interface FoldedOutput {
  /** The attempt that the rest came from, null before the first. */
  readonly placed: Placed | null;
  readonly content: string;
  /** Empty when the engine told none. */
  readonly logprobs: readonly TokenLogprob[];
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCall[];
  readonly embeddings: readonly (readonly number[])[];
  /** Null while it runs. */
  readonly end: EndEvent | null;
}

export interface OutputFold {
  take(event: OutputEvent): void;
  result(): FoldedOutput;
}

/** Adds events up. An attempt that starts anew discards what the one before had produced: attempts are never spliced. */
export function createFold(): OutputFold {
  let placed: Placed | null = null;
  let end: EndEvent | null = null;
  let content: string[] = [];
  let logprobs: TokenLogprob[] = [];
  let reasoning: string[] = [];
  let toolCalls = new Map<number, ToolCall>();
  let embeddings = new Map<number, readonly number[]>();

  const begin = (event: Placed): void => {
    placed = event;
    content = [];
    logprobs = [];
    reasoning = [];
    toolCalls = new Map();
    embeddings = new Map();
  };

  return {
    take: (event) => {
      if (event.kind === "placed") return begin(event);
      if (event.kind !== "deltas") {
        end = event;
        return;
      }
      for (const delta of event.deltas) {
        if (delta.kind === "content") content.push(delta.text);
        else if (delta.kind === "logprobs") logprobs.push(...delta.tokens);
        else if (delta.kind === "reasoning") reasoning.push(delta.text);
        else if (delta.kind === "tool-call") toolCalls.set(delta.index, delta.call);
        else embeddings.set(delta.index, delta.vector);
      }
    },
    result: () => ({
      placed,
      content: content.join(""),
      logprobs,
      reasoning: reasoning.join(""),
      toolCalls: inOrder(toolCalls),
      embeddings: inOrder(embeddings),
      end,
    }),
  };
}

const inOrder = <T>(items: ReadonlyMap<number, T>): readonly T[] =>
  [...items].sort(([a], [b]) => a - b).map(([, item]) => item);
