/** What the bench asks for, and what stands in the answers. */

export const BENCH_MODEL = "bench:160m";

/** Begins each token of the engine and stands nowhere else in an answer, so that bytes can be counted. */
export const TOKEN_MARK = "~";

/** How an answer comes: its first token at once, each further one after `everyMs`. */
export interface Pace {
  readonly tokens: number;
  readonly everyMs: number;
}

/** @param pace null: one token at once */
const chatOf = (pace: Pace | null, stream: boolean): object => ({
  model: BENCH_MODEL,
  messages: [
    {
      role: "user",
      content: pace === null ? "Say one word." : `Count: tokens=${pace.tokens} every=${pace.everyMs}`,
    },
  ],
  stream,
});

/** Where a chat goes, as one request. */
export interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: (pace: Pace | null, stream: boolean) => string;
}

/** The co-op's endpoint. */
export const coopTarget = (url: string, key: string): Target => ({
  url: `${url}/v1/chat/completions`,
  headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
  body: (pace, stream) => JSON.stringify({ ...chatOf(pace, stream), max_tokens: pace?.tokens ?? 16 }),
});

/** The engine itself: the floor of whatever stands before it. */
export const engineTarget = (url: string): Target => ({
  url: `${url}/api/chat`,
  headers: { "content-type": "application/json" },
  body: (pace) => JSON.stringify(chatOf(pace, true)),
});
