import { BLOCK_TOKENS } from "./job.ts";
import type { Prefix, SimJob } from "./job.ts";

/** What a loaded model keeps of earlier prompts: one sequence a slot, the last that the slot worked on. */
export interface CachedSequence {
  prefix: Prefix | null;
  tokens: number;
  busy: boolean;
  lastUseS: number;
}

export const emptyCache = (slots: number): CachedSequence[] =>
  Array.from({ length: slots }, () => ({ prefix: null, tokens: 0, busy: false, lastUseS: -1 }));

/** The idle sequence that shares most with a job's prompt, the one unused for longest among equals. */
export function takeSequence(
  cache: readonly CachedSequence[],
  job: SimJob,
): { readonly sequence: CachedSequence | null; readonly cachedTokens: number } {
  let best: CachedSequence | null = null;
  let mostTokens = -1;
  for (const sequence of cache) {
    if (sequence.busy) continue;
    const tokens = commonTokens(sequence, job);
    const isBetter = tokens > mostTokens || (best !== null && sequence.lastUseS < best.lastUseS);
    if (tokens >= mostTokens && isBetter) {
      best = sequence;
      mostTokens = tokens;
    }
  }
  if (best !== null) best.busy = true;
  return { sequence: best, cachedTokens: Math.max(0, mostTokens) };
}

/** The slot has worked on a job: its cache holds prompt and output. */
export function releaseSequence(sequence: CachedSequence, job: SimJob, tokens: number, nowS: number): void {
  sequence.prefix = job.prefix;
  sequence.tokens = tokens;
  sequence.busy = false;
  sequence.lastUseS = nowS;
}

/** Prompt tokens of the job that the sequence holds already; at least one is always processed. */
function commonTokens({ prefix, tokens }: CachedSequence, job: SimJob): number {
  const own = job.prefix;
  if (prefix === null || own === null) return 0;
  const most = Math.min(tokens, job.promptTokens - 1);
  if (prefix.kind === "conversation") {
    return own.kind === "conversation" && own.conversation === prefix.conversation ? most : 0;
  }
  if (own.kind !== "blocks") return 0;
  return Math.min(most, commonBlocks(prefix.blocks, own.blocks) * BLOCK_TOKENS);
}

/** How many blocks two prompts have in common from their beginning. */
export function commonBlocks(one: readonly number[], other: readonly number[]): number {
  let count = 0;
  while (count < one.length && count < other.length && one[count] === other[count]) count += 1;
  return count;
}
