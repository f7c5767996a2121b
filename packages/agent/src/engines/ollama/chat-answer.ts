import { randomUUID } from "node:crypto";
import type { Delta, TokenLogprob, ToolCall } from "@coop/core";
import type { EngineRequest } from "@coop/protocol";
import { EngineFault } from "./fault.ts";
import { forcedCall } from "./forced-call.ts";
import type { ChatLine } from "./wire.ts";

type ChatWork = Extract<EngineRequest, { kind: "chat" }>;

/** Something that the engine produced. */
export interface Piece {
  /** What goes out, in order; nothing while a required call is gathered. */
  readonly deltas: readonly Delta[];
  readonly tokens: number;
  readonly text: string;
}

/** Reads a chat's lines as what goes out. */
export interface ChatAnswer {
  /** Calls of tools so far. */
  readonly toolCalls: number;
  read(line: ChatLine): readonly Piece[];
  /**
   * What was gathered until the model ended, and its tokens, which were counted as they came; null for nothing.
   * @param cut a limit ended it, so that a required call may be incomplete: then it goes out as the text it is
   * @throws EngineFault `model-output` when a required call is none
   */
  end(cut: boolean): { readonly delta: Delta; readonly tokens: number } | null;
}

export function readChatAnswer(work: ChatWork): ChatAnswer {
  const forced = forcedCall(work);
  const callsMost = work.parallelToolCalls === false ? 1 : Infinity;
  const gathered: string[] = [];
  /** Log probabilities without their text yet: an engine that parses output holds text back, but not these. */
  let unplaced: readonly TokenLogprob[] = [];
  let toolCalls = 0;

  const callDelta = (call: ToolCall): Delta => ({ kind: "tool-call", index: toolCalls++, call });

  const contentOf = (text: string): Piece => {
    if (forced === null) return { deltas: [{ kind: "content", text }, ...takeLogprobs()], tokens: 1, text };
    gathered.push(text);
    return { deltas: [], tokens: 1, text };
  };

  const takeLogprobs = (): readonly Delta[] => {
    const tokens = unplaced;
    unplaced = [];
    return tokens.length === 0 ? [] : [{ kind: "logprobs", tokens }];
  };

  return {
    get toolCalls() {
      return toolCalls;
    },
    read(line) {
      const { message } = line;
      const pieces: Piece[] = [];
      if (line.logprobs) unplaced = [...unplaced, ...line.logprobs.map(tokenLogprob)];
      if (message?.thinking) {
        const text = message.thinking;
        pieces.push({ deltas: [{ kind: "reasoning", text }], tokens: 1, text });
      }
      if (message?.content) pieces.push(contentOf(message.content));
      for (const { id, function: called } of message?.tool_calls ?? []) {
        const text = JSON.stringify(called.arguments);
        const deltas =
          toolCalls < callsMost
            ? [callDelta({ id: id ?? newCallId(), name: called.name, arguments: text })]
            : [];
        pieces.push({ deltas, tokens: Math.ceil((called.name.length + text.length) / 4), text });
      }
      // What was thought, or became a call, is no part of the answer's text.
      if (pieces.length > 0) unplaced = [];
      else if (line.done && forced === null && unplaced.length > 0)
        pieces.push({ deltas: takeLogprobs(), tokens: 0, text: "" });
      return pieces;
    },
    end(cut) {
      if (forced === null || toolCalls > 0) return null;
      const text = gathered.join("");
      const call = forced.read(text);
      const tokens = gathered.length;
      if (call !== null) return { delta: callDelta({ id: newCallId(), ...call }), tokens };
      if (cut) return text === "" ? null : { delta: { kind: "content", text }, tokens };
      throw new EngineFault("model-output", "the model did not call a tool, as was required of it");
    },
  };
}

const tokenLogprob = ({
  top_logprobs: top,
  ...token
}: NonNullable<ChatLine["logprobs"]>[number]): TokenLogprob => ({ ...token, top: top ?? [] });

const newCallId = (): string => `call_${randomUUID()}`;
