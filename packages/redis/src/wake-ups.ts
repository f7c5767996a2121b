import { asJobId, asNodeId, type Log, type Wake, type WakeUps } from "@coop/core";
import type { Redis } from "ioredis";
import { z } from "zod";
import { noticeWhenDead } from "./dead-subscriber.ts";
import { jobSpecSchema } from "./job-record.ts";

const wakeSchema: z.ZodType<Wake> = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("admitted"), spec: jobSpecSchema }),
  z.object({
    kind: z.literal("cancelled"),
    job: z.string().transform(asJobId),
    fenced: z.object({ epoch: z.int().nonnegative(), node: z.string().transform(asNodeId) }).nullable(),
  }),
  z.object({ kind: z.enum(["node-revoked", "node-drained"]), node: z.string().transform(asNodeId) }),
]);

/**
 * Wake-ups over Redis pub/sub, on a connection of its own for each subscription.
 * @param connect opens a connection that heals by itself, is not connected yet and does not subscribe again by itself
 */
export function createWakeUps(connect: () => Redis, channel: string, log: Log, askEveryMs?: number): WakeUps {
  return {
    async subscribe(onWake, onGap, signal) {
      if (signal.aborted) return;
      const redis = connect();
      redis.on("message", (_, text) => {
        const wake = readWake(text);
        if (wake === null) log.warn({ channel }, "dropped a wake-up that cannot be read");
        else onWake(wake);
      });
      const lost = (error: unknown): void =>
        log.warn({ err: error, channel }, "lost Redis before subscribing");
      redis.on("ready", () => void redis.subscribe(channel).then(onGap, lost));
      redis.connect().catch(lost);
      noticeWhenDead(redis, askEveryMs);
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      redis.disconnect();
    },
  };
}

function readWake(text: string): Wake | null {
  try {
    return wakeSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return null;
    throw error;
  }
}
