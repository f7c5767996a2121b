import type { Redis } from "ioredis";

const ASK_EVERY_MS = 5_000;

/**
 * Asks a subscriber's connection again and again whether it lives. A subscriber only listens, and a connection
 * on which no answer is due can be dead for a quarter of an hour unnoticed; one that owes an answer is replaced.
 * Ends when the connection is closed for good.
 */
export function noticeWhenDead(subscriber: Redis, askEveryMs = ASK_EVERY_MS): void {
  // The connection tells of its failure itself, by connecting again.
  const heard = (): void => undefined;
  const asking = setInterval(() => {
    if (subscriber.status === "ready") subscriber.ping().then(heard, heard);
  }, askEveryMs);
  asking.unref();
  subscriber.once("end", () => clearInterval(asking));
}
