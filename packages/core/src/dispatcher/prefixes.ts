import type { JobSpec } from "../job/job.ts";

/**
 * Which node still holds the beginning of a conversation's next prompt. An engine keeps what it last worked on, one
 * sequence a slot and model, and forgets the one unused for longest first. No engine tells what it holds, so it is
 * inferred: the last turn's prompt and answer, until as many other prompts as there are slots came to the same model.
 */
export interface Prefixes {
  /** Prompt tokens of a job that a model on a node is expected to hold. */
  readonly cachedTokens: (spec: JobSpec, node: number, model: string) => number;
  /** Where a job's conversation had its last turn, by node index; null when nothing is known of it. */
  readonly lastNode: (spec: JobSpec) => number | null;
  /** A prompt comes to a model on a node. */
  readonly started: (spec: JobSpec, node: number, model: string) => void;
  /** An attempt ended well: its prompt and output, so many tokens, are held now. */
  readonly ended: (
    spec: JobSpec,
    at: { readonly node: number; readonly model: string; readonly slots: number; readonly tokens: number },
  ) => void;
}

interface Turn {
  readonly node: number;
  readonly model: string;
  readonly slots: number;
  readonly tokens: number;
  /** Prompts that came to the model until then. */
  readonly promptsBefore: number;
}

/** Conversations that are remembered; the one that was silent for longest is forgotten first. */
const CONVERSATIONS_MAX = 20_000;
/** Templates and tools put something anew into every prompt. */
const HELD_SHARE = 0.9;

export function createPrefixes(): Prefixes {
  const turns = new Map<string, Turn>();
  /** By node index and model: prompts so far. */
  const prompts: (Map<string, number> | undefined)[] = [];

  const promptsOf = (node: number, model: string): number => prompts[node]?.get(model) ?? 0;

  return {
    cachedTokens({ session, promptTokens }, node, model) {
      const turn = session === null ? undefined : turns.get(session);
      if (turn === undefined || turn.node !== node || turn.model !== model) return 0;
      if (promptsOf(node, model) - turn.promptsBefore >= turn.slots) return 0;
      return HELD_SHARE * Math.min(turn.tokens, promptTokens);
    },
    lastNode: ({ session }) => (session === null ? null : (turns.get(session)?.node ?? null)),
    started({ session }, node, model) {
      const known = session === null ? undefined : turns.get(session);
      const isNext = known !== undefined && known.node === node && known.model === model;
      if (isNext) return;
      const ofNode = prompts[node] ?? new Map<string, number>();
      prompts[node] = ofNode;
      ofNode.set(model, (ofNode.get(model) ?? 0) + 1);
    },
    ended({ session }, { node, model, slots, tokens }) {
      if (session === null) return;
      turns.delete(session);
      turns.set(session, { node, model, slots, tokens, promptsBefore: promptsOf(node, model) });
      const oldest = turns.size > CONVERSATIONS_MAX ? turns.keys().next().value : undefined;
      if (oldest !== undefined) turns.delete(oldest);
    },
  };
}
