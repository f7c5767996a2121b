import { createStream, exponential, normal } from "../world/random-stream.ts";
import type { Random } from "@coop/core";
import type { Request } from "./request.ts";

/**
 * Workloads without a trace. Lengths follow a public hour of conversations with a hosted model (prompt median about
 * 1,000 tokens, 99 % below 4,200; output median about 130, 99 % below 600): conversations whose prompts grow by
 * every turn. The variants change when requests come, or from whom.
 */
export const SYNTHETIC_KINDS = ["chat", "code", "diurnal", "bursty", "skewed"] as const;
export type SyntheticKind = (typeof SYNTHETIC_KINDS)[number];

interface Conversations {
  readonly firstPrompt: Length;
  /** What a member adds to the conversation by a turn. */
  readonly message: Length;
  readonly output: Length;
  readonly meanTurns: number;
  /** Mean time from an answer's request to the next, in mean gaps between requests. */
  readonly thinkGaps: number;
  readonly promptTokensMax: number;
}

/** Lognormal. */
interface Length {
  readonly median: number;
  readonly sigma: number;
}

const CHAT: Conversations = {
  firstPrompt: { median: 620, sigma: 0.7 },
  message: { median: 50, sigma: 0.9 },
  output: { median: 130, sigma: 0.68 },
  meanTurns: 3,
  thinkGaps: 30,
  promptTokensMax: 8_000,
};
/** Long prompts, short completions, many turns over the same files. */
const CODE: Conversations = {
  firstPrompt: { median: 1_500, sigma: 0.7 },
  message: { median: 180, sigma: 1 },
  output: { median: 70, sigma: 1.1 },
  meanTurns: 6,
  thinkGaps: 12,
  promptTokensMax: 12_000,
};
const OUTPUT_TOKENS_MAX = 2_048;
/** Waves of the day within a workload, and how far the rate swings about its mean. */
const WAVES = 2;
const SWING = 0.6;
/** A burst brings this many requests on average, this much closer together than without bursts. */
const BURST_MEAN = 12;
const BURST_SPEEDUP = 20;

/** The part that the most active member sends, where a workload is skewed. */
export const SKEWED_TOP_SHARE = 0.4;

/** `count` requests at a mean rate of one a second. */
export function synthesise(kind: SyntheticKind, count: number, seed: number): readonly Request[] {
  const times = arrivalTimes(kind, count, createStream(seed, `${kind}/times`));
  return converse(kind === "code" ? CODE : CHAT, times, createStream(seed, `${kind}/lengths`));
}

function arrivalTimes(kind: SyntheticKind, count: number, random: Random): readonly number[] {
  const times: number[] = [];
  let atS = 0;
  let burstLeft = 0;
  for (let index = 0; index < count; index += 1) {
    if (kind === "bursty") {
      if (burstLeft <= 0) {
        burstLeft = Math.ceil(exponential(random) * BURST_MEAN);
        atS += exponential(random) * BURST_MEAN * (1 - 1 / BURST_SPEEDUP);
      }
      burstLeft -= 1;
      atS += exponential(random) / BURST_SPEEDUP;
    } else if (kind === "diurnal") {
      const rate = 1 + SWING * Math.sin((2 * Math.PI * WAVES * atS) / count);
      atS += exponential(random) / rate;
    } else atS += exponential(random);
    times.push(atS);
  }
  return times;
}

interface Conversation {
  readonly number: number;
  /** Tokens of prompt and output so far. */
  tokens: number;
  readyAtS: number;
}

/** Fills moments with turns: of a conversation that is ready for its next one, or of a new one. */
function converse(shape: Conversations, times: readonly number[], random: Random): readonly Request[] {
  const open: Conversation[] = [];
  let conversations = 0;
  return times.map((atS) => {
    const place = open.findIndex(({ readyAtS }) => readyAtS <= atS);
    const known = place < 0 ? undefined : open.splice(place, 1)[0];
    const outputTokens = Math.min(OUTPUT_TOKENS_MAX, draw(shape.output, random));
    const added = draw(known === undefined ? shape.firstPrompt : shape.message, random);
    const conversation = known ?? { number: (conversations += 1), tokens: 0, readyAtS: 0 };
    const sharedTokens = conversation.tokens;
    const promptTokens = Math.min(shape.promptTokensMax, sharedTokens + added);
    conversation.tokens = promptTokens + outputTokens;
    conversation.readyAtS = atS + exponential(random) * shape.thinkGaps;
    const goesOn = random.next() < 1 - 1 / shape.meanTurns;
    if (goesOn && conversation.tokens < shape.promptTokensMax) open.push(conversation);
    return {
      atS,
      promptTokens,
      outputTokens,
      client: null,
      session: `c${conversation.number}`,
      prefix: { kind: "conversation", conversation: conversation.number },
      sharedTokens: Math.min(sharedTokens, promptTokens - 1),
    };
  });
}

const draw = ({ median, sigma }: Length, random: Random): number =>
  Math.max(1, Math.round(median * Math.exp(sigma * normal(random))));
