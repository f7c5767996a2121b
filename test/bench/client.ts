/** The load: many chats at once from one process, read as cheaply as they can be. */
import { Agent } from "undici";
import type { Dispatcher } from "undici";
import { TOKEN_MARK } from "./workload.ts";
import type { Pace, Target } from "./workload.ts";

const MARK = TOKEN_MARK.charCodeAt(0);

/** One chat as its client saw it. */
export interface Answer {
  /** From the request to the first token, ms. */
  readonly firstTokenMs: number;
  readonly totalMs: number;
  readonly tokens: number;
}

export interface BenchClient extends AsyncDisposable {
  /**
   * One chat to its end. Rejects on any status but 200 and on an answer without a token.
   * @param onTokens hears of tokens as they arrive
   */
  chat(
    target: Target,
    pace: Pace | null,
    stream: boolean,
    onTokens?: (count: number) => void,
  ): Promise<Answer>;
}

/** @param connections most requests under way at once */
export function createBenchClient(connections: number): BenchClient {
  const agent = new Agent({ connections, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  return {
    async chat(target, pace, stream, onTokens = () => undefined) {
      const beganMs = performance.now();
      const response = await agent.request({
        ...originAndPath(target.url),
        method: "POST",
        headers: target.headers,
        body: target.body(pace, stream),
      });
      if (response.statusCode !== 200) {
        throw new Error(`${target.url} answered ${response.statusCode}: ${await response.body.text()}`);
      }
      return await readAnswer(response.body, beganMs, onTokens);
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

const originAndPath = (url: string): { readonly origin: string; readonly path: string } => {
  const { origin, pathname } = new URL(url);
  return { origin, path: pathname };
};

async function readAnswer(
  body: Dispatcher.ResponseData["body"],
  beganMs: number,
  onTokens: (count: number) => void,
): Promise<Answer> {
  let tokens = 0;
  let firstTokenMs: number | null = null;
  const parts: AsyncIterable<Buffer> = body;
  for await (const part of parts) {
    const marks = marksIn(part);
    if (marks === 0) continue;
    tokens += marks;
    firstTokenMs ??= performance.now() - beganMs;
    onTokens(marks);
  }
  if (firstTokenMs === null) throw new Error("an answer had no token");
  return { firstTokenMs, totalMs: performance.now() - beganMs, tokens };
}

function marksIn(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(MARK); at >= 0; at = bytes.indexOf(MARK, at + 1)) count += 1;
  return count;
}

/** Keeps `lanes` tasks under way for `durationMs`; answers with how many ended in that time, a second. */
export async function perSecond(
  lanes: number,
  durationMs: number,
  task: () => Promise<unknown>,
): Promise<number> {
  const beganMs = performance.now();
  const endsAtMs = beganMs + durationMs;
  let ended = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() < endsAtMs) {
      await task();
      if (performance.now() <= endsAtMs) ended += 1;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return (ended * 1000) / durationMs;
}

/** Starts `rate` tasks a second for `durationMs`, whether earlier ones have ended or not; resolves with what they gave. */
export async function atRate<T>(
  rate: number,
  durationMs: number,
  task: () => Promise<T>,
): Promise<readonly T[]> {
  const beganMs = performance.now();
  const running: Promise<T>[] = [];
  for (;;) {
    const elapsedMs = Math.min(performance.now() - beganMs, durationMs);
    while (running.length < (elapsedMs * rate) / 1000) running.push(task());
    if (elapsedMs >= durationMs) return await Promise.all(running);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** Nearest-rank quantile; NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
