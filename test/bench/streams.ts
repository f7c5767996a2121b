import { setTimeout as delay } from "node:timers/promises";
import { quantile } from "./client.ts";
import type { BenchClient } from "./client.ts";
import { AGENTS } from "./rig.ts";
import type { Rig } from "./rig.ts";
import { number } from "./table.ts";
import type { Row } from "./table.ts";
import type { Pace, Target } from "./workload.ts";

const STREAMS = 50;
const CHATS_EACH = 8;
const FIRST_TOKEN_PACE: Pace = { tokens: 40, everyMs: 20 };
/** 440 tokens a second from each of 50 streams: a tenth more than the bar asks for. */
const FLOOD_PACE: Pace = { tokens: 2_200, everyMs: 1000 / 440 };
const FLOOD_FROM_MS = 1_000;
const FLOOD_MS = 3_000;

const PROCESSES = `Client, server with its embedded Redis (fsync always), ${AGENTS} agents and the engine. `;

/** Time to the first token of chats of which 50 are always under way, ms; the first chat of each stream does not count. */
async function firstTokens(client: BenchClient, target: Target): Promise<readonly number[]> {
  const tookMs: number[] = [];
  const stream = async (index: number): Promise<void> => {
    await delay((index * FIRST_TOKEN_PACE.tokens * FIRST_TOKEN_PACE.everyMs) / STREAMS);
    for (let chat = 0; chat < CHATS_EACH; chat += 1) {
      const { firstTokenMs } = await client.chat(target, FIRST_TOKEN_PACE, true);
      if (chat > 0) tookMs.push(firstTokenMs);
    }
  };
  await Promise.all(Array.from({ length: STREAMS }, (_, index) => stream(index)));
  return tookMs;
}

/** What the co-op adds to the time to the first token. */
export async function firstTokenRow(rig: Rig, client: BenchClient): Promise<Row> {
  const through = await firstTokens(client, rig.coop);
  const direct = await firstTokens(client, rig.engine);
  const [throughP50, throughP99] = [quantile(through, 0.5), quantile(through, 0.99)];
  const [directP50, directP99] = [quantile(direct, 0.5), quantile(direct, 0.99)];
  const [p50Ms, p99Ms] = [throughP50 - directP50, throughP99 - directP99];
  return {
    what: "added time to first token, 50 streams",
    figures: { p50Ms, p99Ms, throughP50, throughP99, directP50, directP99 },
    measured: `p50 ${number(p50Ms)}, p99 ${number(p99Ms)} ms`,
    bar: "p50 <= 10, p99 <= 60 ms",
    aim: "5 / 20 ms",
    meetsBar: p50Ms <= 10 && p99Ms <= 60,
    floor: `engine directly: p50 ${number(directP50)}, p99 ${number(directP99)} ms`,
    includes:
      `${PROCESSES}From the client's request to the first token at the client, less the same at the engine without ` +
      `a co-op before it; ${STREAMS} streams of 50 tokens a second each always under way, ${through.length} first tokens.`,
  };
}

/** Tokens that arrive at 50 clients of fast streams. */
export async function tokensRow(rig: Rig, client: BenchClient): Promise<Row> {
  const counts = Array.from({ length: STREAMS }, () => 0);
  const beganMs = performance.now();
  const isCounted = (): boolean => {
    const atMs = performance.now() - beganMs;
    return atMs >= FLOOD_FROM_MS && atMs < FLOOD_FROM_MS + FLOOD_MS;
  };
  await Promise.all(
    counts.map((_, index) =>
      client.chat(rig.coop, FLOOD_PACE, true, (count) => {
        if (isCounted()) counts[index] = (counts[index] ?? 0) + count;
      }),
    ),
  );
  const perSecond = counts.map((count) => (count * 1000) / FLOOD_MS);
  const tokensPerSecond = perSecond.reduce((sum, rate) => sum + rate, 0);
  const slowest = Math.min(...perSecond);
  return {
    what: "tokens through the server, 50 streams",
    figures: { tokensPerSecond, slowestClientTokensPerSecond: slowest },
    measured: `${number(tokensPerSecond)} tokens/s, slowest client ${number(slowest)}/s`,
    bar: ">= 20,000/s, every client fed",
    aim: "50,000/s",
    meetsBar: tokensPerSecond >= 20_000 && slowest >= 300,
    floor: "the engine sends 22,000/s",
    includes:
      `${PROCESSES}Tokens counted at the clients in ${FLOOD_MS / 1000} s of steady flow, each read from the engine as a ` +
      "line of its own, gathered into frames of at most 30 ms, encrypted, kept in Redis and sent as server-sent events. " +
      "Fed: no client below 300 tokens/s.",
  };
}
